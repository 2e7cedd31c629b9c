package ldap

import (
	"context"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"github.com/tenure-dev/tenure/grants"
)

// Observe returns the members of all groups in scope, whoever made them so. A group
// whose list may not be read is an error; members of groups that are members
// themselves are not looked for.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	found, err := c.observe(ctx, scope)
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	return found, nil
}

func (c *connector) observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	texts := map[entitlement]string{}
	var ents []entitlement
	for _, text := range scope {
		e, err := readText(text)
		if err != nil {
			return nil, err
		}
		if _, twice := texts[e]; !twice {
			texts[e] = text
			ents = append(ents, e)
		}
	}
	if len(ents) == 0 {
		return nil, nil
	}
	groups, err := c.findGroups(ctx, ents, append(memberAttributes(), versionAttr)...)
	if err != nil {
		return nil, err
	}
	seen := map[grants.Grant]bool{}
	var out []grants.Grant
	add := func(e entitlement, account string) {
		g := grants.Grant{Target: c.target, Account: account, Entitlement: texts[e]}
		if !seen[g] {
			seen[g] = true
			out = append(out, g)
		}
	}
	holders := map[entitlement]map[string]dn{}
	all := map[string]dn{}
	for e, m := range groups {
		if m.err != nil {
			return nil, m.err
		}
		holders[e] = map[string]dn{}
		for _, g := range m.meant() {
			list, err := c.membersOf(ctx, g)
			if err != nil {
				return nil, err
			}
			for _, value := range list {
				if g.attr == attrMemberUid {
					add(e, value)
					continue
				}
				d, err := parseDN(value)
				if err != nil {
					add(e, valuePrefix+value)
				} else if d.key() != c.placeholder.key() {
					holders[e][d.String()], all[d.String()] = d, d
				}
			}
		}
	}
	names, err := c.memberNames(ctx, all)
	if err != nil {
		return nil, err
	}
	for e, list := range holders {
		for text := range list {
			add(e, names[text])
		}
	}
	return out, nil
}

// meant returns the entries that a name stands for: those with the exact name, or,
// where there is none, those that the directory takes for it. Access that was granted
// under a spelling that has changed since is still seen.
func (m matches[T]) meant() []T {
	if len(m.exact) > 0 {
		return m.exact
	}
	return m.other
}

// membersOf returns the values of a group's list. An empty list may be one that the
// server hides; so the server is asked.
func (c *connector) membersOf(ctx context.Context, g group) ([]string, error) {
	list, err := c.members(ctx, g.entry, g.attr)
	if err != nil || len(list) > 0 {
		return list, err
	}
	_, err = c.holds(ctx, g, c.probe(g.attr))
	if is(err, ldap.LDAPResultInsufficientAccessRights) {
		return nil, fmt.Errorf("missing right: read %s of %s", g.attr, g.dn)
	}
	return nil, err
}

// probe is a value that means nobody.
func (c *connector) probe(attribute string) string {
	if attribute == attrMemberUid {
		return "tenure-probe"
	}
	return c.placeholder.String()
}

// holds asks the server itself whether a group has a value. A group that is gone has
// none.
func (c *connector) holds(ctx context.Context, g group, value string) (there bool, err error) {
	err = c.pool.do(ctx, func(l *conn) error {
		there, err = l.Compare(g.dn, g.attr, value)
		return err
	})
	switch {
	case is(err, ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultInvalidAttributeSyntax, ldap.LDAPResultInvalidDNSyntax):
		return false, nil // it has no value at all, or can have no such one
	case is(err, ldap.LDAPResultNoSuchObject):
		// Also the answer of a server that does not disclose what it refuses.
		if e, gone := c.read(ctx, g.dn, "objectClass"); gone == nil && e == nil {
			return false, nil
		}
		return false, ldap.NewError(ldap.LDAPResultInsufficientAccessRights, err)
	}
	return there, err
}
