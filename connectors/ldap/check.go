package ldap

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-ldap/ldap/v3"
)

// effectiveAttr lists, in Active Directory, the attributes of an entry that whoever
// reads it may write (MS-ADTS 3.1.1.4.5.7).
const effectiveAttr = "allowedAttributesEffective"

// Check names the rights that the reconciler's own entry lacks for the groups in
// scope. It changes nothing.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	miss := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{c.target}, args...)...))
	}
	if err := c.pool.do(ctx, func(l *conn) error { return nil }); err != nil {
		return []error{c.wrap("connect", err)}
	}
	if err := c.checkAccounts(ctx); err != nil {
		miss("%w", err)
	}
	var ents []entitlement
	for _, text := range scope {
		e, err := readText(text)
		if err == nil {
			err = c.allowed(e)
		}
		if err != nil {
			miss("%s: %w", text, err)
		} else if !slices.Contains(ents, e) {
			ents = append(ents, e)
		}
	}
	groups, err := c.findGroups(ctx, ents, append(memberAttributes(), versionAttr, effectiveAttr)...)
	if err != nil {
		return append(errs, c.wrap("check", err))
	}
	for _, e := range ents {
		g, err := c.grantable(e, groups[e])
		if err != nil {
			miss("%w", err)
			continue
		}
		if g.several {
			miss("group %q has more than one list of members; set memberAttribute to the one that counts (now: %s)", e, g.attr)
		}
		if _, err := c.membersOf(ctx, g); err != nil {
			miss("%w", err)
		}
		if err := c.mayWrite(ctx, g); err != nil {
			miss("%w", err)
		}
	}
	return errs
}

// checkAccounts demands that at least one account can be found with its name.
func (c *connector) checkAccounts(ctx context.Context) error {
	seen := false
	err := c.pool.do(ctx, func(l *conn) error {
		res, err := l.Search(ldap.NewSearchRequest(c.accountBase.String(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 1, 0, false,
			"(&"+c.accountFilter+"("+c.accountAttr+"=*))", []string{c.accountAttr}, nil))
		if res != nil {
			for _, e := range res.Entries {
				seen = seen || len(values(e, c.accountAttr)) > 0
			}
		}
		return err
	})
	if err != nil && !is(err, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultNoSuchObject) {
		return explain(err)
	}
	if !seen {
		return fmt.Errorf("missing right: read %s of the entries below %s (or none of them matches accountFilter)", c.accountAttr, c.accountBase)
	}
	return nil
}

// mayWrite asks for the right to add and delete members without using it. Active
// Directory says it. Others are asked for a change that can never be made: it adds the
// placeholder and deletes a value that nobody has. A Modify is done as a whole or not
// at all (RFC 4511, 4.6), and servers look at rights before values: the answer is
// "insufficient access", or that there is no such value. An assertion that is false
// (RFC 4528) would not do: OpenLDAP looks at it before it looks at rights.
func (c *connector) mayWrite(ctx context.Context, g group) error {
	missing := fmt.Errorf("missing right: write %s of %s", g.attr, g.dn)
	if list := values(g.entry, effectiveAttr); len(list) > 0 {
		if !slices.ContainsFunc(list, func(a string) bool { return lower(a) == lower(g.attr) }) {
			return missing
		}
		return nil
	}
	req := ldap.NewModifyRequest(g.dn, nil)
	req.Add(g.attr, []string{c.probe(g.attr)})
	if g.attr == attrMemberUid {
		req.Delete(g.attr, []string{"tenure-probe-of-nobody"})
	} else {
		req.Delete(g.attr, []string{"cn=tenure-probe-of-nobody"})
	}
	err := c.pool.do(ctx, func(l *conn) error { return l.Modify(req) })
	switch {
	case err == nil:
		return fmt.Errorf("group %q: the server said that it made a change that cannot be made", g.dn)
	case is(err, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultNoSuchObject):
		return missing
	case is(err, ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultAttributeOrValueExists, ldap.LDAPResultConstraintViolation):
		return nil
	}
	return fmt.Errorf("group %q cannot be changed: %w", g.dn, explain(err))
}
