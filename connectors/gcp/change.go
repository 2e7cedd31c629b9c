package gcp

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

// Limits of one allow policy, from https://cloud.google.com/iam/quotas. Each occurrence
// of a principal counts.
const (
	maxPrincipals = 1500
	maxGroups     = 250
	// maxConditions is how many bindings may have the same role and principal and
	// different conditions.
	maxConditions = 20
)

// stale is how long ago a binding of Tenure's must have ended, by Google's own clock,
// to be swept up on the way. Its grant is revoked at its end anyway.
const stale = 24 * time.Hour

const description = "Access that Tenure gave and takes away. Do not edit: ask for it, or end it, in the access repository."

// item is one act that passed the checks.
type item struct {
	index  int // of the act in its batch
	act    connectors.Act
	role   string
	member string // of a grant
}

// change applies acts to a copy of the policy: first revokes, which make room, then
// grants. It returns which acts the limits forbid, and whether anything is different.
func (c *connector) change(p *policy, items []item) (next *policy, refused map[int]error, changed bool) {
	next, refused = p.clone(), map[int]error{}
	changed = next.sweep(c.title)
	for _, it := range items {
		if it.act.Revoke {
			changed = next.remove(c, it.role, it.act.Grant.Account, "") || changed
		}
	}
	n := next.count()
	for _, it := range items {
		if it.act.Revoke {
			continue
		}
		want := expression(it.act.Until)
		at, elsewhere := next.find(c, it, want)
		if at && !elsewhere {
			continue
		}
		if !at && !elsewhere {
			if err := n.room(it); err != nil {
				refused[it.index] = err
				continue
			}
			n.add(it.role, it.member)
		}
		next.remove(c, it.role, it.act.Grant.Account, want)
		if !at {
			next.add(c.title, it.role, next.spelling(it.member), it.act.Until)
		}
		changed = true
	}
	next.bindings = slices.DeleteFunc(next.bindings, func(b *binding) bool { return b.touched && len(b.members) == 0 })
	return next, refused, changed
}

// sweep drops bindings of our own that ended long ago.
func (p *policy) sweep(title string) bool {
	before := len(p.bindings)
	p.bindings = slices.DeleteFunc(p.bindings, func(b *binding) bool { return b.own(title) && b.over(p.at.Add(-stale)) })
	return len(p.bindings) < before
}

// find looks for a grant in our own bindings: in the one with its end, and in others.
func (p *policy) find(c *connector, it item, want string) (at, elsewhere bool) {
	for _, b := range p.bindings {
		if b.role == it.role && b.own(c.title) && b.holds(&c.set, it.act.Grant.Account) {
			if b.condition.Expression == want && !at {
				at = true
			} else {
				elsewhere = true
			}
		}
	}
	return at, elsewhere
}

func (b *binding) holds(s *settings, account string) bool {
	return slices.ContainsFunc(b.members, func(m string) bool {
		a, ok := s.accountOf(m)
		return ok && a == account
	})
}

// remove takes an account out of our own bindings of a role, but for the first one with
// the expression to keep.
func (p *policy) remove(c *connector, role, account, keep string) (changed bool) {
	kept := false
	for _, b := range p.bindings {
		if b.role != role || !b.own(c.title) || !b.holds(&c.set, account) {
			continue
		}
		if keep != "" && b.condition.Expression == keep && !kept {
			kept = true
			continue
		}
		b.members = slices.DeleteFunc(b.members, func(m string) bool {
			a, ok := c.set.accountOf(m)
			return ok && a == account
		})
		b.touched, changed = true, true
	}
	return changed
}

// add puts a principal into our own binding with this end.
func (p *policy) add(title, role, member string, until time.Time) {
	want := expression(until)
	for _, b := range p.bindings {
		if b.role == role && b.own(title) && b.condition.Expression == want {
			b.members, b.touched = append(b.members, member), true
			return
		}
	}
	p.bindings = append(p.bindings, &binding{
		role: role, members: []string{member}, touched: true,
		condition: &condition{Title: title, Description: description, Expression: want},
	})
}

// spelling is how the policy already writes a principal. Google keeps the capital
// letters of an account's address, and refuses a policy that writes it in two ways.
func (p *policy) spelling(member string) string {
	for _, b := range p.bindings {
		for _, m := range b.members {
			if strings.EqualFold(m, member) {
				return m
			}
		}
	}
	return member
}

// counts are what the limits are about.
type counts struct {
	principals, groups int
	bindings           map[[2]string]int // role and member -> bindings
}

func (p *policy) count() *counts {
	n := &counts{bindings: map[[2]string]int{}}
	for _, b := range p.bindings {
		for _, m := range b.members {
			n.add(b.role, m)
		}
	}
	return n
}

func (n *counts) add(role, member string) {
	n.principals++
	if strings.HasPrefix(member, kindGroup+":") {
		n.groups++
	}
	n.bindings[[2]string{role, strings.ToLower(member)}]++
}

// room is an error where one more would be more than Google takes.
func (n *counts) room(it item) error {
	switch {
	case n.principals >= maxPrincipals:
		return fmt.Errorf("the policy has no room: Google takes %d principals in all its bindings; grant to a group, or remove bindings that are no longer needed", maxPrincipals)
	case n.groups >= maxGroups && strings.HasPrefix(it.member, kindGroup+":"):
		return fmt.Errorf("the policy has no room: Google takes %d groups in all its bindings; remove bindings that are no longer needed", maxGroups)
	case n.bindings[[2]string{it.role, strings.ToLower(it.member)}] >= maxConditions:
		return fmt.Errorf("the account is in %d bindings of this role with different conditions, and Google takes no more; remove those that are no longer needed", maxConditions)
	}
	return nil
}
