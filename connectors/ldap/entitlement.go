package ldap

import (
	"fmt"
	"slices"

	"github.com/tenure-dev/tenure/connectors"
)

const wantSpec = "want {group: NAME}, or {groupDN: DN} where the target's groupBy is dn"

// maxName is the longest name of a group or account, in bytes. Directories have no
// common limit; this one keeps filters below theirs.
const maxName = 1024

// entitlement is a group, by its exact name or its DN in canonical spelling.
type entitlement struct{ name, dn string }

func readSpec(spec connectors.Spec) (entitlement, error) {
	key := "group"
	if _, ok := spec["groupDN"]; ok {
		key = "groupDN"
	}
	pairs, err := connectors.DecodeSpec(spec, key)
	if err != nil {
		return entitlement{}, err
	}
	value := pairs[key]
	if len(value) > 4*maxName {
		return entitlement{}, fmt.Errorf("%s has %d bytes; at most %d are possible", key, len(value), 4*maxName)
	}
	if key == "group" {
		return entitlement{name: value}, checkName(value)
	}
	d, err := canonicalDN(value)
	if err != nil {
		return entitlement{}, err
	}
	for _, rdn := range d.rdns {
		for _, a := range rdn {
			if err := connectors.CheckName(a.value); err != nil {
				return entitlement{}, fmt.Errorf("groupDN: %w", err)
			}
		}
	}
	return entitlement{dn: value}, nil
}

func checkName(name string) error {
	if err := connectors.CheckName(name); err != nil {
		return err
	}
	if len(name) > maxName {
		return fmt.Errorf("name %+.80q has %d bytes; at most %d are possible", name, len(name), maxName)
	}
	return nil
}

// readText reads canonical text.
func readText(text string) (entitlement, error) { return connectors.ReadText(text, readSpec) }

func (e entitlement) text() string {
	if e.dn != "" {
		return connectors.Format(map[string]string{"groupDN": e.dn})
	}
	return connectors.Format(map[string]string{"group": e.name})
}

// String is the group as people write it.
func (e entitlement) String() string { return e.name + e.dn }

// allowed applies the target's settings, before anything is looked up. A target takes
// names or DNs, never both: otherwise two entitlements would be the same group, and
// the end of one would cut the other.
func (c *connector) allowed(e entitlement) error {
	switch {
	case c.byDN && e.dn == "":
		return fmt.Errorf("the target's setting groupBy is dn: write {groupDN: DN}")
	case !c.byDN && e.dn != "":
		return fmt.Errorf("the target's setting groupBy is name: write {group: NAME}")
	case c.groups != nil && !slices.Contains(c.groups, e.String()):
		return fmt.Errorf("the target's setting groups does not list %q", e)
	}
	if d, err := parseDN(e.dn); e.dn != "" && (err != nil || !d.below(c.groupBase)) {
		return fmt.Errorf("group %q is not below the target's setting groupBase", e)
	}
	return nil
}
