package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/schema"
)

// present is the state of people, roles and targets that has to allow what is held:
// the trusted one, and the branch as it stands, because taking away needs no approval.
type present struct {
	states    []*schema.Tree
	canonical Canonical // nil: entitlements are compared as written
}

func presentOf(trusted, branch *schema.Tree, canonical Canonical) present {
	p := present{canonical: canonical}
	for _, t := range []*schema.Tree{trusted, branch} {
		if t != nil {
			p.states = append(p.states, t)
		}
	}
	return p
}

// subjects returns the people that a request is for, state by state.
func (p present) subjects(doc *schema.AccessRequest) [][]*schema.Person {
	out := make([][]*schema.Person, len(p.states))
	for i, t := range p.states {
		out[i], _ = subjectsOf(t, doc)
	}
	return out
}

// lost says why an item of a request is not allowed any more; empty: it is.
func (p present) lost(doc *schema.AccessRequest, subjects [][]*schema.Person, it grants.Item) string {
	for i, t := range p.states {
		if why := p.lostIn(t, doc, subjects[i], it); why != "" {
			return why
		}
	}
	return ""
}

// active reports whether every present state has the person active.
func (p present) active(person string) bool {
	return !slices.ContainsFunc(p.states, func(t *schema.Tree) bool {
		p := t.People[person]
		return p == nil || !p.Active
	})
}

// narrow returns those of the judged items that a version of the request and the
// present states still allow. It adds nothing.
func (d *deciding) narrow(doc *schema.AccessRequest, judged []grants.Item, tell bool) []grants.Item {
	subjects := d.now.subjects(doc)
	var out []grants.Item
	for _, it := range judged {
		why := d.now.lost(doc, subjects, it)
		if why == "" {
			out = append(out, it)
		} else if tell {
			d.fail("in-force", "%s no longer holds %s on %s: %s", it.Subject, it.Entitlement, it.Target, why)
		}
	}
	return out
}

// Left reports whether a person was deactivated or removed for certain: by the
// trusted state, or by a document on the branch (nil: the same) that says so. A file
// that is merely missing from the branch takes away, too, but may be an accident:
// the guard counts what goes with it.
func Left(trusted, branch *schema.Tree, person string) bool {
	if p := trusted.People[person]; p == nil || !p.Active {
		return true
	}
	if branch == nil {
		return false
	}
	p := branch.People[person]
	return p != nil && !p.Active
}

// lostIn says why a state no longer allows an item; empty: it does.
func (p present) lostIn(t *schema.Tree, doc *schema.AccessRequest, subjects []*schema.Person, it grants.Item) string {
	role := t.Roles[it.Role]
	switch {
	case !p.active(it.Subject):
		return fmt.Sprintf("%s is not active any more", it.Subject)
	case !slices.ContainsFunc(subjects, func(s *schema.Person) bool { return s.Name == it.Subject }):
		return fmt.Sprintf("%s is not a subject any more", it.Subject)
	case role == nil:
		return fmt.Sprintf("role %s does not exist any more", it.Role)
	}
	terms, ok := termsFor(doc, role)
	switch {
	case !ok:
		return fmt.Sprintf("role %s has no emergency terms any more", it.Role)
	case !mayRequest(t, terms.requesters, it.Subject):
		return fmt.Sprintf("%s is not in the requesters of role %s any more", it.Subject, it.Role)
	case !doc.ReviewBy.IsZero() && !role.Standing:
		return fmt.Sprintf("role %s does not allow standing access any more", it.Role)
	case t.Targets[it.Target] == nil:
		return fmt.Sprintf("target %s does not exist any more", it.Target)
	case t.People[it.Subject].AccountOn(it.Target) != it.Account:
		return fmt.Sprintf("the account of %s on %s is %q now; a new account needs a new approval",
			it.Subject, it.Target, t.People[it.Subject].AccountOn(it.Target))
	}
	asked := false
	for _, use := range doc.Roles {
		if use.Role != it.Role {
			continue
		}
		asked = true
		if paramsWrong(role, use.Params) == "" && p.brings(t, role, use, it) {
			return ""
		}
	}
	if !asked {
		return fmt.Sprintf("the request does not ask for role %s any more", it.Role)
	}
	return fmt.Sprintf("role %s does not bring it any more", it.Role)
}

// brings reports whether a role still has the entitlement of an item and its
// target still allows it. Entitlements are the same when they are written alike or
// have one canonical form, so that a new spelling in the role takes nothing away.
func (p present) brings(t *schema.Tree, role *schema.Role, use schema.RoleUse, it grants.Item) bool {
	target := t.Targets[it.Target]
	return slices.ContainsFunc(role.Entitlements, func(e schema.Entitlement) bool {
		if e.Target != it.Target {
			return false
		}
		spec, err := schema.ExpandSpec(e, use.Params)
		if err != nil || !allowed(target, spec) {
			return false
		}
		if b, err := json.Marshal(spec); err == nil && string(b) == it.Spec {
			return true
		}
		if p.canonical == nil {
			return false
		}
		one, err := p.canonical(target.Connector, spec)
		return err == nil && one == it.Entitlement
	})
}

// terms are what one version allows by its own fields.
func (d *deciding) terms(v stage, items []grants.Item) grants.Terms {
	return grants.Terms{
		Span:     grants.Window{From: startOf(v.doc, d.first), Until: endOf(v.doc, d.first)},
		Schedule: scheduleOf(v.doc),
		Items:    items,
	}
}

// cut shortens terms to the present limits of the roles that were judged. A request
// is granted whole, so the strictest of its roles bounds all of it, also when that
// role has meanwhile lost what it brought.
func (d *deciding) cut(t grants.Terms, v stage) grants.Terms {
	seen := map[*schema.Role]bool{}
	before := t
	for _, state := range d.now.states {
		for _, it := range d.base.Verdict.Items {
			if role := state.Roles[it.Role]; role != nil && !seen[role] {
				seen[role] = true
				t = d.limit(t, v, role)
			}
		}
	}
	if v.version == d.base {
		if t.Span.Until.Before(before.Span.Until) {
			d.fail("in-force", "the present limits of its roles end it at %s instead of %s", stamp(t.Span.Until), stamp(before.Span.Until))
		}
		if t.Schedule != nil && t.Schedule.Duration < before.Schedule.Duration {
			d.fail("in-force", "the present limits of its roles cut each occurrence to %s", length(t.Schedule.Duration))
		}
	}
	return t
}

// limit shortens terms to the present limits of one role.
func (d *deciding) limit(t grants.Terms, v stage, role *schema.Role) grants.Terms {
	switch {
	case !v.doc.ReviewBy.IsZero():
		if v.version != d.base {
			break // measured from its own approval, which it does not have
		}
		from := mergedAt(d.base)
		if v.doc.StartsAt.After(from) {
			from = v.doc.StartsAt
		}
		t.Span.Until = earliest(t.Span.Until, from.Add(maxReview(role)))
	case t.Schedule != nil:
		t.Span.Until = earliest(t.Span.Until, t.Span.From.Add(maxSpan(role)))
		if t.Schedule.Duration > role.MaxDuration {
			s := *t.Schedule
			s.Duration = role.MaxDuration
			t.Schedule = &s
		}
	default:
		terms, _ := termsFor(v.doc, role) // without any: no time at all
		t.Span.Until = earliest(t.Span.Until, t.Span.From.Add(terms.longest))
	}
	return t
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b.UTC()
	}
	return a
}
