package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"
)

// The attributes that list members. The first two hold DNs, the last one names.
const (
	attrMember       = "member"
	attrUniqueMember = "uniqueMember"
	attrMemberUid    = "memberUid"
)

func memberAttributes() []string { return []string{attrMember, attrUniqueMember, attrMemberUid} }

// group is an entry that has members.
type group struct {
	dn       string // as the server spells it
	id       dn
	name     string // exact; "" if it has none or several
	attr     string // that lists its members; "": it is no group
	several  bool   // its object classes allow more than one list
	critical bool   // Active Directory made it, or guards it, as a group of administrators
	entry    *ldap.Entry
}

// groupClasses are the object classes of groups, in lower case: groupOfNames,
// groupOfUniqueNames (RFC 4519), posixGroup (RFC 2307), groupOfMembers (its drafts of
// a successor), and group of Active Directory.
func groupClasses() map[string]string {
	return map[string]string{
		"groupofnames": attrMember, "groupofmembers": attrMember, "group": attrMember,
		"groupofuniquenames": attrUniqueMember, "posixgroup": attrMemberUid,
	}
}

// groupAttributes are what readGroup looks at.
func (c *connector) groupAttributes() []string {
	return []string{"objectClass", c.groupAttr, "adminCount", "isCriticalSystemObject"}
}

func (c *connector) readGroup(e *ldap.Entry) group {
	g := group{dn: e.DN, entry: e, attr: c.memberAttr}
	g.id, _ = parseDN(e.DN)
	g.name = nameOf(e, g.id, c.groupAttr)
	known := groupClasses()
	var lists []string
	for _, class := range values(e, "objectClass") {
		class = lower(class)
		if attr := known[class]; attr != "" && !slices.Contains(lists, attr) {
			lists = append(lists, attr)
		}
	}
	if g.attr == "" && len(lists) > 0 {
		g.several = len(lists) > 1
		for _, attr := range memberAttributes() { // in this order: lists of DNs first
			if slices.Contains(lists, attr) {
				g.attr = attr
				break
			}
		}
	}
	admin := first(values(e, "adminCount"))
	g.critical = strings.EqualFold(first(values(e, "isCriticalSystemObject")), "TRUE") || admin != "" && admin != "0"
	return g
}

func hasClass(e *ldap.Entry, class string) bool {
	return slices.ContainsFunc(values(e, "objectClass"), func(c string) bool { return lower(c) == class })
}

// nameOf returns the one exact name that an entry has in an attribute: its only value,
// or of several the one by which the entry itself is named.
func nameOf(e *ldap.Entry, id dn, attribute string) string {
	all := values(e, attribute)
	if len(all) == 1 {
		return all[0]
	}
	if own, ok := id.named(attribute); ok && slices.Contains(all, own) {
		return own
	}
	return ""
}

