package azure

import (
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
)

func TestTheSchemaOfEntitlementsAgreesWithCanonical(t *testing.T) {
	var specs []connectors.Spec
	for _, id := range []any{sub, strings.ToUpper(sub), "shop", "", 7, sub + "\n"} {
		specs = append(specs, connectors.Spec{"subscription": id, "role": "Reader"})
	}
	for _, name := range []any{"shop", "shop.", "a.b_(c)-", "Shop", strings.Repeat("x", 90), strings.Repeat("x", 91), "a/b", "", nil} {
		specs = append(specs, connectors.Spec{"subscription": sub, "resourceGroup": name, "role": "Reader"}, connectors.Spec{"managementGroup": name, "role": "Reader"})
	}
	for _, role := range []any{"Reader", "Storage Blob Data Reader", "o'brien", "a%b", `a\b`, strings.Repeat("é", 512), strings.Repeat("é", 513), "", 1} {
		specs = append(specs, connectors.Spec{"subscription": sub, "role": role})
	}
	for _, g := range []any{crew, strings.ToUpper(crew), "Crew", `a\b`, strings.Repeat("é", 256), strings.Repeat("é", 257), "", 1} {
		specs = append(specs, connectors.Spec{"group": g})
	}
	low := strings.ToLower(storage)
	for _, scope := range []any{low, storage, strings.ToLower(shop), subPath, "/", low + "/x", low + "/blobservices/default", low + "/../x", low + "/", 1} {
		specs = append(specs, connectors.Spec{"scope": scope, "role": "Reader"})
	}
	specs = append(specs, connectors.Spec{"role": "Reader"}, connectors.Spec{"subscription": sub}, connectors.Spec{"resourceGroup": "shop", "role": "Reader"},
		connectors.Spec{"subscription": sub, "managementGroup": "retail", "role": "Reader"}, connectors.Spec{"group": crew, "role": "Reader"},
		connectors.Spec{"scope": low, "subscription": sub, "role": "Reader"}, connectors.Spec{"subscription": sub, "role": "Reader", "until": "x"})
	conformance.SchemasAgree(t, Driver{}, specs, nil)
}

func TestTheSchemaOfSettingsAgreesWithOpen(t *testing.T) {
	base := connectors.Settings{"tenant": sub, "client": sub, "secret": "x", "subscriptions": []any{sub}, "roles": []any{"Reader"}}
	var settings []connectors.Settings
	for _, more := range []connectors.Settings{
		{}, {"tenant": "example.com"}, {"client": 7}, {"secret": ""}, {"assertionFile": "/x"}, {"secret": nil, "assertionFile": "/x"}, {"secret": nil},
		{"subscriptions": []any{}}, {"subscriptions": []any{}, "managementGroups": []any{"retail"}}, {"subscriptions": []any{"shop"}}, {"subscriptions": sub},
		{"roles": []any{}}, {"roles": []any{}, "privilegedRoles": []any{"Owner"}}, {"roles": []any{""}}, {"roles": []any{}, "subscriptions": []any{}, "groups": []any{crew}},
		{"roles": []any{}, "subscriptions": []any{}}, {"groups": []any{strings.ToUpper(crew)}}, {"privilegedGroups": []any{"Admins"}}, {"resourceGroups": []any{sub + "/shop"}}, {"resourceGroups": []any{"shop"}},
		{"accounts": "objectId"}, {"accounts": "mail"}, {"accounts": "objectId", "domain": "example.com"}, {"domain": "example.com"}, {"domain": "Example.com"}, {"domain": "x"}, {"domain": ""},
		{"principals": []any{"group"}}, {"principals": []any{"everyone"}}, {"principals": []any{}},
		{"arm": "https://management.usgovcloudapi.net"}, {"arm": "https://management.azure.com/"}, {"graph": "http://graph.microsoft.com"}, {"graph": "http://127.0.0.1:80"}, {"authority": "http://[::1]:80"},
		{"authority": "http://localhost:80"}, {"authority": "x"}, {"authority": "https://a@b.example"}, {"arm": "https://management.azure.com?x"}, {"key": "x"},
	} {
		s := connectors.Settings{}
		for k, v := range base {
			s[k] = v
		}
		for k, v := range more {
			if s[k] = v; v == nil {
				delete(s, k)
			}
		}
		settings = append(settings, s)
	}
	conformance.SchemasAgree(t, Driver{}, nil, append(settings, nil))
}

func TestThePreviewSaysWhy(t *testing.T) {
	if d := (Driver{}).Describe(); !strings.Contains(d.Preview, "stand-in") {
		t.Error(d.Preview)
	}
}
