package schema

import (
	"slices"

	"gopkg.in/yaml.v3"
)

// Kinds returns the kinds of documents, in the order in which people meet them.
func Kinds() []string {
	return []string{KindAccessRequest, KindRole, KindPerson, KindGroup, KindTarget, KindPolicy}
}

// document reads one document of any kind. It returns nil where the kind cannot
// be told; a document with problems is returned, for its file is broken anyway.
func (d *decoder) document(n *yaml.Node) any {
	if !d.clean(n, 0) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
			d.problem(n, "document is empty; write apiVersion and kind, or remove the --- line")
		} else {
			d.problem(n, "document is %s; it must be a mapping that begins with apiVersion and kind", kindOf(n))
		}
		return nil
	}
	var kind, version *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch n.Content[i].Value {
		case "kind":
			kind = n.Content[i+1]
		case "apiVersion":
			version = n.Content[i+1]
		}
	}
	if version == nil {
		d.problem(n, "document has no key \"apiVersion\", which is required; write apiVersion: %s", APIVersion)
	} else {
		d.text(version, "apiVersion", func(s string) string {
			if s == APIVersion {
				return ""
			}
			return "is not known; allowed: " + APIVersion
		})
	}
	if kind == nil {
		d.problem(n, "document has no key \"kind\", which is required; allowed: %s", list(Kinds()))
		return nil
	}
	name := d.text(kind, "kind", func(s string) string {
		if slices.Contains(Kinds(), s) {
			return ""
		}
		return "is not known; allowed: " + list(Kinds()) + suggest(s, Kinds())
	})
	d.mark(n, "")
	switch name {
	case KindAccessRequest:
		return d.request(n, KindAccessRequest, "", "apiVersion", "kind")
	case KindRole:
		return d.role(n)
	case KindPerson:
		return d.person(n)
	case KindGroup:
		return d.group(n)
	case KindTarget:
		return d.target(n)
	case KindPolicy:
		return d.policy(n)
	}
	return nil
}
