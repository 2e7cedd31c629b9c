package gcp

import (
	"regexp"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

var (
	googleName = regexp.MustCompile(`^[A-Za-z0-9._'+-]{1,64}$`) // of an account, before the @
	googleRole = regexp.MustCompile(`^[A-Za-z0-9_.]{1,100}$`)
)

func TestConformance(t *testing.T) {
	w := scene(t)
	byHand := w.hand(t)
	weakKey := w.Key(t, "weak@ops-tools.iam.gserviceaccount.com")
	byHand.bind(t, project, "roles/iam.securityReviewer", "serviceAccount:weak@ops-tools.iam.gserviceaccount.com", nil)
	read := func(t testing.TB, g grants.Grant) (resource, role, member string) {
		e, err := readText(g.Entitlement)
		if err != nil {
			t.Fatal(err)
		}
		return e.on.path(), e.role, "user:" + g.Account + "@example.com"
	}
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: "gcp-prod",
		Open:     func(t testing.TB) connectors.Connector { return connect(t, w.settings()) },
		Accounts: []string{"alice", "bob", "carol", "dave"},
		Specs: []connectors.Spec{{"project": "shop-prod", "role": viewer}, {"project": "shop-prod", "role": logs},
			{"project": "desk-prod", "role": viewer}},
		Absent: connectors.Spec{"project": "shop-prod", "role": "roles/viewer2"},
		BadSpecs: []connectors.Spec{{"project": "shop-prod"}, {"role": viewer}, {"project": "123456", "role": viewer}, {"project": "Shop-prod", "role": viewer},
			{"project": "shop-prod", "role": "roles/owner"}, {"project": "shop-prod", "role": "roles/viewer"}, {"project": "shop-prod", "role": "viewer"},
			{"project": "shop-prod", "folder": "1", "role": viewer}, {"folder": "x", "role": viewer}, {"folder": 123, "role": viewer}, {"organization": "01", "role": viewer},
			{"project": "shop-prod", "role": "projects/desk-prod/roles/own"}, {"project": "shop-prod/../x", "role": viewer}},
		UnknownAccount: "mallory",
		Many:           600, // a policy takes 1,500 principals, and is not divided into pages
		ForeignGrant: func(t testing.TB, g grants.Grant) {
			resource, role, member := read(t, g)
			byHand.bind(t, resource, role, member, nil)
		},
		ForeignRevoke: func(t testing.TB, g grants.Grant) {
			resource, role, member := read(t, g)
			byHand.unbind(t, resource, role, member)
		},
		Named: func(name string) connectors.Spec {
			return connectors.Spec{"project": "shop-prod", "role": "roles/" + name}
		},
		Create: func(_ testing.TB, kind conformance.Kind, name string) bool {
			if kind == conformance.EntitlementName {
				if googleRole.MatchString(name) {
					w.Role("roles/" + name)
				}
				return googleRole.MatchString(name)
			}
			if googleName.MatchString(name) {
				w.Account("user:" + strings.ToLower(name) + "@example.com")
			}
			return googleName.MatchString(name)
		},
		Kill: w.Kill, Restart: w.Restart,
		Expired: func(t testing.TB, g grants.Grant) bool {
			resource, role, member := read(t, g)
			return !w.May(member, map[string]string{viewer: "storage.objects.get", logs: readLogs}[role], resource)
		},
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			return connect(t, w.with("credentials", weakKey)), []string{
				`resourcemanager.projects.setIamPolicy on project "shop-prod"`,
				`resourcemanager.projects.getIamPolicy on project "desk-prod"`, `resourcemanager.projects.setIamPolicy on project "desk-prod"`,
			}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseSessions: "Google checks each request by itself and keeps no session that could be ended",
		},
	})
}
