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
	changed = next.sweep(c.title, items)
	held := c.index(next)
	former, out := c.former(next), removal{}
	for _, it := range items {
		if it.act.Revoke {
			for _, b := range slices.Concat(held.of(it), former.of(it)) {
				if b.own(c.title) {
					out.add(b, it.act.Grant.Account)
				}
			}
		}
	}
	changed = next.take(c, out) || changed
	n, spelling, out := next.count(), next.spelling(), removal{}
	for _, it := range items {
		if it.act.Revoke {
			continue
		}
		want := expression(it.act.Until)
		var at *binding
		others := 0
		for _, b := range held.of(it) {
			switch {
			case !b.own(c.title):
			case b.condition.Expression == want && at == nil:
				at = b
			default:
				others++
			}
		}
		if at == nil && others == 0 {
			if err := n.room(it); err != nil {
				refused[it.index] = err
				continue
			}
			n.add(it.role, it.member)
		}
		for _, b := range held.of(it) {
			if b != at && b.own(c.title) {
				out.add(b, it.act.Grant.Account)
			}
		}
		if at == nil {
			member := it.member
			if known, ok := spelling[member]; ok {
				member = known
			}
			next.add(c.title, it.role, member, it.act.Until)
		}
		changed = changed || at == nil || others > 0
	}
	next.take(c, out)
	next.bindings = slices.DeleteFunc(next.bindings, func(b *binding) bool { return b.touched && len(b.members) == 0 })
	return next, refused, changed
}

// index is which bindings of a role an account is in, whoever made them.
type index map[[2]string][]*binding

func (c *connector) index(p *policy) index { return p.index(c.set.accountOf) }

// former is the same of deleted principals, who would have it again if Google were
// asked to bring them back.
func (c *connector) former(p *policy) index {
	return p.index(func(m string) (string, bool) { account := c.set.formerOf(m); return account, account != "" })
}

func (p *policy) index(accountOf func(member string) (string, bool)) index {
	ix := index{}
	for _, b := range p.bindings {
		for _, m := range b.members {
			if account, ok := accountOf(m); ok {
				k := [2]string{b.role, account}
				if list := ix[k]; len(list) == 0 || list[len(list)-1] != b {
					ix[k] = append(list, b)
				}
			}
		}
	}
	return ix
}

func (ix index) of(it item) []*binding { return ix[[2]string{it.role, it.act.Grant.Account}] }

// removal is which accounts leave which bindings.
type removal map[*binding]map[string]bool

func (r removal) add(b *binding, account string) {
	if r[b] == nil {
		r[b] = map[string]bool{}
	}
	r[b][account] = true
}

// take carries a removal out.
func (p *policy) take(c *connector, out removal) (changed bool) {
	for b, accounts := range out {
		b.members = slices.DeleteFunc(b.members, func(m string) bool {
			a, ok := c.set.accountOf(m)
			return ok && accounts[a] || accounts[c.set.formerOf(m)]
		})
		b.touched, changed = true, true
	}
	return changed
}

// sweep drops bindings of our own that ended long ago, of the roles that are changed
// anyway: other roles may be beyond our rights by now.
func (p *policy) sweep(title string, items []item) bool {
	before := len(p.bindings)
	p.bindings = slices.DeleteFunc(p.bindings, func(b *binding) bool {
		return b.own(title) && b.over(p.at.Add(-stale)) && slices.ContainsFunc(items, func(it item) bool { return it.role == b.role })
	})
	return len(p.bindings) < before
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
func (p *policy) spelling() map[string]string {
	out := map[string]string{}
	for _, b := range p.bindings {
		for _, m := range b.members {
			kind, address, _ := strings.Cut(m, ":")
			out[kind+":"+strings.ToLower(address)] = m
		}
	}
	return out
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
