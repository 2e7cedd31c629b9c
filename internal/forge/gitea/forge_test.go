package gitea

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/forge/forgetest"
	"github.com/tenure-dev/tenure/internal/forge/gitea/giteatest"
)

// TestGitea runs what every forge must do against a real Gitea.
func TestGitea(t *testing.T) {
	s := giteatest.Start(t)
	forgetest.Run(t, func(t *testing.T) forgetest.Hub { return newHub(t, s) })
}

// hub is one repository on a server that other tests use at the same time.
type hub struct {
	t    *testing.T
	s    *giteatest.Server
	repo string
	bot  giteatest.User
	tr   *http.Transport

	people map[string]forge.Identity
}

func newHub(t *testing.T, s *giteatest.Server) *hub {
	h := &hub{t: t, s: s, bot: s.User(t, "tenure"), tr: &http.Transport{}, people: map[string]forge.Identity{}}
	t.Cleanup(h.tr.CloseIdleConnections)
	h.repo = s.Repo(t, h.bot.Login)
	return h
}

func (h *hub) Type() string   { return "gitea" }
func (h *hub) Repo() string   { return h.repo }
func (h *hub) GitURL() string { return h.s.URL + "/" + h.repo + ".git" }

func (h *hub) NotApplicable() map[string]string {
	return map[string]string{
		"the author's own approval":          "Gitea refuses it, which TestWhatGiteaRecords holds it to",
		"approved after the merge":           "Gitea refuses it, which TestWhatGiteaRecords holds it to",
		"rebased although it was up to date": "Gitea makes no new commit then; TestWhatGiteaRecords has what becomes of it",
	}
}

func (h *hub) Client() forge.Client { return h.client() }

