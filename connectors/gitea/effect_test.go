package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/internal/forge/gitea/giteatest"
)

// TestOnARealServer shares one server: each case has accounts and repositories of its own.
func TestOnARealServer(t *testing.T) {
	w := newWorld(t)
	for name, f := range map[string]func(*testing.T, *world){
		"who was granted a repository can push until the revoke": canPush,
		"who was granted a team can clone until the revoke":      canClone,
		"names are exact": exactNames,
		"a renamed account loses what it was granted":          renamedAccount,
		"a renamed repository is followed to its end":          renamedRepository,
		"another level is never changed":                       otherLevels,
		"what a team gives does not hide the own permission":   hiddenByTeam,
		"owners and teams that administer have to be listed":   mustBeListed,
		"the own account and the last owner stay":              ownAccount,
		"missing scopes and rights are named":                  missingRights,
		"hidden is not gone":                                   hiddenThings,
		"observe is complete or an error":                      everyFault,
		"what passes is tried again, and writes are sent once": repeats,
		"every request has a time":                             slow,
		"a list that moves while it is read loses nobody":      movingList,
		"a repository whose name another one has is followed":  replacedRepository,
		"a renamed team is followed":                           renamedTeam,
		"the last of a list that moves is not lost":            movingLast,
		"an account that is gone is no error of a revoke":      deletedAccount,
		"a large batch takes few requests":                     fewRequests,
	} {
		t.Run(name, func(t *testing.T) { f(t, w) })
	}
}

// git runs git as an account; the error holds what it said.
func git(t *testing.T, dir string, args ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", args[0], err, out)
	}
	return nil
}

func clone(t *testing.T, w *world, repo string, u giteatest.User) (string, error) {
	dir := filepath.Join(t.TempDir(), "clone")
	return dir, git(t, t.TempDir(), "clone", "-q", w.Remote(orgOf+"/"+repo, u), dir)
}

func push(t *testing.T, dir, text string) error {
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte(text), 0o600), git(t, dir, "add", "-A"), git(t, dir, "commit", "-q", "-m", text))
	return git(t, dir, "push", "-q", "origin", "main")
}

func canPush(t *testing.T, w *world) {
	c, u := connect(t, w.settings()), w.User(t, "pusher")
	w.addRepo("pushed")
	if _, err := clone(t, w, "pushed", u); err == nil {
		t.Fatal("a stranger can clone")
	}
	must(t, give(t, c, u.Login, repoSpec("pushed", "read")))
	dir, err := clone(t, w, "pushed", u)
	must(t, err)
	if push(t, dir, "one") == nil {
		t.Error("who may read can push")
	}
	must(t, take(t, c, u.Login, repoSpec("pushed", "read")), give(t, c, u.Login, repoSpec("pushed", "write")), push(t, dir, "two"))
	must(t, take(t, c, u.Login, repoSpec("pushed", "write")))
	if push(t, dir, "three") == nil {
		t.Error("a push after the revoke")
	}
	if _, err := clone(t, w, "pushed", u); err == nil {
		t.Error("a clone after the revoke")
	}
}

func canClone(t *testing.T, w *world) {
	c, u := connect(t, w.settings()), w.User(t, "cloner")
	w.addRepo("cloned")
	w.addTeam("cloners", "read", true)
	if _, err := clone(t, w, "cloned", u); err == nil {
		t.Fatal("a stranger can clone")
	}
	must(t, give(t, c, u.Login, teamSpec("cloners")))
	if _, err := clone(t, w, "cloned", u); err != nil {
		t.Error(err)
	}
	must(t, take(t, c, u.Login, teamSpec("cloners")))
	if _, err := clone(t, w, "cloned", u); err == nil {
		t.Error("a clone after the revoke")
	}
	if status, _ := w.Try(t, w.owner, "GET", "/orgs/"+orgOf+"/members/"+u.Login, nil, nil); status != http.StatusNotFound {
		t.Errorf("who is in no team is still a member of the organisation: %d", status)
	}
}

func exactNames(t *testing.T, w *world) {
	c := connect(t, w.settings())
	wants(t, give(t, c, "Alice", teamSpec("readers")), `writes account "Alice" as "alice"`)
	wants(t, give(t, c, "alice", teamSpec("Readers")), `no team "Readers"`)
	wants(t, give(t, c, "alice", repoSpec("Shop", "read")), `called "shop"`)
	wants(t, give(t, c, orgOf, teamSpec("readers")), "is an organisation")
	if holds(t, c, "alice", teamSpec("readers")) {
		t.Error("alice got it all the same")
	}
	other := connect(t, w.settings(), "organization", strings.ToUpper(orgOf))
	if _, err := other.Observe(t.Context(), []string{"permission=read repository=shop"}); err == nil {
		t.Error("another spelling of the organisation passed")
	}
}

