package schema

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checkRequests checks each request against the roles it names, as far as that
// is possible without the forge and without the present moment.
func (b *builder) checkRequests() {
	for _, r := range b.requests {
		c := requestCheck{b: b, placed: r}
		c.subjects("")
		subjects := b.tree.SubjectsOf(r.doc)
		for i, use := range r.doc.Roles {
			role := c.role("", i, use)
			if role == nil {
				continue
			}
			c.requesters(role)
			c.limits(role)
			c.ticket(role)
			c.approvable(role, i, subjects)
		}
	}
}

// checkPolicies checks the names that the tests of policies use.
func (b *builder) checkPolicies() {
	for _, p := range b.policies {
		for i := range p.doc.Tests {
			prefix := item("tests", i) + ".request."
			c := requestCheck{b: b, placed: placed[*AccessRequest]{p.file, p.n, &p.doc.Tests[i].Request}}
			c.subjects(prefix)
			for j, use := range c.doc.Roles {
				c.role(prefix, j, use)
			}
			for j, h := range p.doc.Tests[i].Held {
				at := item(item("tests", i)+".held", j)
				b.resolves(p.file, p.n, at+".subject", h.Subject, KindPerson, KindGroup)
				b.resolves(p.file, p.n, at+".role", h.Role, KindRole)
			}
		}
	}
}

// roleTerms is what every request for a role is checked against.
type roleTerms struct {
	ticket *regexp.Regexp // nil: none
	items  []Approval     // that always apply
	named  [][]string     // people that each item names
}

// termsOf returns a role's terms, worked out once.
func (b *builder) termsOf(role *Role) *roleTerms {
	if t, ok := b.terms[role]; ok {
		return t
	}
	t := &roleTerms{items: always(role.Approvals)}
	if role.Require.Ticket != "" {
		t.ticket, _ = regexp.Compile(role.Require.Ticket)
	}
	for _, a := range t.items {
		t.named = append(t.named, b.tree.named(a))
	}
	b.terms[role] = t
	return t
}

// requestCheck checks one request.
type requestCheck struct {
	b *builder
	placed[*AccessRequest]
}

func (c *requestCheck) problem(path, format string, args ...any) {
	c.b.problem(c.file, c.n, path, format, args...)
}

// subjectPath returns the path of the i-th subject.
func (c *requestCheck) subjectPath(prefix string, i int) string {
	for _, m := range c.file.marks {
		if len(c.doc.Subjects) != 1 {
			break
		}
		if int(m.doc) == c.n && m.path == prefix+"subject" {
			return m.path
		}
	}
	return item(prefix+"subjects", i)
}

func (c *requestCheck) subjects(prefix string) {
	for i, s := range c.doc.Subjects {
		c.b.resolves(c.file, c.n, c.subjectPath(prefix, i), s, KindPerson, KindGroup)
	}
	if c.doc.Emergency && prefix == "" && len(c.doc.Subjects) == 1 && c.b.tree.Groups[c.doc.Subjects[0]] != nil {
		c.problem(c.subjectPath(prefix, 0), "emergency access is for one person, its author; %s is a group", show(c.doc.Subjects[0]))
	}
}

// role finds a role and checks its parameters; nil if it is not to be had.
func (c *requestCheck) role(prefix string, i int, use RoleUse) *Role {
	at := item(prefix+"roles", i)
	if !c.b.resolves(c.file, c.n, at, use.Role, KindRole) {
		return nil
	}
	role := c.b.tree.Roles[use.Role]
	if role == nil {
		return nil
	}
	declared := sortedKeys(role.Params)
	for _, name := range declared {
		enum := role.Params[name].Enum
		value, ok := use.Params[name]
		switch {
		case !ok:
			c.problem(at, "role %s needs parameter %s; write {role: %s, params: {%s: …}} with one of: %s", role.Name, name, role.Name, name, list(enum))
		case !slices.Contains(enum, value):
			c.problem(at+".params."+name, "parameter %s of role %s cannot be %s; allowed: %s%s", name, role.Name, show(value), list(enum), suggest(value, enum))
		}
	}
	for _, name := range sortedKeys(use.Params) {
		if _, ok := role.Params[name]; !ok {
			c.problem(at+".params."+name, "role %s has no parameter %s%s", role.Name, show(name), among("declared", declared, name))
		}
	}
	return role
}

