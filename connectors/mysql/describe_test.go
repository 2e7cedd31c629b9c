package mysql

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tenure-dev/tenure/connectors"
)

func compile(t *testing.T, text []byte) *jsonschema.Schema {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema:x", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema:x")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheSchemaOfEntitlementsAgreesWithCanonical(t *testing.T) {
	s := compile(t, Driver{}.Describe().Entitlement)
	specs := []connectors.Spec{
		{}, {"role": "r"}, {"role": ""}, {"role": "NONE"}, {"role": "Current_User"}, {"role": strings.Repeat("é", 80)}, {"role": strings.Repeat("x", 81)},
		{"role": "r", "database": "d"}, {"privilege": "select"}, {"privilege": "all", "database": "d"}, {"privilege": "Select", "database": "d"},
		{"privilege": "select", "database": strings.Repeat("x", 65)}, {"privilege": "select", "database": 7},
		{"privilege": "execute", "database": "d", "function": "F"}, {"privilege": "execute", "database": "d", "procedure": "é"},
		{"privilege": "execute", "database": "d", "function": "f", "procedure": "p"},
	}
	for _, kind := range []string{"", "table", "function", "procedure"} {
		for word := range databaseColumns() {
			spec := connectors.Spec{"privilege": word, "database": "d"}
			if kind != "" {
				spec[kind] = "x"
			}
			specs = append(specs, spec)
		}
	}
	for _, spec := range specs {
		_, err := Driver{}.Canonical(spec)
		if serr := s.Validate(map[string]any(spec)); (err == nil) != (serr == nil) {
			t.Errorf("%v: canonical says %v, the schema %v", spec, err, serr)
		}
	}
}

func TestTheSchemaOfSettingsAgreesWithOpen(t *testing.T) {
	s := compile(t, Driver{}.Describe().Settings)
	for _, set := range []connectors.Settings{
		{}, {"address": "h:1"}, {"address": "h:1", "user": "u"}, {"address": "h", "user": "u"}, {"address": "h:1", "user": "u", "maxConns": 101},
		{"address": "h:1", "user": "u", "plainText": "true", "roles": []any{"r"}}, {"address": "h:1", "user": "u", "roles": []any{""}},
		{"address": "h:1", "user": "u", "password": "p", "passwordFile": "/dev/null"}, {"address": "h:1", "user": "u", "dsn": "x"},
		{"address": "h:1", "user": "u", "passwordFile": "/dev/null"}, {"address": "h:1", "user": "u", "plainText": "yes"},
	} {
		c, err := Driver{}.Open(t.Context(), "db", set)
		if err == nil {
			_ = c.Close()
		}
		if serr := s.Validate(map[string]any(set)); (err == nil) != (serr == nil) {
			t.Errorf("%v: open says %v, the schema %v", set, err, serr)
		}
	}
}
