package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"

	"github.com/tenure-dev/tenure/connectors"
)

// Members that are no account by name are shown by their DN, and values that are no DN
// by themselves. These words begin no name.
const (
	dnPrefix    = "dn:"
	valuePrefix = "value:"
)

// account is an entry that can be a member.
type account struct {
	dn      string // as the server spells it
	id      dn
	name    string // exact; "" if it has none, several, or one that is refused
	isGroup bool
}

// checkAccount refuses what can be no account's name.
func checkAccount(name string) error {
	if strings.HasPrefix(name, dnPrefix) || strings.HasPrefix(name, valuePrefix) {
		return fmt.Errorf("account %+.200q: accounts are granted something by their names, not as %s… or %s…", name, dnPrefix, valuePrefix)
	}
	if err := checkName(name); err != nil {
		return fmt.Errorf("account: %w", err)
	}
	return nil
}

func (c *connector) readAccount(e *ldap.Entry) account {
	a := account{dn: e.DN}
	a.id, _ = parseDN(e.DN)
	if a.name = nameOf(e, a.id, c.accountAttr); checkAccount(a.name) != nil {
		a.name = ""
	}
	for class := range groupClasses() {
		a.isGroup = a.isGroup || hasClass(e, class)
	}
	return a
}

// searchAccounts looks below accountBase, with as few searches as possible.
func (c *connector) searchAccounts(ctx context.Context, conditions []string, also string, add func(*ldap.Entry, account)) error {
	var mu sync.Mutex
	return each(ctx, c, filters(conditions), func(ctx context.Context, filter string) error {
		if also != "" {
			filter = "(&" + also + filter + ")"
		}
		found, err := c.search(ctx, c.accountBase.String(), ldap.ScopeWholeSubtree, filter, "objectClass", c.accountAttr)
		if is(err, ldap.LDAPResultNoSuchObject) {
			return fmt.Errorf("accountBase %q does not exist, or may not be read: %w", c.accountBase, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range found {
			add(e, c.readAccount(e))
		}
		return err
	})
}

// findAccounts returns the entries of each name; also is a filter that they match, too.
func (c *connector) findAccounts(ctx context.Context, names map[string]bool, also string) (map[string]matches[account], error) {
	found := map[string]matches[account]{}
	wanted := map[string][]string{}
	var conditions []string
	for name := range names {
		if checkAccount(name) == nil {
			conditions = append(conditions, equals(c.accountAttr, name))
			wanted[fold(name)] = append(wanted[fold(name)], name)
		}
	}
	seen := map[string]bool{} // an entry with several names comes with several filters
	var hidden error
	err := c.searchAccounts(ctx, conditions, also, func(e *ldap.Entry, a account) {
		if err := readable(e, c.accountAttr); err != nil {
			hidden = err
		}
		for _, name := range namesakes(wanted, values(e, c.accountAttr)) {
			if key := name + "\x00" + a.dn; seen[key] {
				continue
			} else {
				seen[key] = true
			}
			m := found[name]
			if a.name == name {
				m.exact = append(m.exact, a)
			} else {
				m.other = append(m.other, a)
			}
			found[name] = m
		}
	})
	return found, errors.Join(err, hidden)
}

// memberNames returns the account of each DN that a group lists, by the DN's canonical
// text. Every DN has one: the name of its entry, or the DN itself after dn:. If the
// entry is gone, but the DN says the name that it had, and nobody else has that name,
// it is still this account: what was granted to it stays visible and revocable.
func (c *connector) memberNames(ctx context.Context, list map[string]dn) (map[string]string, error) {
	var conditions []string
	asked := map[string]bool{}
	for _, d := range list {
		if !d.below(c.accountBase) {
			continue
		}
		condition := equals(d.rdns[0][0].attr, d.rdns[0][0].value)
		if name, ok := d.named(c.accountAttr); ok {
			condition = equals(c.accountAttr, name)
		}
		if !asked[condition] {
			asked[condition] = true
			conditions = append(conditions, condition)
		}
	}
	there := map[string][]account{} // by key
	taken := map[string]bool{}      // names that entries have, folded
	err := c.searchAccounts(ctx, conditions, "", func(e *ldap.Entry, a account) {
		there[a.id.key()] = append(there[a.id.key()], a)
		for _, v := range values(e, c.accountAttr) {
			taken[fold(v)] = true
		}
	})
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(list))
	for text, d := range list {
		name := dnPrefix + text
		if a, ok := entryOf(text, there[d.key()]); ok {
			if a.name != "" {
				name = a.name
			}
		} else if old := c.goneName(d); old != "" && !taken[fold(old)] {
			name = old
		}
		names[text] = name
	}
	return names, nil
}

// entryOf picks the entry of a DN: the one that is spelled so, or the only one that
// the directory takes for the same.
func entryOf(text string, found []account) (account, bool) {
	seen := map[string]account{}
	for _, a := range found {
		if a.id.String() == text {
			return a, true
		}
		seen[a.dn] = a
	}
	if len(seen) == 1 {
		return found[0], true
	}
	return account{}, false
}

// goneName is the account that a DN named while its entry existed, if the DN says it.
func (c *connector) goneName(d dn) string {
	if name, ok := d.named(c.accountAttr); ok && d.below(c.accountBase) && checkAccount(name) == nil {
		return name
	}
	return ""
}

// accountFor returns the entry that is granted something, or why nothing may be.
func (c *connector) accountFor(name string, m matches[account]) (account, error) {
	a, ok := m.one()
	switch {
	case m.all() == 0:
		return a, fmt.Errorf("%q: %w", name, connectors.ErrNoAccount)
	case m.all() > 1:
		return a, fmt.Errorf("account %q exists %d times below accountBase; narrow it", name, m.all())
	case !ok && m.other[0].name != "":
		return a, fmt.Errorf("%q: %w (it is spelled %q there)", name, connectors.ErrNoAccount, m.other[0].name)
	case !ok:
		return a, fmt.Errorf("%q: %w (the entry %q has no one name)", name, connectors.ErrNoAccount, m.other[0].dn)
	case a.isGroup:
		return a, fmt.Errorf("account %q is a group; groups are not nested", name)
	}
	return a, nil
}
