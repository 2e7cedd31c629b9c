package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tenure-dev/tenure/connectors"
)

// describe demands that the driver's own schema takes what Canonical takes, knows the
// same keys, and refuses what no reading could allow.
func (u *suite) describe() {
	d, ok := connectors.Describe(u.Driver)
	if !ok {
		u.t.Fatal("the driver does not describe itself, and NotApplicable gives no reason")
	}
	if _, err := compile("settings", d.Settings); err != nil {
		u.t.Error(err)
	}
	entitlement, err := compile("entitlement", d.Entitlement)
	if err != nil {
		u.t.Fatal(err)
	}
	for _, spec := range u.Specs {
		if err := accepts(entitlement, spec); err != nil {
			u.t.Errorf("%v is an entitlement, but its schema refuses it: %v", spec, err)
		}
		extra := cloneSpec(spec)
		extra["no-such-key"] = "x"
		if accepts(entitlement, extra) == nil {
			u.t.Errorf("the schema of entitlements takes an unknown key: %v", extra)
		}
		for key := range spec {
			wrong := cloneSpec(spec)
			wrong[key] = map[string]any{}
			if accepts(entitlement, wrong) == nil {
				u.t.Errorf("the schema of entitlements takes a mapping as %s", key)
			}
		}
	}
	if accepts(entitlement, connectors.Spec{}) == nil {
		u.t.Error("the schema of entitlements takes an empty one")
	}
}

func compile(what string, text json.RawMessage) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("the schema of %s is not JSON: %w", what, err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema:"+what, doc); err != nil {
		return nil, err
	}
	s, err := c.Compile("schema:" + what)
	if err != nil {
		return nil, fmt.Errorf("the schema of %s: %w", what, err)
	}
	return s, nil
}

// accepts checks a spec or settings the way they arrive: as JSON.
func accepts(s *jsonschema.Schema, of map[string]any) error {
	text, err := json.Marshal(of)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(value)
}
