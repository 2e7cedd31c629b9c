package github

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/github/githubtest"
	"github.com/tenure-dev/tenure/grants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const target = "acme-github"

// documented returns the lines of a block of docs/connectors/github.md.
func documented(t testing.TB, block string) []string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/connectors/github.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(doc), "```text "+block+"\n")
	lines, _, closed := strings.Cut(rest, "\n```")
	if !found || !closed {
		t.Fatalf("the documentation has no %s", block)
	}
	return strings.Split(lines, "\n")
}

// world is an organisation with four members, two teams, a repository and a role.
func world(t testing.TB) *githubtest.Server {
	s := githubtest.Start(t)
	s.Member("tenure-bot", "admin")
	for _, login := range []string{"alice", "bob", "carol", "dave"} {
		s.Member(login, "member")
	}
	s.User("erin") // of GitHub, but not of the organisation
	s.Team("orders", "")
	s.Team("desk", "")
	s.Repo("shop")
	s.OrgRole("security_manager")
	return s
}

// settingsOf has a token of the documented scopes.
func settingsOf(t testing.TB, s *githubtest.Server) connectors.Settings {
	return connectors.Settings{
		"organization": githubtest.Org, "baseURL": s.URL, "token": s.Token("tenure-bot", documented(t, "scopes")...),
		"organizationRoles": []string{"security_manager", "admin"}, "teamRoles": []string{"member", "maintainer"},
		"permissions":   []string{"pull", "triage", "push", "maintain", "admin", "reviewer"},
		"inviteMembers": true, "outsideCollaborators": true,
	}
}

func connect(t testing.TB, set connectors.Settings, change ...any) *connector {
	t.Helper()
	for i := 0; i+1 < len(change); i += 2 {
		if name := change[i].(string); change[i+1] == nil {
			delete(set, name)
		} else {
			set[name] = change[i+1]
		}
	}
	c, err := Driver{}.Open(t.Context(), target, set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*connector)
}

// org is a connector and the organisation that it acts on.
type org struct {
	*githubtest.Server
	*connector
	t testing.TB
}

func newOrg(t testing.TB, change ...any) *org {
	s := world(t)
	return &org{s, connect(t, settingsOf(t, s), change...), t}
}

func canon(t testing.TB, spec connectors.Spec) string {
	t.Helper()
	text, err := Driver{}.Canonical(spec)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// g is a grant to an account by login, which becomes its number.
func (o *org) g(login string, spec connectors.Spec) grants.Grant {
	o.t.Helper()
	return grants.Grant{Target: target, Account: strconv.FormatInt(o.ID(login), 10), Entitlement: canon(o.t, spec)}
}

func (o *org) grant(login string, spec connectors.Spec) error {
	o.t.Helper()
	return o.Grant(o.t.Context(), o.g(login, spec), time.Now().Add(time.Hour))
}

func (o *org) revoke(login string, spec connectors.Spec) error {
	o.t.Helper()
	return o.Revoke(o.t.Context(), o.g(login, spec))
}

// holds reports whether Observe shows it.
func (o *org) holds(login string, spec connectors.Spec) bool {
	o.t.Helper()
	g := o.g(login, spec)
	found, err := o.Observe(o.t.Context(), []string{g.Entitlement})
	if err != nil {
		o.t.Fatal(err)
	}
	for _, f := range found {
		if f == g {
			return true
		}
	}
	return false
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func teamSpec(slug, role string) connectors.Spec { return connectors.Spec{"team": slug, "role": role} }
func repoSpec(name, permission string) connectors.Spec {
	return connectors.Spec{"repository": name, "permission": permission}
}
func roleSpec(name string) connectors.Spec { return connectors.Spec{"organizationRole": name} }

func soon() time.Time { return time.Now().Add(time.Hour) }
