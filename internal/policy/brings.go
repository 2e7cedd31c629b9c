package policy

import (
	"slices"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/schema"
)

// Brings returns what a request would hold if it were granted, sorted: nothing for
// roles, targets and people that do not exist. It says nothing of whether it may.
func Brings(tree *schema.Tree, r *schema.AccessRequest, canonical Canonical) []grants.Item {
	c := &judging{Judgement: Judgement{Request: r, Trusted: tree, Canonical: canonical}}
	c.subjects, _ = subjectsOf(tree, r)
	var out []grants.Item
	for _, use := range r.Roles {
		if role := tree.Roles[use.Role]; role != nil {
			out = append(out, c.entitlements(role, use.Params)...)
		}
	}
	slices.SortFunc(out, compareItems)
	return slices.Compact(out)
}
