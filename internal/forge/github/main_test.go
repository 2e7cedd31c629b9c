package github

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/minihub"
	"github.com/tenure-dev/tenure/internal/minihub/hubcheck"
	"github.com/tenure-dev/tenure/internal/source"
)

var (
	_ forge.Client  = (*Client)(nil)
	_ forge.History = (*source.Repo)(nil)
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() // go-git's
		os.Exit(code)
	}))
}

const repo = "acme/access"

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// world is a hub with a repository, people and a bot, held to GitHub's
// description of its API.
type world struct {
	t   *testing.T
	hub *minihub.Hub
	url string
	bot minihub.User
	tr  *http.Transport

	mu  sync.Mutex
	now time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: start, tr: &http.Transport{}}
	hub, err := minihub.New(minihub.Options{Dir: t.TempDir(), Now: w.clock, RateLimit: 100_000})
	must(t, err)
	srv := httptest.NewServer(hubcheck.Handler(t, hub.Handler()))
	t.Cleanup(func() {
		w.tr.CloseIdleConnections()
		srv.Close()
		must(t, hub.Close())
	})
	w.hub, w.url = hub, srv.URL
	_, err = hub.CreateRepo(repo)
	must(t, err)
	for _, login := range []string{"alice", "bob", "carol"} {
		hub.AddUser(login)
		must(t, hub.SetPermission(repo, login, minihub.Write))
	}
	w.bot = hub.AddBot("tenure[bot]")
	must(t, hub.SetPermission(repo, w.bot.Login, minihub.Write))
	w.push(minihub.Commit{By: "bob", Write: map[string]string{"README.md": "access\n"}})
	return w
}

func (w *world) clock() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

func (w *world) later(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

func (w *world) push(c minihub.Commit) string {
	w.t.Helper()
	sha, err := w.hub.Push(repo, c)
	must(w.t, err)
	return sha
}

// ask pushes a branch with one file as alice and opens a pull request.
func (w *world) ask(branch, path string) int {
	w.t.Helper()
	w.push(minihub.Commit{Branch: branch, By: "alice", Write: map[string]string{path: "kind: AccessRequest\n# " + path + "\n"}})
	w.later(time.Minute)
	n, err := w.hub.OpenPull(repo, "alice", minihub.PullRequest{Title: "Ask for " + path, Head: branch})
	must(w.t, err)
	w.later(time.Minute)
	return n
}

func (w *world) approve(n int, by string) {
	w.t.Helper()
	must(w.t, w.hub.Approve(repo, n, by))
	w.later(time.Minute)
}

func (w *world) merge(n int, method string) string {
	w.t.Helper()
	sha, err := w.hub.Merge(repo, n, "bob", method)
	must(w.t, err)
	w.later(time.Minute)
	return sha
}

func (w *world) head(branch string) string {
	w.t.Helper()
	sha, err := w.hub.Head(repo, branch)
	must(w.t, err)
	return sha
}

func (w *world) client(change ...func(*Config)) *Client {
	w.t.Helper()
	c := Config{Repo: repo, BaseURL: w.url, Host: "github.com", Token: w.bot.Token, HTTPTransport: w.tr, Timeout: 10 * time.Second}
	for _, f := range change {
		f(&c)
	}
	g, err := New(c)
	must(w.t, err)
	return g
}

// copy is a local copy of the repository, fetched over HTTP.
func (w *world) copy(g *Client) *source.Repo {
	w.t.Helper()
	r, err := source.Open(w.t.Context(), source.Config{URL: g.GitURL(), Branch: "main", Dir: w.t.TempDir(), Auth: source.TokenAuth(g.Token)})
	must(w.t, err)
	w.t.Cleanup(func() { must(w.t, r.Close()) })
	_, _, err = r.Poll(w.t.Context())
	must(w.t, err)
	return r
}

func (w *world) gather(g *Client, path, commit string) (forge.Evidence, error) {
	w.t.Helper()
	r := w.copy(g)
	f, err := r.Lookup(commit, path)
	must(w.t, err)
	id, _ := w.hub.Repo(repo)
	return forge.Gather(w.t.Context(), g, r, forge.GatherInput{
		Introduction: forge.Introduction{Path: path, Blob: f.Blob, Commit: commit}, RepositoryID: id.ID, Branch: "main", Now: w.clock,
	})
}

// key writes a private key and returns its file.
func key(t *testing.T) (string, *rsa.PublicKey) {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	file := filepath.Join(t.TempDir(), "app.pem")
	must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}), 0o600))
	return file, &k.PublicKey
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