func (h *hub) client(change ...func(*Config)) *Client {
	h.t.Helper()
	c := Config{BaseURL: h.s.URL, Repo: h.repo, Branch: forgetest.Branch, Token: h.bot.Token, HTTPTransport: h.tr}
	for _, f := range change {
		f(&c)
	}
	g, err := New(c)
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

func (h *hub) path(format string, args ...any) string {
	return "/repos/" + h.repo + fmt.Sprintf(format, args...)
}

func (h *hub) Person(login string) forge.Identity {
	h.t.Helper()
	id, ok := h.people[login]
	if !ok {
		u := h.s.User(h.t, login)
		h.s.Collaborator(h.t, h.repo, login)
		id = forge.Identity{Host: "127.0.0.1", ID: u.ID, Login: login, Type: "User"}
		h.people[login] = id
	}
	return id
}

// Bot is the reconciler's own account, the only one that is known to be a bot's.
func (h *hub) Bot(string) forge.Identity {
	return forge.Identity{Host: "127.0.0.1", ID: h.bot.ID, Login: h.bot.Login, Type: "Bot"}
}

func (h *hub) Remote(repo, login string) string { return h.s.Remote(repo, h.s.User(h.t, login)) }

func (h *hub) Fork(login string) string {
	h.t.Helper()
	var made struct {
		FullName string `json:"full_name"`
	}
	_, name, _ := strings.Cut(h.repo, "/")
	h.s.As(h.t, h.s.User(h.t, login), "POST", h.path("/forks"), map[string]any{"name": name}, &made)
	return made.FullName
}

func (h *hub) Open(by string, p forgetest.Pull) int {
	h.t.Helper()
	if p.Base == "" {
		p.Base = forgetest.Branch
	}
	if p.From != "" {
		owner, _, _ := strings.Cut(p.From, "/")
		p.Head = owner + ":" + p.Head
	}
	var made struct {
		Number int `json:"number"`
	}
	h.s.As(h.t, h.s.User(h.t, by), "POST", h.path("/pulls"), map[string]any{"title": p.Title, "body": p.Body, "head": p.Head, "base": p.Base}, &made)
	return made.Number
}

func (h *hub) edit(by string, n int, change map[string]any) {
	h.t.Helper()
	h.s.As(h.t, h.s.User(h.t, by), "PATCH", h.path("/pulls/%d", n), change, nil)
}

func (h *hub) Retarget(by string, n int, base string) { h.edit(by, n, map[string]any{"base": base}) }
func (h *hub) Close(by string, n int)                 { h.edit(by, n, map[string]any{"state": "closed"}) }
func (h *hub) Reopen(by string, n int)                { h.edit(by, n, map[string]any{"state": "open"}) }

func (h *hub) Review(by string, n int, state string) {
	h.t.Helper()
	event := map[string]string{forge.ReviewApproved: "APPROVED", forge.ReviewChangesRequested: "REQUEST_CHANGES", forge.ReviewCommented: "COMMENT"}[state]
	h.s.As(h.t, h.s.User(h.t, by), "POST", h.path("/pulls/%d/reviews", n), map[string]any{"event": event, "body": "because"}, nil)
}

func (h *hub) Dismiss(n int, reviewer string) {
	h.t.Helper()
	list, err := h.client().Reviews(h.t.Context(), n)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, r := range list {
		if r.Reviewer.Login == reviewer && r.State == forge.ReviewApproved {
			h.s.Admin(h.t, "POST", h.path("/pulls/%d/reviews/%d/dismissals", n, r.ID), map[string]any{"message": "not any more"}, nil)
			return
		}
	}
	h.t.Fatalf("%s did not approve pull request %d", reviewer, n)
}

// Merge is repeated while Gitea still looks for conflicts.
func (h *hub) Merge(by string, n int, method string) {
	h.t.Helper()
	u := h.s.User(h.t, by)
	h.s.Until(h.t, "the pull request can be merged", func() bool {
		status, text := h.s.Try(h.t, u, "POST", h.path("/pulls/%d/merge", n), map[string]any{"Do": method}, nil)
		if status == http.StatusOK {
			return true
		}
		if !strings.Contains(text, "try again later") {
			h.t.Fatalf("merge pull request %d: HTTP %d: %s", n, status, text)
		}
		return false
	})
}

func (h *hub) comments(n int) []struct {
	ID   int64  `json:"id"`
	Body string `json:"body"`
} {
	h.t.Helper()
	var list []struct {
		ID   int64  `json:"id"`
		Body string `json:"body"`
	}
	h.s.Admin(h.t, "GET", h.path("/issues/%d/comments", n), nil, &list)
	return list
}

func (h *hub) Comments(n int) []string {
	h.t.Helper()
	var out []string
	for _, c := range h.comments(n) {
		out = append(out, c.Body)
	}
	return out
}

func (h *hub) Overwrite(n int, body string) {
	h.t.Helper()
	for _, c := range h.comments(n) {
		h.s.Admin(h.t, "PATCH", h.path("/issues/comments/%d", c.ID), map[string]any{"body": body}, nil)
	}
}

func (h *hub) Status(commit string) (forge.Status, int) {
	h.t.Helper()
	var list []struct {
		ID          int64  `json:"id"`
		State       string `json:"status"`
		Description string `json:"description"`
		URL         string `json:"target_url"`
		Context     string `json:"context"`
	}
	h.s.Admin(h.t, "GET", h.path("/commits/%s/statuses?limit=50", commit), nil, &list)
	last, n := forge.Status{}, 0
	newest := int64(0)
	for _, s := range list {
		if s.Context != forge.StatusContext {
			continue
		}
		n++
		if s.ID > newest {
			newest, last = s.ID, forge.Status{State: s.State, Description: s.Description, URL: s.URL}
		}
	}
	return last, n
}

func (h *hub) Now() time.Time { return time.Now() }

// Tick waits until what Gitea put off is done, and then for the next second.
func (h *hub) Tick() {
	h.t.Helper()
	h.s.Flush(h.t)
	h.s.Until(h.t, "pull requests follow their branches", h.followed)
	begun := time.Now().Unix()
	h.s.Until(h.t, "the next second", func() bool { return time.Now().Unix() > begun })
}

// followed reports whether the ref of every open pull request is where its branch
// is.
func (h *hub) followed() bool {
	h.t.Helper()
	var open []struct {
		Number int `json:"number"`
		Head   struct {
			SHA string `json:"sha"`
		} `json:"head"`
	}
	h.s.Admin(h.t, "GET", h.path("/pulls?state=open&limit=50"), nil, &open)
	g := h.client()
	for _, p := range open {
		if at, err := g.ref(h.t.Context(), pullRef(p.Number)); err != nil || at != p.Head.SHA {
			return false
		}
	}
	return true
}