func otherLevels(t *testing.T, w *world) {
	c := connect(t, w.settings(), "permissions", []string{"read", "write", "admin"})
	w.addRepo("levels")
	w.collaborate("levels", "alice", "write")
	for _, p := range []string{"read", "admin"} {
		wants(t, give(t, c, "alice", repoSpec("levels", p)), `level "write"`, "not changed")
		must(t, take(t, c, "alice", repoSpec("levels", p)))
		if holds(t, c, "alice", repoSpec("levels", p)) {
			t.Errorf("%s is shown", p)
		}
	}
	if !holds(t, c, "alice", repoSpec("levels", "write")) {
		t.Error("what another hand gave was changed")
	}
	read, admin := grantOf(t, "bob", repoSpec("levels", "read")), grantOf(t, "bob", repoSpec("levels", "admin"))
	errs := c.Apply(t.Context(), []connectors.Act{{Grant: read}, {Grant: admin}})
	must(t, errs[0])
	wants(t, errs[1], "keeps one")
	must(t, c.Apply(t.Context(), []connectors.Act{{Grant: admin}, {Grant: read, Revoke: true}})...)
	if !holds(t, c, "bob", repoSpec("levels", "admin")) {
		t.Error("a change of level in one batch failed")
	}
}

// collaborates asks the server whether somebody is a collaborator of their own.
func (w *world) collaborates(repo, login string) bool {
	status, _ := w.Try(w.t, w.owner, "GET", "/repos/"+orgOf+"/"+repo+"/collaborators/"+login, nil, nil)
	return status == http.StatusNoContent
}

func hiddenByTeam(t *testing.T, w *world) {
	c := connect(t, w.settings())
	w.addRepo("masked")
	w.addTeam("maskers", "write", false)
	w.As(t, w.owner, "PUT", fmt.Sprintf("/teams/%d/repos/%s/masked", w.teams["maskers"], orgOf), nil, nil)
	w.join("maskers", "alice", true)
	must(t, give(t, c, "alice", repoSpec("masked", "read")))
	if !w.collaborates("masked", "alice") || !holds(t, c, "alice", repoSpec("masked", "read")) {
		t.Error("the own permission is hidden by the team's")
	}
	must(t, take(t, c, "alice", repoSpec("masked", "read")))
	if w.collaborates("masked", "alice") {
		t.Error("the own permission outlived its revoke")
	}
	// A team that gives less leaves no doubt.
	w.addTeam("lesser", "read", false)
	w.As(t, w.owner, "PUT", fmt.Sprintf("/teams/%d/repos/%s/masked", w.teams["lesser"], orgOf), nil, nil)
	w.join("lesser", "bob", true)
	must(t, give(t, c, "bob", repoSpec("masked", "write")))
	if !holds(t, c, "bob", repoSpec("masked", "write")) || holds(t, c, "bob", repoSpec("masked", "read")) {
		t.Error("the own permission is not told exactly")
	}
	// Nor does it matter that everybody may read.
	w.As(t, w.owner, "PATCH", "/orgs/"+orgOf, map[string]any{"visibility": "public"}, nil)
	defer w.As(t, w.owner, "PATCH", "/orgs/"+orgOf, map[string]any{"visibility": "private"}, nil)
	w.As(t, w.owner, "PATCH", "/repos/"+orgOf+"/masked", map[string]any{"private": false}, nil)
	must(t, give(t, c, "carol", repoSpec("masked", "read")))
	if !holds(t, c, "carol", repoSpec("masked", "read")) || !holds(t, c, "bob", repoSpec("masked", "write")) {
		t.Error("a public repository hides collaborators")
	}
	must(t, take(t, c, "carol", repoSpec("masked", "read")), take(t, c, "bob", repoSpec("masked", "write")))
	if w.collaborates("masked", "carol") || w.collaborates("masked", "bob") {
		t.Error("a collaborator is left")
	}
}

func mustBeListed(t *testing.T, w *world) {
	c := connect(t, w.settings())
	w.addTeam("admins", "admin", false)
	wants(t, give(t, c, "carol", teamSpec("Owners")), "setting teams")
	wants(t, give(t, c, "carol", teamSpec("admins")), "setting teams")
	wants(t, give(t, c, "carol", repoSpec("shop", "admin")), "setting permissions")
	listed := connect(t, w.settings(), "teams", []string{"Owners", "admins"}, "permissions", []string{"admin"}, "repositories", []string{"shop"})
	for _, spec := range []connectors.Spec{teamSpec("Owners"), teamSpec("admins"), repoSpec("shop", "admin")} {
		must(t, give(t, listed, "carol", spec))
		if !holds(t, listed, "carol", spec) {
			t.Errorf("%v is not shown", spec)
		}
		must(t, take(t, c, "carol", spec)) // a ceiling holds no revoke up
		if holds(t, listed, "carol", spec) {
			t.Errorf("%v is left", spec)
		}
	}
	wants(t, give(t, listed, "carol", teamSpec("developers")), "setting teams")
	wants(t, give(t, listed, "carol", repoSpec("desk", "admin")), "setting repositories")
	wants(t, give(t, listed, "carol", repoSpec("shop", "read")), "setting permissions")
}

