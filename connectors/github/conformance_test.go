package github

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/connectors/github/githubtest"
	"github.com/tenure-dev/tenure/grants"
)

// byNumber lets the suite, which makes up names of accounts, speak of logins to a
// connector that knows numbers only.
type byNumber struct {
	*connector
	s *githubtest.Server
}

func (n byNumber) in(g grants.Grant) grants.Grant {
	if loginPattern.MatchString(g.Account) && n.s.Has(g.Account) {
		g.Account = strconv.FormatInt(n.s.ID(g.Account), 10)
	}
	return g
}

func (n byNumber) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	found, err := n.connector.Observe(ctx, scope)
	for i := range found {
		found[i].Account = n.s.Login(found[i].Account)
	}
	return found, err
}

func (n byNumber) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return n.connector.Grant(ctx, n.in(g), until)
}

func (n byNumber) Revoke(ctx context.Context, g grants.Grant) error {
	return n.connector.Revoke(ctx, n.in(g))
}

func (n byNumber) Apply(ctx context.Context, acts []connectors.Act) []error {
	mine := make([]connectors.Act, len(acts))
	for i, a := range acts {
		mine[i] = a
		mine[i].Grant = n.in(a.Grant)
	}
	return n.connector.Apply(ctx, mine)
}

func TestConformance(t *testing.T) { run(t, accountsByID) }

func TestConformanceWithLogins(t *testing.T) {
	t.Setenv(conformance.MatrixFile, "") // the matrix has one line a connector
	run(t, accountsByLogin)
}

func run(t *testing.T, accounts string) {
	s := world(t)
	open := func(t testing.TB, token string) connectors.Connector {
		set := settingsOf(t, s)
		set["accounts"], set["token"] = accounts, token
		c := connect(t, set)
		if accounts == accountsByLogin {
			return c
		}
		return byNumber{c, s}
	}
	token := s.Token("tenure-bot", documented(t, "scopes")...)
	unknown := "999999999"
	if accounts == accountsByLogin {
		unknown = "nobody-at-all"
	}
	hand := func(t testing.TB, g grants.Grant, on bool) {
		e, err := read(g.Entitlement)
		if err != nil {
			t.Fatal(err)
		}
		level := func(s string) string {
			if !on {
				return ""
			}
			return s
		}
		switch e.kind {
		case kindTeam:
			s.Join(e.name, g.Account, level(e.level))
		case kindRepository:
			s.Direct(e.name, g.Account, level("write"))
		default:
			s.Assign(e.name, g.Account, level("direct"))
		}
	}
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: target,
		Open:     func(t testing.TB) connectors.Connector { return open(t, token) },
		Accounts: []string{"alice", "bob", "carol", "dave"},
		Specs:    []connectors.Spec{teamSpec("orders", "member"), repoSpec("shop", "push"), roleSpec("security_manager"), teamSpec("desk", "maintainer")},
		Absent:   repoSpec("no-such-repository", "push"),
		BadSpecs: []connectors.Spec{{"team": "Orders"}, {"team": "orders", "role": "owner"}, {"repository": "shop"}, {"permission": "push"},
			{"repository": "acme/shop", "permission": "push"}, repoSpec("shop", "write"), repoSpec("shop", "Push"), repoSpec("..", "pull"), repoSpec("shop.git", "pull"),
			{"team": "orders", "organizationRole": "admin"}, {"team": "orders", "repository": "shop"}, {"role": "member"}},
		UnknownAccount: unknown,
		Many:           230, // more than two pages
		ForeignGrant:   func(t testing.TB, g grants.Grant) { hand(t, g, true) },
		ForeignRevoke:  func(t testing.TB, g grants.Grant) { hand(t, g, false) },
		Named:          func(name string) connectors.Spec { return repoSpec(name, "push") },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			if kind == conformance.EntitlementName {
				return s.Repo(name)
			}
			if strings.ContainsAny(name, "_") || len(name) > 39 || !loginPattern.MatchString(name) || s.Has(name) {
				return false
			}
			s.Member(name, "member")
			return true
		},
		Kill: s.Kill, Restart: s.Restart,
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			return open(t, s.Token("alice", "read:org")), []string{"scope admin:org", "scope repo", "alice of the token is not an owner"}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseSessions:     "GitHub decides anew at every request and push; there is no session that outlives a right",
			conformance.CaseNativeExpiry: "memberships and permissions have no end of their own",
		},
	})
}
