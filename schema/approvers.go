package schema

import (
	"fmt"
	"slices"
	"strings"
)

// approvers returns the active people who can meet an approval item for any of
// the given subjects, sorted. Service accounts never approve.
func (t *Tree) approvers(a Approval, subjects []string) []string {
	found := map[string]bool{}
	add := func(name string) {
		if p := t.People[name]; p != nil && p.Active && !p.Service {
			found[name] = true
		}
	}
	for _, from := range a.From {
		switch {
		case from == SubjectManager:
			for _, s := range subjects {
				if p := t.People[s]; p != nil {
					add(p.Manager)
				}
			}
		case t.People[from] != nil:
			add(from)
		default:
			for _, p := range t.people(from) {
				add(p)
			}
		}
	}
	return sortedKeys(found)
}

// unmet says why approval items cannot all be met by distinct people, none of
// them excluded, or "".
func unmet(items []Approval, candidates [][]string, excluded map[string]bool) string {
	taken := map[string]int{} // person: slot
	var slots []int           // item of each slot
	for i, a := range items {
		for range a.Count {
			slots = append(slots, i)
		}
	}
	var seen map[string]bool
	var place func(slot int) bool
	place = func(slot int) bool {
		for _, person := range candidates[slots[slot]] {
			if excluded[person] || seen[person] {
				continue
			}
			seen[person] = true
			if other, ok := taken[person]; !ok || place(other) {
				taken[person] = slot
				return true
			}
		}
		return false
	}
	for slot, i := range slots {
		seen = map[string]bool{}
		if place(slot) {
			continue
		}
		able := slices.DeleteFunc(slices.Clone(candidates[i]), func(p string) bool { return excluded[p] })
		have := "nobody"
		if len(able) > 0 {
			have = "only " + list(able)
		}
		if len(able) >= items[i].Count {
			return fmt.Sprintf("%d distinct people must approve altogether, and those of %s are needed for other items as well", len(slots), strings.Join(items[i].From, ", "))
		}
		return fmt.Sprintf("%d must approve from %s, and %s can", items[i].Count, list(items[i].From), have)
	}
	return ""
}

// always returns the items that apply whatever the request says.
func always(items []Approval) []Approval {
	return slices.DeleteFunc(slices.Clone(items), func(a Approval) bool { return a.When != "" })
}
