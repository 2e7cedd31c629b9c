package ldap

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	s := start(t, option{})
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: "dir",
		Open:     func(t testing.TB) connectors.Connector { return open(t, s, nil) },
		Accounts: []string{"alice", "bob", "carol", "dave"},
		Specs:    []connectors.Spec{{"group": "dba"}, {"group": "auditors"}, {"group": "ops"}, {"group": "readers"}},
		Absent:   connectors.Spec{"group": "absent"},
		BadSpecs: []connectors.Spec{
			{"group": 1}, {"group": ""}, {"group": " dba"}, {"group": "a\x00"}, {"group": strings.Repeat("x", 1025)},
			{"groupDN": "dba"}, {"groupDN": "CN=dba,dc=example"}, {"groupDN": "cn=dba, dc=example"}, {"groupDN": ""}, {"groupDN": "cn="},
			{"groupDN": `cn=d\62a`}, {"groupDN": "cn=#040162"}, {"groupDN": "sn=b+cn=a"}, {"groupDN": "cn=a\u200bb"},
			{"group": "dba", "groupDN": "cn=dba"}, {"cn": "dba"},
		},
		UnknownAccount: "mallory",
		ForeignGrant:   func(t testing.TB, g grants.Grant) { s.byHand(t, g, false) },
		ForeignRevoke:  func(t testing.TB, g grants.Grant) { s.byHand(t, g, true) },
		Named:          func(name string) connectors.Spec { return connectors.Spec{"group": name} },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			if kind == conformance.EntitlementName {
				return s.createGroup(t, name)
			}
			return s.createPerson(t, name)
		},
		Many:    2100, // more than a page, a filter and a request hold
		Kill:    func(testing.TB) { s.Kill() },
		Restart: func(t testing.TB) { s.Restart(t) },
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			return open(t, s, connectors.Settings{"bindDN": weakDN, "password": "weak"}), []string{
				"missing right: read uid of the entries below " + people,
				"missing right: write member of cn=dba," + groupsDN,
				"missing right: write uniqueMember of cn=auditors," + groupsDN,
				"missing right: write memberUid of cn=ops," + groupsDN,
			}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseSessions:     "a directory has no sessions of a group: programs ask it for the members when they want to, and their own sessions are theirs",
			conformance.CaseNativeExpiry: "a membership has no end in LDAP; time-bound links are an option of Active Directory that is not used",
		},
	})
}