// requesters checks that every subject may ask for the role.
func (c *requestCheck) requesters(role *Role) {
	groups, what := role.Requesters, "requesters"
	if c.doc.Emergency {
		if role.Emergency == nil {
			c.problem("emergency", "role %s has no emergency terms; ask for it without emergency: true", role.Name)
			return
		}
		groups, what = role.Emergency.Requesters, "emergency.requesters"
	}
	for i, s := range c.doc.Subjects {
		people := []string{s}
		if c.b.tree.People[s] == nil {
			people = c.b.tree.people(s)
		}
		for _, p := range people {
			in := func(g string) bool { return c.b.tree.InGroup(p, g) }
			if c.b.tree.People[p] != nil && !slices.ContainsFunc(groups, in) {
				c.problem(c.subjectPath("", i), "%s may not have role %s: not in its %s; allowed: members of %s", p, role.Name, what, list(groups))
				break
			}
		}
	}
}

// limits checks the window against the role's limits. What counts from the
// merge cannot be known before it.
func (c *requestCheck) limits(role *Role) {
	r := c.doc
	longer := func(path, what string, is, limit time.Duration, name string) {
		if limit > 0 && is > limit {
			c.problem(path, "%s is %s, longer than role %s allows; its %s is %s", what, FormatDuration(is), role.Name, name, FormatDuration(limit))
		}
	}
	switch {
	case r.Emergency && role.Emergency != nil:
		longer("duration", "duration", r.Duration, role.Emergency.MaxDuration, "emergency.maxDuration")
	case r.Emergency:
	case r.Schedule != nil:
		longer("schedule.duration", "duration of an occurrence", r.Schedule.Duration, role.MaxDuration, "maxDuration")
	case !r.ReviewBy.IsZero():
		if !role.Standing {
			c.problem("reviewBy", "role %s may not be held without an end; give a duration, expiresAt or schedule of at most %s", role.Name, FormatDuration(role.MaxDuration))
		}
	case r.Duration > 0:
		longer("duration", "duration", r.Duration, role.MaxDuration, "maxDuration")
	case !r.StartsAt.IsZero():
		longer("expiresAt", "the time from startsAt to expiresAt", r.ExpiresAt.Sub(r.StartsAt), role.MaxDuration, "maxDuration")
	}
}

func (c *requestCheck) ticket(role *Role) {
	if role.Require.Ticket == "" {
		return
	}
	form := c.b.termsOf(role).ticket
	switch {
	case form == nil: // reported with the role
	case c.doc.Ticket == "":
		c.problem("", "role %s needs a ticket; add ticket: with one that matches %s", role.Name, role.Require.Ticket)
	case !form.MatchString(c.doc.Ticket):
		c.problem("ticket", "ticket %s is not of the form that role %s needs; it must match %s", show(c.doc.Ticket), role.Name, role.Require.Ticket)
	}
}

// approvable checks that enough people who are not subjects could approve.
func (c *requestCheck) approvable(role *Role, i int, subjects []string) {
	terms := c.b.termsOf(role)
	pools := c.b.tree.pools(terms.items, terms.named, subjects)
	excluded := map[string]bool{}
	for _, s := range subjects {
		excluded[s] = true
	}
	if why := unmet(terms.items, pools, excluded); why != "" {
		c.problem(item("roles", i), "nobody can approve role %s for %s: %s, since subjects do not approve for themselves", role.Name, list(subjects), why)
	}
}

// looksTyped matches text that without quotes would be no text.
var looksTyped = regexp.MustCompile(`^(?i:true|false|null|~|[-+.]?[0-9].*)$`)

// showSpec prints a spec the way files write it.
func showSpec(spec map[string]any) string {
	parts := make([]string, 0, len(spec))
	for _, key := range specKeys(spec) {
		var value string
		switch v := spec[key].(type) {
		case string:
			if value = v; looksTyped.MatchString(v) {
				value = strconv.Quote(v)
			}
		case bool:
			value = strconv.FormatBool(v)
		case int:
			value = strconv.Itoa(v)
		case []string:
			value = "[" + list(v) + "]"
		}
		parts = append(parts, key+": "+value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func showCeiling(ceiling []map[string]any) string {
	if len(ceiling) == 0 {
		return "nothing"
	}
	parts := make([]string, len(ceiling))
	for i := range ceiling {
		parts[i] = showSpec(ceiling[i])
	}
	return list(parts)
}
