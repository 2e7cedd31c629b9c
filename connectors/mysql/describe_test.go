package mysql

import (
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
)

func TestTheSchemaOfEntitlementsAgreesWithCanonical(t *testing.T) {
	specs := []connectors.Spec{
		{}, {"role": "r"}, {"role": ""}, {"role": "NONE"}, {"role": "Current_User"}, {"role": strings.Repeat("é", 80)}, {"role": strings.Repeat("x", 81)},
		{"account": "unlocked"}, {"account": "locked"}, {"account": "unlocked", "role": "r"}, {"account": true},
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
	conformance.SchemasAgree(t, Driver{}, specs, nil)
}

func TestTheSchemaOfSettingsAgreesWithOpen(t *testing.T) {
	conformance.SchemasAgree(t, Driver{}, nil, []connectors.Settings{
		{}, {"address": "h:1"}, {"address": "h:1", "user": "u"}, {"address": "h", "user": "u"}, {"address": "h:1", "user": "u", "maxConns": 101},
		{"address": "h:1", "user": "u", "plainText": "true", "roles": []any{"r"}}, {"address": "h:1", "user": "u", "roles": []any{""}},
		{"address": "h:1", "user": "u", "password": "p", "passwordFile": "/dev/null"}, {"address": "h:1", "user": "u", "dsn": "x"},
		{"address": "h:1", "user": "u", "passwordFile": "/dev/null"}, {"address": "h:1", "user": "u", "plainText": "yes"},
		{"address": "h:1", "user": "u", "accountLock": true}, {"address": "h:1", "user": "u", "accountLock": "no"},
	})
}