func ownAccount(t *testing.T, w *world) {
	c := connect(t, w.settings(), "teams", []string{"Owners", "developers"})
	for _, spec := range []connectors.Spec{teamSpec("developers"), repoSpec("shop", "write")} {
		wants(t, give(t, c, "tenure", spec), "left alone")
	}
	wants(t, take(t, c, "tenure", teamSpec("Owners")), "left alone")
	if !holds(t, c, "tenure", teamSpec("Owners")) {
		t.Fatal("the own account was removed")
	}
	// Of another owner who is the last one, the server itself keeps the ownership.
	w.join("Owners", "dave", true)
	w.User(t, "dave")
	byDave := connect(t, w.settings(), "token", w.Token(t, "dave", documented(t)...), "teams", []string{"Owners"})
	must(t, take(t, byDave, "tenure", teamSpec("Owners")))
	w.Admin(t, "PUT", fmt.Sprintf("/teams/%d/members/tenure", w.teams["Owners"]), nil, nil)
	must(t, take(t, c, "dave", teamSpec("Owners")))
	admin := connect(t, w.settings(), "token", w.AdminToken(t, documented(t)...))
	if err := take(t, admin, "tenure", teamSpec("Owners")); err == nil || !holds(t, c, "tenure", teamSpec("Owners")) {
		t.Errorf("the last owner went: %v", err)
	}
}

func missingRights(t *testing.T, w *world) {
	scope := []string{"team=developers", "permission=write repository=shop"}
	if errs := connect(t, w.settings()).Check(t.Context(), scope); len(errs) > 0 {
		t.Errorf("the documented rights: %v", errors.Join(errs...))
	}
	all := documented(t)
	for _, name := range all {
		less := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == name })
		errs := connect(t, w.settings(), "token", w.Token(t, "tenure", less...)).Check(t.Context(), scope)
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), "scope "+name) {
			t.Errorf("without %s: %v", name, errs)
		}
	}
	errs := connect(t, w.settings(), "token", w.Token(t, "alice", all...)).Check(t.Context(), scope)
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "alice of the token does not own") {
		t.Errorf("no owner: %v", errs)
	}
	errs = connect(t, w.settings(), "token", "0123456789012345678901234567890123456789").Check(t.Context(), scope)
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "does not take the token") {
		t.Errorf("a wrong token: %v", errs)
	}
	for _, ghost := range []string{"team=ghost", "permission=write repository=ghost"} {
		errs = connect(t, w.settings()).Check(t.Context(), []string{ghost})
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), `"ghost"`) {
			t.Errorf("%s: %v", ghost, errs)
		}
	}
}

func hiddenThings(t *testing.T, w *world) {
	w.User(t, "outsider")
	w.User(t, "insider")
	w.join("readers", "insider", true)
	for name, token := range map[string]string{
		"an outsider": w.Token(t, "outsider", documented(t)...), "no scopes": w.Token(t, "tenure", "read:misc"),
		"a mere member": w.Token(t, "insider", documented(t)...),
		"a wrong token": "0123456789012345678901234567890123456789",
	} {
		for _, scope := range []string{"team=developers", "team=ghost", "permission=write repository=shop", "permission=write repository=ghost"} {
			found, err := connect(t, w.settings(), "token", token).Observe(t.Context(), []string{scope})
			if err == nil {
				t.Errorf("%s, %s: %v and no error", name, scope, found)
			} else if strings.Contains(err.Error(), token) {
				t.Errorf("the error holds the token: %v", err)
			}
		}
	}
}

func deletedAccount(t *testing.T, w *world) {
	c := connect(t, w.settings())
	w.Account(t, "leaver")
	for _, spec := range []connectors.Spec{teamSpec("developers"), repoSpec("shop", "write")} {
		must(t, give(t, c, "leaver", spec))
	}
	w.Admin(t, "DELETE", "/admin/users/leaver?purge=true", nil, nil)
	for _, spec := range []connectors.Spec{teamSpec("developers"), repoSpec("shop", "write")} {
		if holds(t, c, "leaver", spec) {
			t.Errorf("%v is still shown", spec)
		}
		must(t, take(t, c, "leaver", spec))
		if err := give(t, c, "leaver", spec); !errors.Is(err, connectors.ErrNoAccount) {
			t.Errorf("got %v", err)
		}
	}
}
