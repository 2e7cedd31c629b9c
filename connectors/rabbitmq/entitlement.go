package rabbitmq

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

const wantSpec = "want {vhost: NAME, permission: configure, write or read} with one of resource: NAME, prefix: TEXT and everything: true, or {tag: NAME}"

// entitlement is a permission on some names in a virtual host, or a tag.
type entitlement struct {
	vhost, permission string
	kind, name        string // kind is one of kinds
	tag               string
}

// What a permission is for.
const (
	oneResource = "resource"
	allPrefixed = "prefix"
	allOf       = "everything"
)

func kinds() []string { return []string{oneResource, allPrefixed, allOf} }

func permissions() []string { return []string{"configure", "write", "read"} }

func readSpec(spec connectors.Spec) (e entitlement, err error) {
	keys := []string{"vhost", "permission"}
	if _, ok := spec["tag"]; ok {
		keys = []string{"tag"}
	}
	with := connectors.Spec{}
	for k, v := range spec {
		if k == allOf {
			if v != true && v != "true" {
				return e, errors.New("everything must be true")
			}
			v = "true"
		}
		if keys[0] != "tag" && slices.Contains(kinds(), k) {
			e.kind = k
			keys = append(keys, k)
		}
		with[k] = v
	}
	pairs, err := connectors.DecodeSpec(with, keys...)
	switch {
	case err != nil:
		return e, err
	case keys[0] == "tag":
		return entitlement{tag: pairs["tag"]}, checkTag(pairs["tag"])
	case len(keys) != 3:
		return e, fmt.Errorf("want one of %s", strings.Join(kinds(), ", "))
	}
	e.vhost, e.permission = pairs["vhost"], pairs["permission"]
	if e.kind != allOf {
		e.name = pairs[e.kind]
	}
	if err := checkSegment(e.vhost); err != nil {
		return e, fmt.Errorf("vhost: %w", err)
	}
	if !slices.Contains(permissions(), e.permission) {
		return e, fmt.Errorf("permission %+.40q is not one of %s", e.permission, strings.Join(permissions(), ", "))
	}
	if len(e.name) > maxName {
		return e, fmt.Errorf("%s has %d bytes; at most %d are possible", e.kind, len(e.name), maxName)
	}
	return e, nil
}

// maxName is the longest name of a queue or exchange, in bytes (AMQP 0-9-1, short
// string).
const maxName = 255

// checkSegment refuses names that cannot stand in a path: the broker resolves dots
// even where they are escaped.
func checkSegment(name string) error {
	if name == "." || name == ".." {
		return fmt.Errorf("name %q cannot be asked for through the management plug-in", name)
	}
	return connectors.CheckName(name)
}

// checkTag wants what the broker's own tags look like; it makes atoms of them.
func checkTag(tag string) error {
	ok := tag != "" && len(tag) <= 64
	for _, r := range tag {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
	}
	if !ok {
		return fmt.Errorf("tag %+.80q must be 1 to 64 letters, digits, _ and -", tag)
	}
	return nil
}

func (e entitlement) text() string {
	if e.tag != "" {
		return connectors.Format(map[string]string{"tag": e.tag})
	}
	pairs := map[string]string{"vhost": e.vhost, "permission": e.permission, e.kind: e.name}
	if e.kind == allOf {
		pairs[allOf] = "true"
	}
	return connectors.Format(pairs)
}

// readText reads canonical text, whose names it checks too: nothing that these rules
// refuse was ever granted.
func readText(text string) (entitlement, error) { return connectors.ReadText(text, readSpec) }

// allowed applies the target's ceiling.
func (c *connector) allowed(e entitlement) error {
	switch {
	case e.tag != "" && !slices.Contains(c.tags, e.tag):
		return fmt.Errorf("tag %q is not among those that may be granted; the target's setting tags can list it", e.tag)
	case e.tag != "":
		return nil
	case e.kind == allOf && !slices.Contains(c.everything, e.vhost):
		return fmt.Errorf("everything in %q may not be granted; the target's setting everything can list it", e.vhost)
	case len(c.vhosts) > 0 && !slices.Contains(c.vhosts, e.vhost):
		return fmt.Errorf("the target's setting vhosts does not list %q", e.vhost)
	}
	return nil
}
