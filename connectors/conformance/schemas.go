package conformance

import (
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tenure-dev/tenure/connectors"
)

// SchemasAgree demands that the driver's schemas and its code say the same of these
// specs and settings, the right and the wrong ones. What a schema cannot say, such as
// a length in bytes, is left out of the lists.
func SchemasAgree(t *testing.T, d connectors.Driver, specs []connectors.Spec, settings []connectors.Settings) {
	t.Helper()
	told, ok := connectors.Describe(d)
	if !ok {
		t.Fatalf("%s does not describe itself", d.Name())
	}
	entitlement, err := compile("entitlement", told.Entitlement)
	if err != nil {
		t.Fatal(err)
	}
	set, err := compile("settings", told.Settings)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range specs {
		_, err := d.Canonical(spec)
		agree(t, entitlement, spec, err)
	}
	for _, s := range settings {
		c, err := d.Open(t.Context(), "target", s)
		if err == nil {
			err = c.Close()
		}
		agree(t, set, s, err)
	}
}

func agree(t *testing.T, s *jsonschema.Schema, value map[string]any, code error) {
	t.Helper()
	if schema := accepts(s, value); (code == nil) != (schema == nil) {
		t.Errorf("%v: the code says %v, the schema %v", value, code, schema)
	}
}
