package schema

import (
	"slices"
	"strconv"
)

// item names the i-th item of a list in the paths of marks.
func item(list string, i int) string { return list + "." + strconv.Itoa(i) }

// checkRoles checks what roles refer to, that they stay within their targets'
// ceilings, and that somebody can approve them.
func (b *builder) checkRoles() {
	for _, r := range b.roles {
		for i, g := range r.doc.Requesters {
			b.resolves(r.file, r.n, item("requesters", i), g, KindGroup)
		}
		if r.doc.Emergency != nil {
			for i, g := range r.doc.Emergency.Requesters {
				b.resolves(r.file, r.n, item("emergency.requesters", i), g, KindGroup)
			}
		}
		for i, e := range r.doc.Entitlements {
			if b.resolves(r.file, r.n, item("entitlements", i)+".target", e.Target, KindTarget) {
				b.checkCeiling(r, i)
			}
		}
		b.checkApprovals(r)
	}
}

// checkCeiling checks an entitlement, with every value of its parameters,
// against what its target allows.
func (b *builder) checkCeiling(r placed[*Role], i int) {
	e := r.doc.Entitlements[i]
	target := b.tree.Targets[e.Target]
	if target == nil {
		return
	}
	at := item("entitlements", i)
	used, err := placeholders(e.Spec)
	if err != nil {
		return // reported with the file
	}
	combinations := 1
	for _, name := range used {
		combinations *= max(len(r.doc.Params[name].Enum), 1)
		if combinations > maxCombinations {
			b.problem(r.file, r.n, at, "parameters of this entitlement have more than %d combinations; shorten their enum lists or split the role", maxCombinations)
			return
		}
	}
	params := map[string]string{}
	for c := range combinations {
		for _, name := range used {
			enum := r.doc.Params[name].Enum
			if len(enum) == 0 {
				return
			}
			params[name] = enum[c%len(enum)]
			c /= len(enum)
		}
		spec, err := ExpandSpec(e, params)
		if err != nil {
			return
		}
		if !allowed(spec, target.Allow) {
			b.problem(r.file, r.n, at, "%s does not allow %s; its ceiling (%s:%d:%d) allows %s",
				e.Target, showSpec(spec), target.Pos.File, target.Pos.Line, target.Pos.Column, showCeiling(target.Allow))
			return
		}
	}
}

// checkApprovals checks that enough distinct people could meet the items that
// always apply, and each further one on top of them.
func (b *builder) checkApprovals(r placed[*Role]) {
	resolved := true
	for i, a := range r.doc.Approvals {
		for j, from := range a.From {
			if from != SubjectManager {
				resolved = b.resolves(r.file, r.n, item(item("approvals", i)+".from", j), from, KindGroup, KindPerson) && resolved
			}
		}
	}
	if !resolved {
		return
	}
	var subjects []string
	for _, g := range r.doc.Requesters {
		subjects = append(subjects, b.tree.people(g)...)
	}
	base := always(r.doc.Approvals)
	check := func(at string, items []Approval) bool {
		named := make([][]string, len(items))
		for i, a := range items {
			named[i] = b.tree.named(a)
		}
		why := unmet(items, b.tree.pools(items, named, subjects), nil)
		if why != "" {
			b.problem(r.file, r.n, at, "approvals can never be met: %s; name more people or lower count", why)
		}
		return why == ""
	}
	if !check("approvals", base) {
		return
	}
	for i, a := range r.doc.Approvals {
		if a.When != "" {
			check(item("approvals", i), append(slices.Clone(base), a))
		}
	}
}
