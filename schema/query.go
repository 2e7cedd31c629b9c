package schema

import (
	"maps"
	"slices"
)

// maxIndexed bounds the memberships that a tree keeps expanded; beyond it they
// are walked when asked for.
const maxIndexed = 2_000_000

// index expands groups and forge identities once, for many questions.
func (t *Tree) index() {
	t.byForge = make(map[forgeKey]*Person, len(t.People))
	for _, name := range sortedKeys(t.People) {
		for forge, account := range t.People[name].Forge {
			t.byForge[forgeKey{forge, account.ID}] = t.People[name]
		}
	}
	t.members = make(map[string][]string, len(t.Groups))
	work := 0
	for _, name := range sortedKeys(t.Groups) {
		people, steps := t.expand(name)
		if work += steps; work > maxIndexed {
			return
		}
		t.members[name] = people
	}
}

// expand returns the people of a group, sorted, and how many members were looked at.
func (t *Tree) expand(group string) (people []string, steps int) {
	found, seen, queue := map[string]bool{}, map[string]bool{group: true}, []string{group}
	for len(queue) > 0 {
		g := t.Groups[queue[0]]
		queue = queue[1:]
		if g == nil {
			continue
		}
		steps += len(g.Members) + 1
		for _, m := range g.Members {
			if _, ok := t.People[m]; ok {
				found[m] = true
			} else if !seen[m] {
				seen[m] = true
				queue = append(queue, m)
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), steps
}

// people is MembersOf without the copy.
func (t *Tree) people(group string) []string {
	if people, ok := t.members[group]; ok {
		return people
	}
	people, _ := t.expand(group)
	return people
}

// MembersOf returns the people of a group, active or not, with the members of
// its groups, sorted. Members that are not defined are left out; an unknown
// group has none. Cycles are followed once.
func (t *Tree) MembersOf(group string) []string { return slices.Clone(t.people(group)) }

// InGroup reports whether a person is a member of a group or of a group in it.
// Nobody is in an unknown group, and an unknown person is in none.
func (t *Tree) InGroup(person, group string) bool {
	_, ok := slices.BinarySearch(t.people(group), person)
	return ok
}

// SubjectsOf returns the people for whom a request asks, active or not: its
// subjects with groups expanded, sorted and distinct. Unknown names are left out.
func (t *Tree) SubjectsOf(r *AccessRequest) []string {
	found := map[string]bool{}
	for _, s := range r.Subjects {
		if _, ok := t.People[s]; ok {
			found[s] = true
			continue
		}
		for _, p := range t.people(s) {
			found[p] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// PersonByForge returns the person, active or not, with that numeric id on a
// forge of that type ("github", "gitea", "gitlab"), or nil.
func (t *Tree) PersonByForge(forgeType string, id int64) *Person {
	if id <= 0 {
		return nil
	}
	if t.byForge != nil {
		return t.byForge[forgeKey{forgeType, id}]
	}
	for _, name := range sortedKeys(t.People) {
		if a, ok := t.People[name].Forge[forgeType]; ok && a.ID == id {
			return t.People[name]
		}
	}
	return nil
}
