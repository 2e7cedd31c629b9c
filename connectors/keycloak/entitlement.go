package keycloak

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

// maxName is the longest name that Keycloak keeps, in characters.
const maxName = 255

// entitlement is a group, a role of the realm, or a role of a client.
type entitlement struct{ group, realmRole, client, role string }

func readSpec(spec connectors.Spec) (entitlement, error) {
	keys := []string{"client", "role"}
	for _, one := range []string{"group", "realmRole"} {
		if _, ok := spec[one]; ok {
			keys = []string{one}
			break
		}
	}
	pairs, err := connectors.DecodeSpec(spec, keys...)
	if err != nil {
		return entitlement{}, err
	}
	e := entitlement{pairs["group"], pairs["realmRole"], pairs["client"], pairs["role"]}
	if e.group != "" {
		_, err := splitPath(e.group)
		return e, err
	}
	for _, k := range keys {
		if err := checkName(pairs[k]); err != nil {
			return e, fmt.Errorf("%s: %w", k, err)
		}
		if strings.Trim(pairs[k], ".") == "" { // it would be another address
			return e, fmt.Errorf("%s must not be made of dots", k)
		}
	}
	return e, nil
}

// readText reads canonical text, whose names it checks too: nothing that these rules
// refuse was ever granted.
func readText(text string) (entitlement, error) { return connectors.ReadText(text, readSpec) }

func (e entitlement) text() string {
	pairs := map[string]string{}
	for k, v := range map[string]string{"group": e.group, "realmRole": e.realmRole, "client": e.client, "role": e.role} {
		if v != "" {
			pairs[k] = v
		}
	}
	return connectors.Format(pairs)
}

func (e entitlement) String() string {
	switch {
	case e.group != "":
		return fmt.Sprintf("group %q", e.group)
	case e.realmRole != "":
		return fmt.Sprintf("role %q of the realm", e.realmRole)
	}
	return fmt.Sprintf("role %q of the client %q", e.role, e.client)
}

// splitPath returns the names on the way to a group. A name with a slash in it cannot
// be written: Keycloak has no one spelling for it.
func splitPath(path string) ([]string, error) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, errors.New("a group is written as its path, such as /engineering/on-call")
	}
	names := strings.Split(rest, "/")
	for _, name := range names {
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("group: %w", err)
		}
	}
	return names, nil
}

func checkName(name string) error {
	if err := connectors.CheckName(name); err != nil {
		return err
	}
	if n := len([]rune(name)); n > maxName {
		return fmt.Errorf("a name must not be longer than %d characters, and this has %d", maxName, n)
	}
	return nil
}

// listed reports whether the settings name the entitlement, and whether they name any
// of its kind.
func (c *connector) listed(e entitlement) (it, any bool) {
	switch {
	case e.group != "":
		return slices.Contains(c.groups, e.group), len(c.groups) > 0
	case e.realmRole != "":
		return slices.Contains(c.realmRoles, e.realmRole), len(c.realmRoles) > 0
	}
	return slices.ContainsFunc(c.clientRoles, func(entry string) bool {
		n := strings.LastIndexByte(entry, '/') // the id of a client may be an address
		return n >= 0 && entry[:n] == e.client && entry[n+1:] == e.role
	}), len(c.clientRoles) > 0
}

// allowed applies the target's ceiling.
func (c *connector) allowed(e entitlement) error {
	if it, any := c.listed(e); any && !it {
		return fmt.Errorf("the target's setting %s does not list the %s", e.setting(), e)
	}
	return nil
}

// setting is the one that lists entitlements of this kind.
func (e entitlement) setting() string {
	switch {
	case e.group != "":
		return "groups"
	case e.realmRole != "":
		return "realmRoles"
	}
	return "clientRoles"
}
