package aws

import (
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
)

func TestTheSchemaOfEntitlementsAgreesWithCanonical(t *testing.T) {
	long := strings.Repeat("x", 33)
	conformance.SchemasAgree(t, Driver{}, []connectors.Spec{
		{}, {"account": "123456789012", "permissionSet": "Read.Only+=,@-_"}, {"account": "12345678901", "permissionSet": "p"}, {"account": 123456789012, "permissionSet": "p"},
		{"account": "123456789012", "permissionSet": long}, {"account": "123456789012"}, {"permissionSet": "p"}, {"account": "123456789012", "group": "g"},
		{"account": "123456789012", "permissionSet": "arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-0123456789abcdef"},
		{"account": "123456789012", "permissionSet": "p", "role": "r"},
		{"identityGroup": "Größe 名前"}, {"identityGroup": ""}, {"identityGroup": strings.Repeat("é", 1024)}, {"identityGroup": strings.Repeat("é", 1025)}, {"identityGroup": 7},
		{"group": "g"}, {"group": "a/b"}, {"group": long + long + long + long}, {"group": "g", "role": "r"}, {"group": "größe"}, {"group": []any{"g"}},
		{"policy": "p"}, {"policy": "*"}, {"policy": ""}, {"role": "r"}, {"role": "role:r"}, {"role": long + long},
		{"managedPolicy": "arn:aws:iam::aws:policy/job-function/Billing"}, {"managedPolicy": "arn:aws-cn:iam::123456789012:policy/x"},
		{"managedPolicy": "arn:aws:iam::aws:policy/*"}, {"managedPolicy": "arn:evil:iam::aws:policy/x"}, {"managedPolicy": "ReadOnlyAccess"}, {"typo": "x"},
	}, nil)
}

func TestTheSchemaOfSettingsAgreesWithOpen(t *testing.T) {
	iam := func(more connectors.Settings) connectors.Settings {
		return with(connectors.Settings{"account": "123456789012"}, more)
	}
	center := func(more connectors.Settings) connectors.Settings {
		return with(connectors.Settings{"instance": "arn:aws:sso:::instance/ssoins-0123456789abcdef", "region": "eu-central-1"}, more)
	}
	conformance.SchemasAgree(t, Driver{}, nil, []connectors.Settings{
		{}, iam(nil), center(nil), iam(center(nil)), {"account": "1"}, {"account": 123456789012}, {"instance": "arn:aws:sso:::instance/ssoins-0123456789abcdef"}, {"instance": "x", "region": "eu-central-1"},
		iam(connectors.Settings{"groups": []any{"g"}, "roles": []any{"r"}, "managedPolicies": []any{"arn:aws:iam::aws:policy/x"}, "subjects": []any{"user", "role"}}),
		iam(connectors.Settings{"groups": []any{"a/b"}}), iam(connectors.Settings{"roles": []any{"*"}}), iam(connectors.Settings{"managedPolicies": []any{"x"}}), iam(connectors.Settings{"subjects": []any{"group"}}),
		iam(connectors.Settings{"policies": map[string]any{"p": reading}}), iam(connectors.Settings{"policies": map[string]any{"a b": reading}}), iam(connectors.Settings{"policies": []any{"p"}}), iam(connectors.Settings{"policies": map[string]any{"p": 7}}),
		iam(connectors.Settings{"accounts": []any{"123456789012"}, "permissionSets": []any{"p"}}), iam(connectors.Settings{"maxSession": "1h"}), iam(connectors.Settings{"identityGroups": []any{"g"}}),
		center(connectors.Settings{"accounts": []any{"123456789012"}, "permissionSets": []any{"p", "arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-0123456789abcdef"}, "maxSession": "1h", "identityGroups": []any{"Größe 名前"}}),
		center(connectors.Settings{"accounts": []any{"123456789012"}}), center(connectors.Settings{"permissionSets": []any{"p"}}), center(connectors.Settings{"accounts": []any{"12"}, "permissionSets": []any{"p"}}),
		center(connectors.Settings{"accounts": []any{"123456789012"}, "permissionSets": []any{"a b"}}), center(connectors.Settings{"roles": []any{"r"}}), center(connectors.Settings{"subjects": []any{"role"}}), center(connectors.Settings{"identityGroups": []any{""}}),
		iam(connectors.Settings{"region": "eu-central-1"}), iam(connectors.Settings{"region": "evil.example.com/#"}), iam(connectors.Settings{"region": "us-gov-west-1"}),
		iam(connectors.Settings{"accessKeyID": "A"}), iam(connectors.Settings{"secretAccessKey": "s"}), iam(connectors.Settings{"accessKeyID": "A", "secretAccessKey": "s", "sessionToken": "t"}), iam(connectors.Settings{"sessionToken": "t"}),
		iam(connectors.Settings{"assumeRole": "arn:aws:iam::123456789012:role/path/tenure", "externalID": "x"}), iam(connectors.Settings{"externalID": "x"}), iam(connectors.Settings{"assumeRole": "tenure"}),
		iam(connectors.Settings{"endpoint": "https://aws.example.com"}), iam(connectors.Settings{"endpoint": "http://127.0.0.1:5000"}), iam(connectors.Settings{"endpoint": "ftp://127.0.0.1"}), iam(connectors.Settings{"endpoint": "https://u:p@aws.example.com"}),
		iam(connectors.Settings{"profile": "x"}),
	})
}

func with(a, b connectors.Settings) connectors.Settings {
	for k, v := range b {
		a[k] = v
	}
	return a
}

func TestWrongSettingsAreNamedWithoutTheirValues(t *testing.T) {
	for word, s := range map[string]connectors.Settings{
		"endpoint":                  {"account": "123456789012", "endpoint": "http://" + secret + ".example.com"},
		"secretAccessKey":           {"account": "123456789012", "secretAccessKey": secret},
		"sessionToken":              {"account": "123456789012", "sessionToken": secret},
		"assumeRole":                {"account": "123456789012", "assumeRole": secret},
		"externalID":                {"account": "123456789012", "externalID": secret},
		"setting policies, p":       {"account": "123456789012", "policies": map[string]any{"p": secret}},
		"setting policies must":     {"account": "123456789012", "policies": map[string]any{secret + " ": reading}},
		"setting region":            {"account": "123456789012", "region": secret + "!"},
		"instance (a target of Ide": {},
	} {
		_, err := Driver{}.Open(t.Context(), target, s)
		if err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", word, err)
		}
	}
}
