package gitea

import (
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

func TestConformance(t *testing.T) {
	w := newWorld(t)
	hand := func(t testing.TB, g grants.Grant, on bool) {
		e, permission, err := read(g.Entitlement)
		if err != nil {
			t.Fatal(err)
		}
		if e.kind == kindTeam {
			w.join(e.name, g.Account, on)
			return
		}
		if !on {
			permission = ""
		}
		w.collaborate(e.name, g.Account, permission)
	}
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: target,
		Open:     func(t testing.TB) connectors.Connector { return connect(t, w.settings()) },
		Accounts: []string{"alice", "bob", "carol", "dave"},
		Specs:    []connectors.Spec{teamSpec("developers"), repoSpec("shop", "write"), repoSpec("desk", "read")},
		Absent:   repoSpec("no-such-repository", "write"),
		BadSpecs: []connectors.Spec{teamSpec("two words"), teamSpec("a/b"), teamSpec(".."), {"repository": "shop"}, {"permission": "read"},
			repoSpec("acme/shop", "read"), repoSpec("shop", "Read"), repoSpec("shop", "owner"), {"team": "a", "repository": "b"}, {"team": "a", "permission": "read"}},
		UnknownAccount: "nobody-at-all",
		Many:           60, // twelve pages of this server
		ForeignGrant:   func(t testing.TB, g grants.Grant) { hand(t, g, true) },
		ForeignRevoke:  func(t testing.TB, g grants.Grant) { hand(t, g, false) },
		Named:          func(name string) connectors.Spec { return teamSpec(name) },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			if kind == conformance.EntitlementName {
				return w.addTeam(name, "read", false)
			}
			return w.Account(t, name)
		},
		Kill: w.Kill, Restart: w.Restart,
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			return connect(t, w.settings(), "token", w.Token(t, "alice", "read:user")), []string{"scope write:organization", "scope write:repository"}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseSessions:     "Gitea decides anew at every request, clone and push; there is no session that outlives a right",
			conformance.CaseNativeExpiry: "memberships and permissions have no end of their own",
		},
	})
}
