package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/grants"
)

// checkPrivileges names what keeps the entitlements of privileges in scope from being
// granted exactly, and the roles made for them that could not be dropped.
func (c *connector) checkPrivileges(ctx context.Context, scope []string, self self, miss func(string, ...any)) error {
	var list []privileges
	var roles, texts []string
	for _, e := range scope {
		if h, err := c.holdingOf(grants.Grant{Entitlement: e}); err != nil || !h.direct {
			continue
		}
		p, err := parsePrivileges(e)
		if err != nil {
			return err
		}
		list, roles, texts = append(list, p), append(roles, ownedName(c.target, e)), append(texts, e)
	}
	found, err := things(ctx, c.pool, list)
	if err != nil {
		return err
	}
	has, err := rights(ctx, c.pool, roles)
	if err != nil {
		return err
	}
	if len(list) > 0 && !self.super && !self.createRole {
		miss("missing right: CREATEROLE of %s, for privileges", self.user)
	}
	for i, p := range list {
		if err := c.ceiling(p); err != nil {
			miss("%s: %w", texts[i], err)
		}
		if err := obstacle(p, found[i]); err != nil {
			miss("%s: %w", texts[i], err)
		}
		for _, line := range lacking(p, found[i], self.user) {
			miss("%s", line)
		}
		missing, surplus := difference(p, found[i], has[roles[i]])
		if len(surplus) > 0 {
			miss("role %q has more than its entitlement %s: %s", roles[i], texts[i], describe(surplus))
		}
		if len(missing) > 0 && len(has[roles[i]]) > 0 {
			miss("role %q lacks some of its entitlement %s, such as on %s; the next grant mends it", roles[i], texts[i], missing[0])
		}
	}
	left, err := c.unheld(ctx, c.pool)
	if err != nil || len(left) == 0 {
		return err
	}
	has, err = rights(ctx, c.pool, left)
	for _, role := range left {
		miss("role %q is held by nobody and could not be dropped; it has: %s", role, describe(has[role]))
	}
	return err
}

// lacking names the rights that this connection needs to hand the privileges on.
func lacking(p privileges, things []wanted, user string) (lines []string) {
	for _, w := range things {
		if line := "missing right: USAGE of " + user + " on schema " + quote(w.schema); !w.usable && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
		var words []string
		for _, word := range p.words {
			if !w.mayHandOn(word) {
				words = append(words, strings.ToUpper(word))
			}
		}
		if len(words) > 0 {
			lines = append(lines, "missing right: "+strings.Join(words, ", ")+" WITH GRANT OPTION of "+user+" on "+w.String())
		}
	}
	return lines
}
