package ldap

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

const (
	// pageSize is how many entries are asked for at once. Servers have limits of 500
	// (OpenLDAP, without configuration) and 1,000 (Active Directory).
	pageSize     = 250
	smallestPage = 10
	// perFilter and filterBytes bound the alternatives of one filter.
	perFilter   = 200
	filterBytes = 48 << 10
)

// incompleteError says that an answer is good as far as it goes, but not all.
type incompleteError struct{ why string }

func (e *incompleteError) Error() string { return e.why }

// search returns all entries that match, or an error: a limit, a referral or a page
// that is missing is never taken for the end.
func (c *connector) search(ctx context.Context, base string, scope int, filter string, attributes ...string) ([]*ldap.Entry, error) {
	var found []*ldap.Entry
	err := c.pool.do(ctx, func(l *conn) error {
		var res *ldap.SearchResult
		var err error
		// OpenLDAP refuses pages that are larger than its limit size.pr.
		for size := uint32(pageSize); ; size /= 5 {
			req := ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil)
			if scope == ldap.ScopeBaseObject {
				res, err = l.Search(req)
				break
			}
			if res, err = l.SearchWithPaging(req, size); size <= smallestPage || !is(err, ldap.LDAPResultAdminLimitExceeded) {
				break
			}
		}
		if err != nil {
			return err
		}
		if len(res.Referrals) > 0 && !c.ignoreReferrals {
			return &incompleteError{fmt.Sprintf("a part of %q is on another server (%.200s); narrow the base, or set ignoreReferrals if nothing that matters is there", base, res.Referrals[0])}
		}
		found = res.Entries
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// read returns one entry, or nil where it does not exist or may not be seen.
func (c *connector) read(ctx context.Context, name string, attributes ...string) (*ldap.Entry, error) {
	found, err := c.search(ctx, name, ldap.ScopeBaseObject, "(objectClass=*)", attributes...)
	switch {
	case is(err, ldap.LDAPResultNoSuchObject):
		return nil, nil
	case err != nil || len(found) == 0:
		return nil, err
	}
	return found[0], nil
}

// equals is one condition of a filter, with its value escaped.
func equals(attribute, value string) string {
	return "(" + attribute + "=" + ldap.EscapeFilter(value) + ")"
}

// filters makes as few filters as possible of alternatives, each of bounded size.
func filters(conditions []string) (out []string) {
	var b strings.Builder
	n := 0
	flush := func() {
		if n > 0 {
			out = append(out, "(|"+b.String()+")")
		}
		b.Reset()
		n = 0
	}
	for _, s := range conditions {
		if n == perFilter || b.Len()+len(s) > filterBytes {
			flush()
		}
		b.WriteString(s)
		n++
	}
	flush()
	return out
}

// values returns an attribute's values, whatever the case in which the server writes
// its name.
func values(e *ldap.Entry, attribute string) []string {
	return e.GetEqualFoldAttributeValues(attribute)
}

// members returns all values of the attribute that lists a group's members. Active
// Directory gives long lists in ranges (MS-ADTS 3.1.1.3.1.3.3): these are read to
// their end, and again from the start if the group changed meanwhile.
func (c *connector) members(ctx context.Context, e *ldap.Entry, attribute string) ([]string, error) {
	const restarts = 5
	for try := 1; ; try++ {
		list, version, whole, err := firstRange(e, attribute)
		if err != nil {
			return nil, err
		}
		same := true
		for !whole && same {
			more, err := c.read(ctx, e.DN, fmt.Sprintf("%s;range=%d-*", attribute, len(list)), versionAttr)
			if err != nil {
				return nil, err
			}
			if more == nil {
				return nil, &incompleteError{fmt.Sprintf("group %q went away while its members were read", e.DN)}
			}
			same = first(values(more, versionAttr)) == version
			from, part, last, err := ranged(more, attribute)
			if err != nil {
				return nil, err
			}
			if from != len(list) || len(part) == 0 {
				return nil, &incompleteError{fmt.Sprintf("group %q: the server gave no members from %d on", e.DN, len(list))}
			}
			list, whole = append(list, part...), last
		}
		if same {
			return list, nil
		}
		if try == restarts {
			return nil, &incompleteError{fmt.Sprintf("group %q changed %d times while its members were read", e.DN, restarts)}
		}
		if e, err = c.read(ctx, e.DN, attribute, versionAttr); err != nil {
			return nil, err
		}
		if e == nil {
			return nil, nil
		}
	}
}

// versionAttr changes in Active Directory with each change of an entry.
const versionAttr = "uSNChanged"

func firstRange(e *ldap.Entry, attribute string) (list []string, version string, whole bool, err error) {
	version = first(values(e, versionAttr))
	from, part, last, err := ranged(e, attribute)
	if err != nil {
		return nil, "", false, err
	}
	if part == nil {
		return values(e, attribute), version, true, nil
	}
	if from != 0 {
		return nil, "", false, &incompleteError{fmt.Sprintf("group %q: the server's list of members begins at %d", e.DN, from)}
	}
	return part, version, last, nil
}

// ranged finds attribute;range=FROM-TO, where TO is * in the last range.
func ranged(e *ldap.Entry, attribute string) (from int, part []string, last bool, err error) {
	for _, a := range e.Attributes {
		bounds, ok := strings.CutPrefix(lower(a.Name), lower(attribute)+";range=")
		if !ok {
			continue
		}
		lo, hi, _ := strings.Cut(bounds, "-")
		from, err := strconv.Atoi(lo)
		if err != nil || from < 0 || hi == "" {
			return 0, nil, false, &incompleteError{fmt.Sprintf("group %q: the server gave the unreadable range %.80q", e.DN, a.Name)}
		}
		if n, err := strconv.Atoi(hi); hi != "*" && (err != nil || n-from+1 != len(a.Values)) {
			return 0, nil, false, &incompleteError{fmt.Sprintf("group %q: the range %.80q has %d members", e.DN, a.Name, len(a.Values))}
		}
		return from, a.Values, hi == "*", nil
	}
	return 0, nil, false, nil
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
