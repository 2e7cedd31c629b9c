// Package ldap is the connector for directories that speak LDAP: who is a member of
// which group. It is proven on OpenLDAP; Active Directory is spoken as its
// specification says (MS-ADTS), and proven on a stand-in only.
//
// One entitlement is one group. The connector adds and removes values of the group's
// own list of members and changes nothing else; it makes no accounts and no groups.
package ldap

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/tenure-dev/tenure/connectors"
)

// Driver opens directories. Its entitlements are {group: NAME} and {groupDN: DN}.
type Driver struct{}

// Name is "ldap".
func (Driver) Name() string { return "ldap" }

// Canonical returns such as group=dba, or groupDN="cn=dba,ou=groups,dc=example,dc=com".
// A DN must be written in the one spelling that [canonicalDN] gives; the error says it.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	e, err := readSpec(spec)
	if err != nil {
		return "", fmt.Errorf("ldap entitlement: %w (%s)", err, wantSpec)
	}
	return e.text(), nil
}

// settings is one target in the reconciler's configuration.
type settings struct {
	URL       string `setting:"url,required"`           // ldaps://HOST or ldap://HOST, with or without a port
	BindDN    string `setting:"bindDN"`                 // DN of the reconciler's own entry; default: the certificate's
	Password  string `setting:"password,file"`          // of bindDN
	CA        string `setting:"ca,file"`                // PEM; default: the system's
	Cert      string `setting:"clientCertificate,file"` // PEM
	Key       string `setting:"clientKey,file"`         // PEM
	PlainText bool   `setting:"plainText"`              // allow a connection without TLS to another machine

	GroupBase       string   `setting:"groupBase,required"` // groups outside of it are never granted
	GroupBy         string   `setting:"groupBy"`            // name or dn
	GroupAttribute  string   `setting:"groupAttribute"`     // that holds a group's name
	Groups          []string `setting:"groups"`             // the only groups that may be granted
	MemberAttribute string   `setting:"memberAttribute"`    // default: follows from the group's object classes
	Placeholder     string   `setting:"placeholder"`        // the member that a group keeps when it would have none

	AccountBase      string `setting:"accountBase,required"` // accounts are looked up below it
	AccountAttribute string `setting:"accountAttribute"`     // that holds an account's name
	AccountFilter    string `setting:"accountFilter"`        // what an account must match to be granted something

	IgnoreReferrals bool `setting:"ignoreReferrals"` // a search that is referred elsewhere is complete without that
	MaxConns        int  `setting:"maxConns"`
}

var attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,99}$`)

// Open prepares a pool of connections; the first call connects, so that a server that
// is down does not keep the reconciler from starting.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{
		GroupBy: "name", GroupAttribute: "cn", AccountAttribute: "uid", AccountFilter: "(objectClass=*)",
		Placeholder: "cn=nobody", MaxConns: 4,
	}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	c := &connector{
		target: target, byDN: set.GroupBy == "dn", groups: slices.Clone(set.Groups), groupAttr: set.GroupAttribute,
		memberAttr: set.MemberAttribute, accountAttr: set.AccountAttribute, accountFilter: set.AccountFilter,
		ignoreReferrals: set.IgnoreReferrals,
	}
	if err := set.check(c); err != nil {
		return nil, err
	}
	d, err := set.dialer(c.bindDN)
	if err != nil {
		return nil, err
	}
	c.pool = newPool(d, set.MaxConns)
	return c, nil
}

// check reads what has a form of its own into c.
func (set *settings) check(c *connector) (err error) {
	for _, x := range []struct {
		name, text string
		into       *dn
	}{
		{"groupBase", set.GroupBase, &c.groupBase}, {"accountBase", set.AccountBase, &c.accountBase},
		{"placeholder", set.Placeholder, &c.placeholder}, {"bindDN", set.BindDN, &c.bindDN},
	} {
		if x.text == "" && x.name == "bindDN" {
			continue
		}
		if *x.into, err = parseDN(x.text); err != nil || len(x.into.rdns) == 0 {
			return fmt.Errorf("setting %s must be a DN, such as ou=people,dc=example,dc=com", x.name)
		}
	}
	switch {
	case set.MaxConns < 1 || set.MaxConns > 100:
		return errors.New("setting maxConns must be from 1 to 100")
	case set.GroupBy != "name" && set.GroupBy != "dn":
		return errors.New("setting groupBy must be name or dn")
	case !attributeName.MatchString(set.GroupAttribute):
		return errors.New("setting groupAttribute must be the name of an attribute, such as cn")
	case !attributeName.MatchString(set.AccountAttribute):
		return errors.New("setting accountAttribute must be the name of an attribute, such as uid")
	case set.MemberAttribute != "" && !slices.Contains(memberAttributes(), set.MemberAttribute):
		return errors.New("setting memberAttribute must be member, uniqueMember or memberUid")
	case c.placeholder.below(c.accountBase) || c.placeholder.key() == c.accountBase.key():
		return errors.New("setting placeholder must not be below accountBase: who could log in as it would be a member that nobody sees")
	case c.bindDN.rdns != nil && c.placeholder.key() == c.bindDN.key():
		return errors.New("setting placeholder must not be the reconciler's own entry")
	}
	if _, err := ldap.CompileFilter(set.AccountFilter); err != nil {
		return errors.New("setting accountFilter must be a filter of LDAP, such as (objectClass=person)")
	}
	for _, g := range set.Groups {
		spec := connectors.Spec{"group": g}
		if c.byDN {
			spec = connectors.Spec{"groupDN": g}
		}
		if _, err := readSpec(spec); err != nil {
			return fmt.Errorf("setting groups: %w", err)
		}
	}
	return nil
}
