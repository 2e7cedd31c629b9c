package github

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/minihub"
)

func TestCheckNamesWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	g := w.client()
	for _, err := range g.Check(t.Context()) {
		t.Errorf("all is well, but: %v", err)
	}
	must(t, w.hub.SetPermission(repo, w.bot.Login, minihub.Read))
	if got := fmt.Sprint(g.Check(t.Context())); !strings.Contains(got, "may not write") {
		t.Errorf("a token that may only read: %s", got)
	}
	if got := fmt.Sprint(w.client(func(c *Config) { c.Branch = "prod" }).Check(t.Context())); !strings.Contains(got, "default branch of acme/access is main") {
		t.Errorf("a branch that is not the default one: %s", got)
	}
	if got := fmt.Sprint(w.client(func(c *Config) { c.Repo = "acme/none" }).Check(t.Context())); !strings.Contains(got, "check its name") {
		t.Errorf("a repository that is not there: %s", got)
	}
	must(t, w.hub.SetPermission(repo, w.bot.Login, minihub.Write))
	for end, want := range map[string]string{"/activity": "push record", "/statuses": "commit statuses", "/pulls": "pull requests"} {
		w.hub.Fail(func(r *http.Request) *minihub.Failure {
			if strings.HasSuffix(r.URL.Path, end) {
				return &minihub.Failure{Status: http.StatusForbidden}
			}
			return nil
		})
		if got := g.Check(t.Context()); len(got) != 1 || !strings.Contains(got[0].Error(), want) {
			t.Errorf("%s may not be read: %v", end, got)
		}
	}
	w.hub.Fail(func(r *http.Request) *minihub.Failure {
		if strings.HasSuffix(r.URL.Path, "/activity") {
			return &minihub.Failure{Status: http.StatusForbidden}
		}
		return nil
	})
	if _, err := g.Pushes(t.Context(), repo, "other"); errors.Is(err, forge.ErrNotFound) || !errors.Is(err, forge.ErrUnavailable) {
		t.Errorf("our own record is forbidden: %v", err)
	}
	if _, err := g.Pushes(t.Context(), "dave/access", "other"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a fork's record is forbidden: %v", err)
	}
}

func TestCheckNamesThePermissionsThatAnAppLacks(t *testing.T) {
	w := newWorld(t)
	pem, public := key(t)
	w.hub.AddApp(12, "tenure-app", public)
	must(t, w.hub.InstallApp(12, 34, repo, minihub.Write))
	all := map[string]string{"metadata": "read", "contents": "write", "pull_requests": "write", "statuses": "write"}
	for name := range all {
		for _, have := range []string{"", "read"} {
			if name == "metadata" && have == "read" {
				continue
			}
			lacking := maps.Clone(all)
			if lacking[name] = have; have == "" {
				delete(lacking, name)
			}
			must(t, w.hub.PermitApp(12, lacking))
			g := w.client(func(c *Config) { c.Token, c.AppID, c.InstallationID, c.PrivateKeyFile = "", 12, 34, pem })
			if got := g.Check(t.Context()); len(got) != 1 || !strings.Contains(got[0].Error(), fmt.Sprintf("the permission %s: %q", name, have)) {
				t.Errorf("%s: %q: %v", name, have, got)
			}
		}
	}
}
