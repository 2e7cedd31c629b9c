package scim

import (
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

func TestConformance(t *testing.T) {
	s := start(t)
	s.group(t, "by id")
	id := s.groupID(t, "by id")
	name := func(t testing.TB, g grants.Grant) string {
		e, err := readText(g.Entitlement)
		ok(t, err)
		if e.ID != "" {
			return "by id"
		}
		return e.Name
	}
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: "idp",
		Open:     func(t testing.TB) connectors.Connector { return open(t, s.settings(writer)) },
		Accounts: []string{"alice", "bob", "carol", "dave"},
		Specs:    []connectors.Spec{{"group": "ops"}, {"group": "dev"}, {"groupId": id}},
		Absent:   connectors.Spec{"group": "absent"},
		BadSpecs: []connectors.Spec{
			{"group": 1}, {"group": ""}, {"group": "a\x00"}, {"group": " a"}, {"group": "a", "groupId": "b"},
			{"groupId": "a/b"}, {"groupId": ".."}, {"groupId": "a b"}, {"groupId": ""}, {"name": "a"},
		},
		UnknownAccount: "mallory",
		ForeignGrant:   func(t testing.TB, g grants.Grant) { s.set(t, name(t, g), s.userID(t, g.Account), true) },
		ForeignRevoke:  func(t testing.TB, g grants.Grant) { s.set(t, name(t, g), s.userID(t, g.Account), false) },
		Named:          func(name string) connectors.Spec { return connectors.Spec{"group": name} },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			if kind == conformance.AccountName {
				return s.user(t, name)
			}
			return s.group(t, name)
		},
		Many:    300, // more than the server puts on a page, and than one request changes
		Kill:    func(testing.TB) { s.Kill() },
		Restart: func(t testing.TB) { s.Restart(t) },
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			return open(t, s.settings(reader)), []string{
				`missing right: change the members of the group "ops"`,
				`missing right: change the members of the group "dev"`,
				`missing right: change the members of the group with the id`,
			}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseSessions:     "SCIM knows no sessions: what a provider does with those of a former member is its own",
			conformance.CaseNativeExpiry: "a member of a group has no end in SCIM",
		},
	})
}
