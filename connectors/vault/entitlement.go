package vault

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

// Kinds of entitlements.
const (
	kindGroup  = "group"
	kindPolicy = "policy"
)

// ownPrefix begins the names of the groups that the connector keeps for policies.
const ownPrefix = "tenure-policy-"

// entitlement is membership of a group, or a policy.
type entitlement struct{ kind, name string }

func (e entitlement) text() string { return connectors.Format(map[string]string{e.kind: e.name}) }

// group is the name of the group whose list of members is the entitlement's holders.
func (e entitlement) group() string {
	if e.kind == kindPolicy {
		return ownGroup(e.name)
	}
	return e.name
}

func readSpec(spec connectors.Spec) (entitlement, error) {
	kind := kindGroup
	if _, ok := spec[kindPolicy]; ok {
		kind = kindPolicy
	}
	pairs, err := connectors.DecodeSpec(spec, kind)
	if err != nil {
		return entitlement{}, err
	}
	e := entitlement{kind, pairs[kind]}
	if kind == kindPolicy {
		err = checkPolicy(e.name)
	} else {
		err = checkGroup(e.name)
	}
	return e, err
}

// readText reads canonical text, whose name it checks too: nothing that these rules
// refuse was ever granted.
func readText(text string) (entitlement, error) { return connectors.ReadText(text, readSpec) }

// maxName is the longest name that is taken, in bytes.
const maxName = 200

var (
	// Names are parts of paths in requests and in the reconciler's own policy; these
	// stand in both for themselves.
	groupName  = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.:@+ -]*[A-Za-z0-9_])?$`)
	policyName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_./:@-]*[a-z0-9_])?$`)
)

func checkGroup(name string) error {
	if err := connectors.CheckName(name); err != nil {
		return err
	}
	if len(name) > maxName || !groupName.MatchString(name) {
		return fmt.Errorf("name %+.80q: a group's may have ASCII letters, digits, spaces and _.:@+- inside, and at most %d bytes", name, maxName)
	}
	if strings.HasPrefix(strings.ToLower(name), ownPrefix) {
		return fmt.Errorf("name %+.80q: groups that begin with %s are the connector's own; write {policy: NAME}", name, ownPrefix)
	}
	return nil
}

func checkPolicy(name string) error {
	switch {
	case name == "root":
		return fmt.Errorf("policy root can never be granted")
	case len(name) > maxName || !policyName.MatchString(name) || slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return strings.Trim(part, ".") == "" }):
		return fmt.Errorf("name %+.80q: a policy's may have lower-case ASCII letters, digits and _./:@- inside, and at most %d bytes", name, maxName)
	}
	return nil
}

// ownGroup is the name of the group that the connector keeps for a policy. What a
// group's name should not hold is written as its code, such as .2f for /, so that no
// two policies share a group.
func ownGroup(policy string) string {
	var b strings.Builder
	b.WriteString(ownPrefix)
	for _, c := range []byte(policy) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, ".%02x", c)
		}
	}
	return b.String()
}

// allowed applies the target's ceiling: what its settings do not list is refused.
func (c *connector) allowed(e entitlement) error {
	if e.kind == kindPolicy && !slices.Contains(c.policies, e.name) {
		return fmt.Errorf("the target's setting policies does not list %q", e.name)
	}
	if e.kind == kindGroup && !slices.Contains(c.groups, e.name) {
		return fmt.Errorf("the target's setting groups does not list %q", e.name)
	}
	return nil
}
