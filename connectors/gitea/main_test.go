package gitea

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge/gitea/giteatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	target = "acme-gitea"
	orgOf  = "acme-co"
)

// documented returns the scopes of the token as docs/connectors/gitea.md has them.
func documented(t testing.TB) []string {
	doc, err := os.ReadFile("../../docs/connectors/gitea.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(doc), "```sh rights\n")
	block, _, closed := strings.Cut(rest, "```")
	m := regexp.MustCompile(`--scopes (\S+)`).FindStringSubmatch(block)
	if !found || !closed || m == nil {
		t.Fatal("the documentation has no scopes")
	}
	return strings.Split(m[1], ",")
}

// world is an organisation on a real server: its owner tenure, teams, repositories.
type world struct {
	*giteatest.Server
	t     testing.TB
	owner giteatest.User
	teams map[string]int64
	token string
}

func newWorld(t testing.TB) *world {
	s := giteatest.Start(t)
	w := &world{Server: s, t: t, teams: map[string]int64{}}
	w.owner = s.User(t, "tenure")
	s.As(t, w.owner, "POST", "/orgs", map[string]any{"username": orgOf, "visibility": "private"}, nil)
	var all []struct {
		ID   int64
		Name string
	}
	s.Admin(t, "GET", "/orgs/"+orgOf+"/teams", nil, &all)
	for _, x := range all {
		w.teams[x.Name] = x.ID
	}
	for _, name := range []string{"developers", "readers"} {
		w.addTeam(name, "write", false)
	}
	for _, name := range []string{"shop", "desk"} {
		w.addRepo(name)
	}
	for _, login := range []string{"alice", "bob", "carol", "dave"} {
		s.User(t, login)
	}
	w.token = s.Token(t, "tenure", documented(t)...)
	return w
}

// addTeam makes a team with a permission on the code of its repositories; false: the
// server refuses the name.
func (w *world) addTeam(name, permission string, everything bool) bool {
	var made struct{ ID int64 }
	status, _ := w.Try(w.t, w.owner, "POST", "/orgs/"+orgOf+"/teams", map[string]any{
		"name": name, "permission": permission, "includes_all_repositories": everything,
		"units_map": map[string]string{"repo.code": permission, "repo.issues": permission},
	}, &made)
	if status == 201 {
		w.teams[name] = made.ID
	}
	return status == 201
}

func (w *world) addRepo(name string) {
	w.As(w.t, w.owner, "POST", "/orgs/"+orgOf+"/repos", map[string]any{"name": name, "auto_init": true, "default_branch": "main", "private": true}, nil)
}

// join and leave are what an owner does with the server's own tools.
func (w *world) join(team, login string, on bool) {
	method := "PUT"
	if !on {
		method = "DELETE"
	}
	if status, text := w.Try(w.t, w.owner, method, fmt.Sprintf("/teams/%d/members/%s", w.teams[team], login), nil, nil); status != 204 {
		w.t.Fatalf("%s of %s in %s: %d %s", method, login, team, status, text)
	}
}

// collaborate gives a permission by hand; an empty one ends it.
func (w *world) collaborate(repo, login, permission string) {
	path := "/repos/" + orgOf + "/" + repo + "/collaborators/" + login
	if permission == "" {
		w.As(w.t, w.owner, "DELETE", path, nil, nil)
		return
	}
	w.As(w.t, w.owner, "PUT", path, map[string]any{"permission": permission}, nil)
}

func (w *world) settings() connectors.Settings {
	return connectors.Settings{"baseURL": w.URL, "organization": orgOf, "token": w.token}
}

func connect(t testing.TB, set connectors.Settings, change ...any) *connector {
	t.Helper()
	for i := 0; i+1 < len(change); i += 2 {
		set[change[i].(string)] = change[i+1]
	}
	c, err := Driver{}.Open(t.Context(), target, set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*connector)
}

func teamSpec(name string) connectors.Spec { return connectors.Spec{"team": name} }
func repoSpec(name, permission string) connectors.Spec {
	return connectors.Spec{"repository": name, "permission": permission}
}

func grantOf(t testing.TB, login string, spec connectors.Spec) grants.Grant {
	t.Helper()
	text, err := Driver{}.Canonical(spec)
	if err != nil {
		t.Fatal(err)
	}
	return grants.Grant{Target: target, Account: login, Entitlement: text}
}

func give(t testing.TB, c *connector, login string, spec connectors.Spec) error {
	t.Helper()
	return c.Grant(t.Context(), grantOf(t, login, spec), time.Now().Add(time.Hour))
}

func take(t testing.TB, c *connector, login string, spec connectors.Spec) error {
	t.Helper()
	return c.Revoke(t.Context(), grantOf(t, login, spec))
}

func holds(t testing.TB, c *connector, login string, spec connectors.Spec) bool {
	t.Helper()
	g := grantOf(t, login, spec)
	found, err := c.Observe(t.Context(), []string{g.Entitlement})
	if err != nil {
		t.Fatal(err)
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

func wants(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error lacks %q: %v", w, err)
		}
	}
}
