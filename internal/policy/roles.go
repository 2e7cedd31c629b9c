package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/schema"
)

// roles checks the request against the terms of every role it asks for, and works
// out the grants that it would bring.
func (c *judging) roles() {
	if len(c.Request.Roles) == 0 {
		c.fail("role", "the request names no role")
	}
	seen := map[grants.Item]bool{}
	for _, use := range c.Request.Roles {
		role := c.Trusted.Roles[use.Role]
		if role == nil {
			c.fail("role", "role %s does not exist in the trusted state", use.Role)
			continue
		}
		c.pass("role", "role %s exists", role.Name)
		c.requesters(role)
		c.params(role, use.Params)
		c.ticket(role)
		c.limits(role)
		for _, it := range c.entitlements(role, use.Params) {
			if !seen[it] {
				seen[it] = true
				c.items = append(c.items, it)
			}
		}
	}
	slices.SortFunc(c.items, compareItems)
}

func (c *judging) requesters(role *schema.Role) {
	terms, ok := termsFor(c.Request, role)
	if !ok {
		c.fail("emergency", "role %s has no emergency terms; ask for it without emergency: true", role.Name)
		return
	}
	who := []string{}
	for _, s := range c.subjects {
		who = append(who, s.Name)
	}
	if c.author != nil {
		who = append(who, c.author.Name)
	}
	slices.Sort(who)
	for _, name := range slices.Compact(who) {
		switch {
		case mayRequest(c.Trusted, terms.requesters, name):
			c.pass("requester", "%s may ask for %s", name, role.Name)
		case len(terms.requesters) == 0:
			c.fail("requester", "%s may not ask for %s: its requesters are empty, so nobody may", name, role.Name)
		default:
			c.fail("requester", "%s may not ask for %s: not in %s", name, role.Name, names(terms.requesters))
		}
	}
}

func (c *judging) params(role *schema.Role, given map[string]string) {
	if why := paramsWrong(role, given); why != "" {
		c.fail("params", "%s", why)
	} else if len(role.Params) > 0 {
		c.pass("params", "the parameters of %s are allowed", role.Name)
	}
}

// paramsWrong says what is wrong with the values given for a role's parameters.
func paramsWrong(role *schema.Role, given map[string]string) string {
	for _, k := range slices.Sorted(maps.Keys(given)) {
		if _, ok := role.Params[k]; !ok {
			return fmt.Sprintf("role %s has no parameter %s", role.Name, k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(role.Params)) {
		v, ok := given[k]
		if !ok {
			return fmt.Sprintf("role %s needs the parameter %s, one of %s", role.Name, k, names(role.Params[k].Enum))
		}
		if !slices.Contains(role.Params[k].Enum, v) {
			return fmt.Sprintf("role %s does not allow %s: %s; allowed is %s", role.Name, k, v, names(role.Params[k].Enum))
		}
	}
	return ""
}

// ticket matches the whole ticket as far as the operator's expression says so: a
// pattern without ^ and $ matches anywhere, as it is written.
func (c *judging) ticket(role *schema.Role) {
	if role.Require.Ticket == "" {
		return
	}
	re, err := regexp.Compile(role.Require.Ticket)
	switch {
	case err != nil:
		c.fail("ticket", "role %s requires a ticket that matches %s, which is not a valid expression", role.Name, role.Require.Ticket)
	case c.Request.Ticket == "":
		c.fail("ticket", "role %s requires a ticket that matches %s; none is given", role.Name, role.Require.Ticket)
	case !re.MatchString(c.Request.Ticket):
		c.fail("ticket", "ticket %q does not match %s of role %s", c.Request.Ticket, role.Require.Ticket, role.Name)
	default:
		c.pass("ticket", "ticket %s matches %s", c.Request.Ticket, role.Require.Ticket)
	}
}

// entitlements returns what a role brings to every subject.
func (c *judging) entitlements(role *schema.Role, params map[string]string) []grants.Item {
	var out []grants.Item
	if len(role.Entitlements) == 0 {
		c.fail("entitlement", "role %s has no entitlements", role.Name)
	}
	for _, e := range role.Entitlements {
		r, why := resolve(c.Trusted, c.Canonical, e, params)
		if why != "" {
			c.fail("entitlement", "role %s: %s", role.Name, why)
			continue
		}
		c.pass("entitlement", "role %s brings %s on %s", role.Name, r.canonical, e.Target)
		for _, s := range c.subjects {
			acc := s.AccountOn(e.Target)
			if acc == "" {
				c.fail("account", "%s has no account on %s", s.Name, e.Target)
				continue
			}
			out = append(out, grants.Item{
				Grant:   grants.Grant{Target: e.Target, Account: acc, Entitlement: r.canonical},
				Subject: s.Name, Role: role.Name, Spec: r.spec,
			})
		}
	}
	return out
}

// resolved is an entitlement with its parameters filled in.
type resolved struct {
	canonical string
	spec      string // JSON, keys sorted
}

// resolve fills in parameters, checks the target's ceiling and asks the driver for
// the one spelling; otherwise it says why not.
func resolve(t *schema.Tree, canonical Canonical, e schema.Entitlement, params map[string]string) (resolved, string) {
	target := t.Targets[e.Target]
	if target == nil {
		return resolved{}, fmt.Sprintf("target %s does not exist in the trusted state", e.Target)
	}
	spec, err := schema.ExpandSpec(e, params)
	if err != nil {
		return resolved{}, fmt.Sprintf("entitlement on %s: %v", e.Target, err)
	}
	b, err := json.Marshal(spec)
	if err != nil {
		return resolved{}, fmt.Sprintf("entitlement on %s: %v", e.Target, err)
	}
	if !allowed(target, spec) {
		return resolved{}, fmt.Sprintf("target %s does not allow %s", e.Target, b)
	}
	if canonical == nil {
		return resolved{}, fmt.Sprintf("no connector is known for target %s", e.Target)
	}
	one, err := canonical(target.Connector, spec)
	if err != nil {
		return resolved{}, fmt.Sprintf("connector %s of target %s refuses %s: %v", target.Connector, e.Target, b, err)
	}
	if one == "" {
		return resolved{}, fmt.Sprintf("connector %s of target %s has no name for %s", target.Connector, e.Target, b)
	}
	return resolved{one, string(b)}, ""
}

// allowed reports whether a target's ceiling has an item all of whose keys the
// spec has with the same values. An empty item allows nothing.
func allowed(t *schema.Target, spec map[string]any) bool {
	return slices.ContainsFunc(t.Allow, func(item map[string]any) bool {
		for k, want := range item {
			got, ok := spec[k]
			if !ok || !sameValue(got, want) {
				return false
			}
		}
		return len(item) > 0
	})
}

// sameValue compares two values of a spec by their JSON, in which 1 is 1 whatever
// integer type the decoder chose.
func sameValue(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

func compareItems(a, b grants.Item) int {
	if c := a.Grant.Compare(b.Grant); c != 0 {
		return c
	}
	for _, p := range [][2]string{{a.Subject, b.Subject}, {a.Role, b.Role}, {a.Spec, b.Spec}} {
		if p[0] < p[1] {
			return -1
		} else if p[0] > p[1] {
			return 1
		}
	}
	return 0
}
