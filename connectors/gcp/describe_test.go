package gcp

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
)

func TestTheSchemaOfEntitlementsAgreesWithCanonical(t *testing.T) {
	var specs []connectors.Spec
	for _, id := range []any{"shop-prod", "example.com:shop-prod", "123456", "Shop-prod", "shop", "shop-prod-", "shop_prod", "shop-prod\n", strings.Repeat("x", 30), strings.Repeat("x", 31), "", 7} {
		specs = append(specs, connectors.Spec{"project": id, "role": viewer})
	}
	for _, n := range []any{"1", "0", "01", "1234567890123456789", "12345678901234567890", "x", 123456} {
		specs = append(specs, connectors.Spec{"folder": n, "role": viewer}, connectors.Spec{"organization": n, "role": viewer})
	}
	for _, role := range []any{"roles/compute.instanceAdmin.v1", "roles/owner", "roles/editor", "roles/viewer", "roles/", "roles/a b", "viewer", "projects/shop-prod/roles/own",
		"organizations/1/roles/own", "organizations/0/roles/own", "projects/shop-prod/roles/ab", "roles/x\n", "", nil} {
		specs = append(specs, connectors.Spec{"project": "shop-prod", "role": role})
	}
	specs = append(specs, connectors.Spec{"role": viewer}, connectors.Spec{"project": "shop-prod"}, connectors.Spec{"project": "shop-prod", "folder": "1", "role": viewer},
		connectors.Spec{"project": "shop-prod", "role": viewer, "condition": "x"})
	conformance.SchemasAgree(t, Driver{}, specs, nil)
}

func TestTheSchemaOfSettingsAgreesWithOpen(t *testing.T) {
	roles, projects := []any{viewer}, []any{"shop-prod"}
	var settings []connectors.Settings
	for _, more := range []connectors.Settings{
		{}, {"roles": []any{}}, {"roles": []any{"roles/owner"}}, {"roles": []any{"x"}}, {"roles": viewer}, {"projects": []any{"12"}}, {"projects": []any{}}, {"projects": []any{}, "folders": []any{"1"}},
		{"folders": []any{"x"}}, {"organizations": []any{"12"}}, {"principals": []any{"group"}}, {"principals": []any{"allUsers"}}, {"principals": []any{}},
		{"domain": "example.com"}, {"domain": "Example.com"}, {"domain": "example"}, {"domain": ""}, {"key": "x"},
		{"endpoint": "https://cloudresourcemanager.googleapis.com"}, {"endpoint": "https://restricted.googleapis.com/"}, {"endpoint": "https://example.com"}, {"endpoint": "https://accounts.google.com"},
		{"endpoint": "http://127.0.0.1:80"}, {"endpoint": "http://[::1]:80/"}, {"endpoint": "http://localhost:80"}, {"endpoint": "http://cloudresourcemanager.googleapis.com"},
		{"endpoint": "https://googleapis.com.example.com"}, {"endpoint": "https://cloudresourcemanager.googleapis.com/v1"}, {"endpoint": "x"},
		{"credentialsFile": ""}, {"credentials": "{}", "credentialsFile": "/dev/null"},
	} {
		s := connectors.Settings{"roles": roles, "projects": projects}
		for k, v := range more {
			s[k] = v
		}
		settings = append(settings, s)
	}
	settings = append(settings, nil, connectors.Settings{"roles": roles}, connectors.Settings{"projects": projects})
	conformance.SchemasAgree(t, Driver{}, nil, settings)
}

func TestThePreviewSaysWhy(t *testing.T) {
	if d := (Driver{}).Describe(); !strings.Contains(d.Preview, "stand-in") {
		t.Error(d.Preview)
	}
}

// FuzzAPolicyIsWrittenBackAsItWasRead: whatever a binding holds, reading and writing a
// policy without a change keeps it.
func FuzzAPolicyIsWrittenBackAsItWasRead(f *testing.F) {
	for _, seed := range []string{
		`{"etag": "BwWW", "bindings": [{"role": "roles/x", "members": ["user:a@b.cd"], "condition": {"title": "t", "expression": "true", "new": [1]}, "id": 7}]}`,
		`{"etag": "BwWW", "bindings": [{"role": "roles/x"}, {"role": "roles/x", "members": null, "condition": null}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := readPolicy([]byte(text), time.Now())
		if err != nil {
			return
		}
		out, err := json.Marshal(p.clone())
		if err != nil {
			t.Fatalf("read, but not written: %v", err)
		}
		var before, after struct{ Bindings []map[string]any }
		if json.Unmarshal([]byte(text), &before) != nil || json.Unmarshal(out, &after) != nil {
			t.Fatalf("%s became %s", text, out)
		}
		if len(before.Bindings)+len(after.Bindings) > 0 && !reflect.DeepEqual(before, after) {
			t.Errorf("%s became %s", text, out)
		}
	})
}