// findGroups returns the entries of each entitlement, with more attributes of them.
func (c *connector) findGroups(ctx context.Context, ents []entitlement, more ...string) (map[entitlement]matches[group], error) {
	attributes := append(c.groupAttributes(), more...)
	var mu sync.Mutex
	found := map[entitlement]matches[group]{}
	named := map[string][]entitlement{} // by folded name
	var conditions []string
	var dns []entitlement
	for _, e := range ents {
		if e.dn != "" {
			dns = append(dns, e)
			continue
		}
		conditions = append(conditions, equals(c.groupAttr, e.name))
		named[fold(e.name)] = append(named[fold(e.name)], e)
	}
	add := func(e entitlement, g group, exact bool) {
		mu.Lock()
		defer mu.Unlock()
		m := found[e]
		same := func(x group) bool { return x.dn == g.dn } // an entry with several names may come twice
		if slices.ContainsFunc(m.exact, same) || slices.ContainsFunc(m.other, same) {
			return
		}
		if exact {
			m.exact = append(m.exact, g)
		} else {
			m.other = append(m.other, g)
		}
		found[e] = m
	}
	fail := func(e entitlement, err error) {
		mu.Lock()
		defer mu.Unlock()
		m := found[e]
		m.err = err
		found[e] = m
	}
	var hidden error // of an entry that may be any of the groups that are not found
	nameless := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		hidden = err
	}
	err := each(ctx, c, filters(conditions), func(ctx context.Context, filter string) error {
		entries, err := c.search(ctx, c.groupBase.String(), ldap.ScopeWholeSubtree, filter, attributes...)
		if is(err, ldap.LDAPResultNoSuchObject) {
			return fmt.Errorf("groupBase %q does not exist, or may not be read: %w", c.groupBase, err)
		}
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := readable(entry, c.groupAttr); err != nil {
				nameless(err)
				continue
			}
			g := c.readGroup(entry)
			err := c.readableClass(entry)
			if g.attr == "" && err == nil {
				continue
			}
			for _, e := range namesakes(named, values(entry, c.groupAttr)) {
				if err != nil {
					fail(e, err)
				} else {
					add(e, g, g.name == e.name)
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, list := range named {
		for _, e := range list {
			if m := found[e]; hidden != nil && m.all() == 0 && m.err == nil {
				fail(e, hidden)
			}
		}
	}
	err = each(ctx, c, dns, func(ctx context.Context, e entitlement) error {
		entry, err := c.read(ctx, e.dn, attributes...)
		if is(err, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultNamingViolation) {
			return nil // this server can have no such entry
		}
		if err == nil && entry != nil {
			err = c.readableClass(entry)
		}
		var not *incompleteError
		if err != nil && (answered(err) || errors.As(err, &not)) {
			fail(e, err) // it keeps no other group back
			return nil
		}
		if err != nil || entry == nil {
			return err
		}
		if g := c.readGroup(entry); g.attr != "" {
			add(e, g, g.id.String() == e.dn)
		}
		return nil
	})
	return found, err
}

// readable is an error where the server finds an entry by an attribute and does not
// show the attribute: taken for an entry without it, it would be overlooked.
func readable(e *ldap.Entry, attribute string) error {
	for _, a := range e.Attributes {
		if name, _, _ := strings.Cut(a.Name, ";"); lower(name) == lower(attribute) && len(a.Values) > 0 {
			return nil
		}
	}
	return &incompleteError{fmt.Sprintf("missing right: read %s of %s", attribute, e.DN)}
}

// readableClass is the same for what tells a group from other entries. Every entry has
// an object class.
func (c *connector) readableClass(e *ldap.Entry) error {
	if c.memberAttr != "" {
		return nil
	}
	return readable(e, "objectClass")
}

// namesakes returns who is meant by any of an entry's names, each once.
func namesakes[T comparable](by map[string][]T, names []string) (out []T) {
	for _, n := range names {
		for _, x := range by[fold(n)] {
			if !slices.Contains(out, x) {
				out = append(out, x)
			}
		}
	}
	return out
}

// grantable returns the group that an entitlement means, or why nothing may be granted
// in it.
func (c *connector) grantable(e entitlement, m matches[group]) (group, error) {
	g, ok := m.one()
	switch {
	case m.err != nil:
		return g, m.err
	case m.all() == 0:
		return g, fmt.Errorf("group %q does not exist, is not below groupBase, or may not be read", e)
	case m.all() > 1:
		return g, fmt.Errorf("group %q exists %d times below groupBase; narrow it, or use groupBy: dn", e, m.all())
	case !ok && e.dn != "":
		return g, fmt.Errorf("group %q is spelled %q on the target; write it so", e, m.other[0].id)
	case !ok:
		return g, fmt.Errorf("group %q is named %q on the target; write it so", e, m.other[0].name)
	case g.critical && !slices.Contains(c.groups, e.String()):
		return g, fmt.Errorf("group %q is one of the directory's own administrators' groups; list it in the target's setting groups to allow it", e)
	}
	return g, nil
}
