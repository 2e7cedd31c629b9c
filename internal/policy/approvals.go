package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/schema"
)

// approvals checks that the counted approvals meet every item of every role. Within
// one role each person meets one item; one approval may serve several roles of the
// same request, since every role states its own terms.
func (c *judging) approvals() {
	used := map[string]bool{}
	missing := c.fail
	if c.waiting { // for the push record, without which no approval can be dated
		missing = c.wait
	}
	for _, use := range c.Request.Roles {
		role := c.Trusted.Roles[use.Role]
		if role == nil {
			continue // said already
		}
		items, why := itemsFor(c.compiled(), c.ask, role, use.Params)
		if why != "" {
			c.fail("approval", "role %s: %s", role.Name, why)
			continue
		}
		needs := make([]need, len(items))
		for i, a := range items {
			needs[i].count = a.Count
			for _, name := range slices.Sorted(maps.Keys(c.counted)) {
				if mayMeet(c.Trusted, a, name, c.subjects) {
					needs[i].candidates = append(needs[i].candidates, name)
				}
			}
		}
		met := assign(needs)
		taken := map[string]bool{}
		for _, who := range met {
			for _, name := range who {
				taken[name], used[name] = true, true
			}
		}
		for i, a := range items {
			if short := a.Count - len(met[i]); short > 0 {
				missing("approval", "role %s: missing: %d of %s", role.Name, short, c.alternatives(a, taken))
				continue
			}
			c.pass("approval", "role %s: %d of %s: %s", role.Name, a.Count, strings.Join(a.From, " or "), names(met[i]))
		}
	}
	c.approvers = slices.Sorted(maps.Keys(used))
}

// itemsFor returns the approval items that a role asks of this request, or why
// nobody can tell. A role must have an item that is asked for in any case.
func itemsFor(rules *Rules, a *asking, role *schema.Role, params map[string]string) ([]schema.Approval, string) {
	var out []schema.Approval
	always := false
	for i, item := range role.Approvals {
		if item.Count < 1 || len(item.From) == 0 {
			return nil, fmt.Sprintf("approval %d asks for nobody, so nothing can meet it", i+1)
		}
		always = always || item.When == ""
		ok, err := rules.applies(item, a, role, params)
		if err != nil {
			return nil, fmt.Sprintf("approval %d: %s", i+1, oneLine(err.Error()))
		}
		if ok {
			out = append(out, item)
		}
	}
	if !always {
		return nil, "no approval is asked for in any case, so nothing is enough"
	}
	return out, ""
}

// mayMeet reports whether a person is among an item's alternatives. Whoever meets
// subject.manager manages every subject.
func mayMeet(t *schema.Tree, item schema.Approval, name string, subjects []*schema.Person) bool {
	return slices.ContainsFunc(item.From, func(from string) bool {
		return isAlternative(t, from, name, subjects)
	})
}

func isAlternative(t *schema.Tree, from, name string, subjects []*schema.Person) bool {
	switch {
	case from == schema.SubjectManager:
		return len(subjects) > 0 && !slices.ContainsFunc(subjects, func(s *schema.Person) bool {
			return s.Manager == "" || s.Manager != name
		})
	case t.People[from] != nil:
		return from == name
	}
	return t.InGroup(name, from)
}

// alternatives prints an item's alternatives, each with the people who could
// still meet it.
func (c *judging) alternatives(item schema.Approval, taken map[string]bool) string {
	var out []string
	for _, from := range item.From {
		var who []string
		for _, name := range couldMeet(c.Trusted, from, c.subjects, c.author) {
			if !taken[name] && c.excluded[name] == "" {
				who = append(who, name)
			}
		}
		out = append(out, fmt.Sprintf("%s (%s)", from, names(who)))
	}
	return strings.Join(out, " or ")
}

// couldMeet returns the people who could approve by one alternative, sorted: active
// people who are neither subject nor author.
func couldMeet(t *schema.Tree, from string, subjects []*schema.Person, author *schema.Person) []string {
	var pool []string
	switch {
	case from == schema.SubjectManager:
		if len(subjects) > 0 {
			pool = []string{subjects[0].Manager}
		}
	case t.People[from] != nil:
		pool = []string{from}
	default:
		pool = t.MembersOf(from)
	}
	slices.Sort(pool)
	var out []string
	for _, name := range slices.Compact(pool) {
		p := t.People[name]
		if p == nil || !p.Active || p.Service || (author != nil && author.Name == name) {
			continue
		}
		if slices.ContainsFunc(subjects, func(s *schema.Person) bool { return s.Name == name }) {
			continue
		}
		if isAlternative(t, from, name, subjects) {
			out = append(out, name)
		}
	}
	return out
}
