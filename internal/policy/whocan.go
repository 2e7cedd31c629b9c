package policy

import (
	"slices"
	"time"

	"github.com/tenure-dev/tenure/schema"
)

// NeededApproval is one approval item that a request needs, and who could give it.
type NeededApproval struct {
	Role   string   `json:"role"`
	From   []string `json:"from"`  // alternatives, as the role writes them
	Count  int      `json:"count"` // distinct people
	When   string   `json:"when,omitempty"`
	People []string `json:"people"`            // who could give it now, sorted; fewer than Count: it cannot be met
	Reason string   `json:"problem,omitempty"` // why it cannot be told what is needed
}

// WhoCan returns, role by role, the approvals that a request needs and the people
// who could give them: active, no service account, neither subject nor author.
// author is a person's name; empty: not known. at is when the request would be
// merged, which an item's condition may depend on; an item whose condition cannot
// be evaluated is listed with the reason.
func WhoCan(tree *schema.Tree, r *schema.AccessRequest, author string, at time.Time) []NeededApproval {
	if tree == nil || r == nil {
		return nil
	}
	rules, _ := Compile(tree)
	subjects, _ := subjectsOf(tree, r)
	a := &asking{tree: tree, request: r, subjects: subjects, author: tree.People[author], start: startOf(r, at)}
	var out []NeededApproval
	for _, use := range r.Roles {
		role := tree.Roles[use.Role]
		if role == nil {
			continue
		}
		for _, item := range role.Approvals {
			n := NeededApproval{Role: role.Name, From: slices.Clone(item.From), Count: item.Count, When: item.When}
			ok, err := rules.applies(item, a, role, use.Params)
			if err != nil {
				n.Reason = oneLine(err.Error())
			} else if !ok {
				continue
			}
			for _, from := range item.From {
				n.People = append(n.People, couldMeet(tree, from, subjects, a.author)...)
			}
			slices.Sort(n.People)
			n.People = slices.Compact(n.People)
			out = append(out, n)
		}
	}
	return out
}
