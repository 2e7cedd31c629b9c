package gitlab

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/forge/gitlab/minilab"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() // go-git's
		os.Exit(code)
	}))
}

const repo = "acme/platform/access"

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// stage is a lab with a project, people and a bot of the reconciler's own.
type stage struct {
	t   *testing.T
	lab *minilab.Lab
	url string
	bot minilab.User
	tr  *http.Transport

	mu  sync.Mutex
	now time.Time
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, now: start, tr: &http.Transport{}}
	lab, err := minilab.New(minilab.Options{Dir: t.TempDir(), Now: s.clock})
	must(t, err)
	srv := httptest.NewServer(lab.Handler())
	t.Cleanup(func() { s.tr.CloseIdleConnections(); srv.Close() })
	s.lab, s.url = lab, srv.URL
	for _, login := range []string{"alice", "bob", "carol", "dave"} {
		lab.AddUser(login)
	}
	s.bot = lab.AddBot("project_7_bot_tenure")
	must(t, lab.CreateProject(repo, "carol"))
	s.later(time.Hour)
	return s
}

func (s *stage) clock() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now }

func (s *stage) later(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.now = s.now.Add(d) }

func (s *stage) client(change ...func(*Config)) *Client {
	s.t.Helper()
	c := Config{Repo: repo, BaseURL: s.url, Host: "gitlab.example.com", Token: s.bot.Token, HTTPTransport: &strict{t: s.t, next: s.tr}, Timeout: 20 * time.Second}
	for _, f := range change {
		f(&c)
	}
	g, err := New(c)
	must(s.t, err)
	return g
}

// push writes files to a branch, which it makes from main, and lets time pass.
func (s *stage) push(by, branch string, write map[string]string) string {
	s.t.Helper()
	sha, err := s.lab.Push(repo, by, minilab.Change{Branch: branch, Write: write})
	must(s.t, err)
	s.later(time.Minute)
	return sha
}

// ask has alice push a file to a branch of its own and open a merge request.
func (s *stage) ask(branch, path string) int {
	s.t.Helper()
	s.push("alice", branch, map[string]string{path: "kind: AccessRequest\n# " + path + "\n"})
	return s.open("alice", branch)
}

func (s *stage) open(by, branch string) int {
	s.t.Helper()
	n, err := s.lab.Open(repo, by, minilab.MergeRequest{Title: "Ask on " + branch, Head: branch})
	must(s.t, err)
	s.later(time.Minute)
	return n
}

func (s *stage) approve(n int, by string) {
	s.t.Helper()
	must(s.t, s.lab.Approve(repo, n, by))
	s.later(time.Minute)
}

func (s *stage) merge(n int, method string) {
	s.t.Helper()
	must(s.t, s.lab.Merge(repo, n, "carol", method))
	s.later(2 * settle)
}

func (s *stage) pull(g *Client, n int) forge.PullRequest {
	s.t.Helper()
	p, err := g.Pull(s.t.Context(), n)
	must(s.t, err)
	return p
}

// kindOf returns the kind of the entry of main's record that brought a commit;
// empty: there is none.
func (s *stage) kindOf(g *Client, commit string) string {
	s.t.Helper()
	record, err := g.Pushes(s.t.Context(), repo, "main")
	must(s.t, err)
	for _, p := range record {
		if p.After == commit {
			return p.Kind
		}
	}
	return ""
}

// instead answers the requests whose path ends so with a status and a body.
func (s *stage) instead(suffix string, status int, body string) {
	s.lab.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, suffix) {
			return false
		}
		if strings.HasPrefix(body, "{") || strings.HasPrefix(body, "[") {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// counting counts the requests whose path ends so.
type counting struct {
	path string
	n    *int
	next http.RoundTripper
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, c.path) {
		*c.n++
	}
	return c.next.RoundTrip(r)
}

// editing changes the answers about one merge request.
type editing struct {
	from, to string
	next     http.RoundTripper
}

func (e *editing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := e.next.RoundTrip(r)
	if err != nil || !strings.HasSuffix(resp.Header.Get("Content-Type"), "json") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(string(body), e.from, e.to)))
	return resp, nil
}
