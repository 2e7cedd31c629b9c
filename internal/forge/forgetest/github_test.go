package forgetest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/forge/forgetest"
	"github.com/tenure-dev/tenure/internal/forge/github"
	"github.com/tenure-dev/tenure/internal/minihub"
	"github.com/tenure-dev/tenure/internal/minihub/hubcheck"
)

// TestGitHub runs against the stand-in that is held to GitHub's published
// description: GitHub itself cannot be started on this machine.
func TestGitHub(t *testing.T) {
	forgetest.Run(t, func(t *testing.T) forgetest.Hub { return newGitHub(t) })
}

const githubRepo = "acme/access"

type gitHub struct {
	t   *testing.T
	hub *minihub.Hub
	url string
	bot minihub.User
	tr  *http.Transport

	mu  sync.Mutex
	now time.Time
}

func newGitHub(t *testing.T) *gitHub {
	h := &gitHub{t: t, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), tr: &http.Transport{}}
	hub, err := minihub.New(minihub.Options{Dir: t.TempDir(), Now: h.Now, RateLimit: 100_000})
	h.must(err)
	srv := httptest.NewServer(hubcheck.Handler(t, hub.Handler()))
	t.Cleanup(func() {
		h.tr.CloseIdleConnections()
		srv.Close()
		if err := hub.Close(); err != nil {
			t.Error(err)
		}
	})
	h.hub, h.url = hub, srv.URL
	_, err = hub.CreateRepo(githubRepo)
	h.must(err)
	h.Person("bob")
	h.bot = hub.AddBot("tenure[bot]")
	h.must(hub.SetPermission(githubRepo, h.bot.Login, minihub.Write))
	_, err = hub.Push(githubRepo, minihub.Commit{By: "bob", Write: map[string]string{"README.md": "access\n"}})
	h.must(err)
	h.Tick()
	return h
}

func (h *gitHub) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *gitHub) Type() string                     { return "github" }
func (h *gitHub) Repo() string                     { return githubRepo }
func (h *gitHub) GitURL() string                   { return h.url + "/" + githubRepo + ".git" }
func (h *gitHub) NotApplicable() map[string]string { return nil }

func (h *gitHub) Now() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.now }
func (h *gitHub) Tick()          { h.mu.Lock(); defer h.mu.Unlock(); h.now = h.now.Add(time.Minute) }

func (h *gitHub) Client() forge.Client {
	h.t.Helper()
	c, err := github.New(github.Config{
		Repo: githubRepo, Branch: forgetest.Branch, BaseURL: h.url, Host: "github.com", Token: h.bot.Token, HTTPTransport: h.tr, Timeout: 20 * time.Second,
	})
	h.must(err)
	return c
}

func (h *gitHub) account(login string, add func(string) minihub.User) forge.Identity {
	h.t.Helper()
	u, ok := h.hub.User(login)
	if !ok {
		u = add(login)
		h.must(h.hub.SetPermission(githubRepo, login, minihub.Write))
	}
	return forge.Identity{Host: "github.com", ID: u.ID, Login: u.Login, Type: u.Type}
}

func (h *gitHub) Person(login string) forge.Identity { return h.account(login, h.hub.AddUser) }
func (h *gitHub) Bot(login string) forge.Identity    { return h.account(login+"[bot]", h.hub.AddBot) }

func (h *gitHub) Remote(repo, login string) string {
	u, ok := h.hub.User(login)
	if !ok {
		h.t.Fatalf("no account %s", login)
	}
	return "http://" + url.UserPassword("x-access-token", u.Token).String() + "@" + strings.TrimPrefix(h.url, "http://") + "/" + repo + ".git"
}

func (h *gitHub) Fork(login string) string {
	h.t.Helper()
	r, err := h.hub.Fork(githubRepo, login)
	h.must(err)
	return r.FullName
}

func (h *gitHub) Open(by string, p forgetest.Pull) int {
	h.t.Helper()
	if p.From != "" {
		owner, _, _ := strings.Cut(p.From, "/")
		p.Head = owner + ":" + p.Head
	}
	n, err := h.hub.OpenPull(githubRepo, by, minihub.PullRequest{Title: p.Title, Body: p.Body, Head: p.Head, Base: p.Base})
	h.must(err)
	return n
}

func (h *gitHub) Retarget(by string, n int, base string) {
	h.t.Helper()
	h.must(h.hub.Retarget(githubRepo, n, by, base))
}

func (h *gitHub) Close(by string, n int) { h.t.Helper(); h.must(h.hub.ClosePull(githubRepo, n, by)) }

func (h *gitHub) Reopen(by string, n int) { h.t.Helper(); h.must(h.hub.ReopenPull(githubRepo, n, by)) }

// Review forces what GitHub itself refuses: the reconciler must not count on that.
func (h *gitHub) Review(by string, n int, state string) {
	h.t.Helper()
	event := map[string]string{forge.ReviewApproved: "APPROVE", forge.ReviewChangesRequested: "REQUEST_CHANGES", forge.ReviewCommented: "COMMENT"}[state]
	p, err := h.hub.Pull(githubRepo, n)
	h.must(err)
	if p.Author == by {
		_, err = h.hub.ForceReview(githubRepo, n, by, strings.ToUpper(state))
	} else {
		_, err = h.hub.Review(githubRepo, n, by, event, "because")
	}
	h.must(err)
}

func (h *gitHub) Dismiss(n int, reviewer string) {
	h.t.Helper()
	list, err := h.Client().Reviews(h.t.Context(), n)
	h.must(err)
	for _, r := range list {
		if r.Reviewer.Login == reviewer && r.State == forge.ReviewApproved {
			h.must(h.hub.DismissReview(githubRepo, n, r.ID, "carol", "not any more"))
			return
		}
	}
	h.t.Fatalf("%s did not approve pull request %d", reviewer, n)
}

func (h *gitHub) Merge(by string, n int, method string) {
	h.t.Helper()
	_, err := h.hub.Merge(githubRepo, n, by, method)
	h.must(err)
}

func (h *gitHub) Comments(n int) []string {
	h.t.Helper()
	list, err := h.hub.Comments(githubRepo, n)
	h.must(err)
	var out []string
	for _, c := range list {
		out = append(out, c.Body)
	}
	return out
}

func (h *gitHub) Overwrite(n int, body string) {
	h.t.Helper()
	list, err := h.hub.Comments(githubRepo, n)
	h.must(err)
	h.must(h.hub.SetPermission(githubRepo, "carol", minihub.Admin))
	for _, c := range list {
		h.must(h.hub.EditComment(githubRepo, c.ID, "carol", body))
	}
}

func (h *gitHub) Status(commit string) (forge.Status, int) {
	h.t.Helper()
	list, err := h.hub.Statuses(githubRepo, commit)
	h.must(err)
	var out []forge.Status
	for _, s := range list {
		if s.Context == forge.StatusContext {
			out = append(out, forge.Status{State: s.State, Description: s.Description, URL: s.URL})
		}
	}
	if len(out) == 0 {
		return forge.Status{}, 0
	}
	return out[0], len(out)
}
