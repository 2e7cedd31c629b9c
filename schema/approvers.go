package schema

import (
	"fmt"
	"slices"
	"strings"
)

// pool is who can meet an approval item: the people it names, who are the same
// for every request, and the managers of the subjects at hand. Both are sorted;
// a person may be in both.
type pool struct{ named, managers []string }

// any calls f for each person until it returns true, and reports whether it did.
func (p pool) any(f func(string) bool) bool {
	return slices.ContainsFunc(p.named, f) || slices.ContainsFunc(p.managers, f)
}

// able returns the distinct people that are not excluded, sorted.
func (p pool) able(excluded map[string]bool) []string {
	all := slices.Concat(p.named, p.managers)
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(name string) bool { return excluded[name] })
}

// approves reports whether somebody can approve at all: an active person.
// Service accounts never do.
func (t *Tree) approves(name string) bool {
	p := t.People[name]
	return p != nil && p.Active && !p.Service
}

// named returns the people who can meet an item whoever the subjects are.
func (t *Tree) named(a Approval) []string {
	var out []string
	for _, from := range a.From {
		switch {
		case from == SubjectManager:
		case t.People[from] != nil:
			out = append(out, from)
		default:
			out = append(out, t.people(from)...)
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(name string) bool { return !t.approves(name) })
}

// managers returns the managers of subjects who can approve.
func (t *Tree) managers(subjects []string) []string {
	found := map[string]bool{}
	for _, s := range subjects {
		if p := t.People[s]; p != nil && t.approves(p.Manager) {
			found[p.Manager] = true
		}
	}
	return sortedKeys(found)
}

// pools returns the pool of each item, given each item's named people.
func (t *Tree) pools(items []Approval, named [][]string, subjects []string) []pool {
	out := make([]pool, len(items))
	for i, a := range items {
		out[i].named = named[i]
		if slices.Contains(a.From, SubjectManager) {
			out[i].managers = t.managers(subjects)
		}
	}
	return out
}

// unmet says why approval items cannot all be met by distinct people, none of
// them excluded, or "".
func unmet(items []Approval, pools []pool, excluded map[string]bool) string {
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
		return pools[slots[slot]].any(func(person string) bool {
			if excluded[person] || seen[person] {
				return false
			}
			seen[person] = true
			if other, ok := taken[person]; ok && !place(other) {
				return false
			}
			taken[person] = slot
			return true
		})
	}
	for slot, i := range slots {
		seen = map[string]bool{}
		if place(slot) {
			continue
		}
		able := pools[i].able(excluded)
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
