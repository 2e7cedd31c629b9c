package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/schema"
)

// described is a driver's description, ready to check with.
type described struct {
	driver      connectors.Driver
	entitlement *jsonschema.Schema
	settings    map[string]*jsonschema.Schema // by key; their descriptions say what is wanted
	required    []string
}

// describe reads a driver's description; nil when it has none.
func describe(reg *connectors.Registry, connector string) (*described, error) {
	driver, err := reg.Lookup(connector)
	if err != nil {
		return nil, err
	}
	text, ok := connectors.Describe(driver)
	if !ok {
		return nil, nil
	}
	d := &described{driver: driver, settings: map[string]*jsonschema.Schema{}}
	settings, err := compileSchema(text.Settings)
	if err != nil {
		return nil, fmt.Errorf("connector %s: settings: %w", connector, err)
	}
	maps.Copy(d.settings, settings.Properties)
	d.required = settings.Required
	if d.entitlement, err = compileSchema(text.Entitlement); err != nil {
		return nil, fmt.Errorf("connector %s: entitlement: %w", connector, err)
	}
	return d, nil
}

func compileSchema(text json.RawMessage) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema:it", doc); err != nil {
		return nil, err
	}
	return c.Compile("schema:it")
}

// fits reports whether a value, as JSON, passes a schema.
func fits(s *jsonschema.Schema, value any) bool {
	text, err := json.Marshal(value)
	if err != nil {
		return false
	}
	plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	return err == nil && s.Validate(plain) == nil
}

// misdescribed returns the entitlements that their driver takes and its own schema
// does not. What the driver refuses is reported by others, and so is what has
// parameters, with every value of them.
func misdescribed(tree *schema.Tree, reg *connectors.Registry) (out []schema.Problem) {
	for _, name := range slices.Sorted(maps.Keys(tree.Roles)) {
		for _, e := range tree.Roles[name].Entitlements {
			target := tree.Targets[e.Target]
			if target == nil || len(tree.Roles[name].Params) > 0 {
				continue
			}
			d, err := describe(reg, target.Connector)
			if err != nil || d == nil {
				continue
			}
			if _, err := d.driver.Canonical(connectors.Spec(e.Spec)); err == nil && !fits(d.entitlement, e.Spec) {
				out = append(out, schema.Problem{Pos: e.Pos, Message: fmt.Sprintf(
					"role %s: the entitlement does not fit the schema of connector %s; see reconciler schema connector %s", name, target.Connector, target.Connector)})
			}
		}
	}
	return out
}

// settingsProblems checks the settings of every target in a reconciler.yaml, without
// the environment and the files that its values come from: which keys there are, and
// the values that are written out. It never prints a value.
func settingsProblems(file string, reg *connectors.Registry) ([]schema.Problem, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var out []schema.Problem
	if len(doc.Content) == 0 {
		return nil, nil
	}
	_, targets := find(doc.Content[0], "targets")
	for name, target := range pairs(targets) {
		at := func(n *yaml.Node, format string, args ...any) {
			out = append(out, schema.Problem{Pos: schema.Pos{File: file, Line: n.Line, Column: n.Column},
				Message: fmt.Sprintf("target %s: ", name.Value) + fmt.Sprintf(format, args...)})
		}
		_, connector := find(target, "connector")
		if connector == nil {
			at(name, "key connector is missing")
			continue
		}
		d, err := describe(reg, connector.Value)
		if err != nil {
			at(connector, "%v", err)
			continue
		}
		if d != nil {
			d.check(name, target, at)
		}
	}
	return out, nil
}

func (d *described) check(name, target *yaml.Node, at func(*yaml.Node, string, ...any)) {
	known := slices.Sorted(maps.Keys(d.settings))
	given := map[string]bool{}
	for key, value := range pairs(target) {
		base := strings.TrimSuffix(key.Value, "File")
		given[key.Value], given[base] = true, true
		switch want := d.settings[key.Value]; {
		case key.Value == "connector" || want == nil && d.settings[base] != nil:
		case want == nil:
			hint := ""
			if n := nearest(key.Value, known); n != "" {
				hint = fmt.Sprintf("; did you mean %q?", n)
			}
			at(key, "unknown setting %q%s (connector %s has %s)", key.Value, hint, d.driver.Name(), strings.Join(known, ", "))
		case !expands(value) && !fits(want, plain(value)):
			at(value, "setting %s does not have a value that connector %s takes: %s", key.Value, d.driver.Name(), want.Description)
		}
	}
	for _, key := range d.required {
		if !given[key] {
			at(name, "setting %s is missing", key)
		}
	}
}

// expands reports whether any text below n has something from the environment in it,
// so that its value is not known here.
func expands(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "${") || slices.ContainsFunc(n.Content, expands)
}

func plain(n *yaml.Node) (v any) {
	if n.Decode(&v) != nil {
		return nil
	}
	return v
}

// find returns the key and the value of a mapping.
func find(n *yaml.Node, key string) (k, v *yaml.Node) {
	for k, v := range pairs(n) {
		if k.Value == key {
			return k, v
		}
	}
	return nil, nil
}

// pairs goes through a mapping in the order of the file; of anything else it is empty.
func pairs(n *yaml.Node) func(yield func(k, v *yaml.Node) bool) {
	return func(yield func(k, v *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}
