package minihub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/internal/minihub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const repoName = "acme/access"

// clock is a forge clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is a hub with a repository of three people and one commit on main.
type world struct {
	t     *testing.T
	hub   *minihub.Hub
	srv   *httptest.Server
	clock *clock
}

func newWorld(t *testing.T) *world { return newWorldWith(t, nil) }

func newWorldWith(t *testing.T, wrap func(http.Handler) http.Handler) *world {
	t.Helper()
	c := newClock()
	hub, err := minihub.New(minihub.Options{Dir: t.TempDir(), Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	handler := hub.Handler()
	if wrap != nil {
		handler = wrap(handler)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(func() {
		srv.Close()
		_ = hub.Close()
	})
	w := &world{t: t, hub: hub, srv: srv, clock: c}
	if _, err := hub.CreateRepo(repoName); err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"alice", "bob", "carol"} {
		hub.AddUser(login)
		w.must(hub.SetPermission(repoName, login, minihub.Write))
	}
	hub.AddUser("root")
	w.must(hub.SetPermission(repoName, "root", minihub.Admin))
	w.push(minihub.Commit{By: "root", Message: "Start", Write: map[string]string{"README.md": "access\n"}})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) push(c minihub.Commit) string {
	w.t.Helper()
	sha, err := w.hub.Push(repoName, c)
	w.must(err)
	return sha
}

// open pushes a branch with one file and opens a pull request for it.
func (w *world) open(login, branch string) int {
	w.t.Helper()
	w.push(minihub.Commit{Branch: branch, By: login, Message: "Add " + branch, Write: map[string]string{branch + ".yaml": branch + "\n"}})
	n, err := w.hub.OpenPull(repoName, login, minihub.PullRequest{Title: "Add " + branch, Head: branch})
	w.must(err)
	return n
}

// client calls the REST API as an account.
type client struct {
	w     *world
	token string
}

func (w *world) as(login string) client {
	w.t.Helper()
	u, ok := w.hub.User(login)
	if !ok {
		w.t.Fatalf("no user %s", login)
	}
	return client{w: w, token: u.Token}
}

func (c client) request(method, path string, body any, header ...string) *http.Response {
	c.w.t.Helper()
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		c.w.must(err)
		in = bytes.NewReader(raw)
	}
	url := path
	if !strings.HasPrefix(path, "http") {
		url = c.w.srv.URL + "/api/v3" + path
	}
	req, err := http.NewRequestWithContext(c.w.t.Context(), method, url, in)
	c.w.must(err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.w.srv.Client().Do(req)
	c.w.must(err)
	c.w.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// do expects a status and returns the decoded answer.
func (c client) do(method, path string, body any, want int) any {
	c.w.t.Helper()
	resp := c.request(method, path, body)
	raw, err := io.ReadAll(resp.Body)
	c.w.must(err)
	if resp.StatusCode != want {
		c.w.t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, want, raw)
	}
	if len(raw) == 0 {
		return nil
	}
	var out any
	c.w.must(json.Unmarshal(raw, &out))
	return out
}

type object = map[string]any

func (c client) get(path string) object {
	c.w.t.Helper()
	return c.do("GET", path, nil, http.StatusOK).(object)
}

func (c client) list(path string) []object {
	c.w.t.Helper()
	var out []object
	for _, item := range c.do("GET", path, nil, http.StatusOK).([]any) {
		out = append(out, item.(object))
	}
	return out
}

// at reads a field by its path: at(o, "head", "sha").
func at(o any, keys ...string) any {
	for _, k := range keys {
		m, ok := o.(object)
		if !ok {
			return nil
		}
		o = m[k]
	}
	return o
}

func num(v any) int {
	f, _ := v.(float64)
	return int(f)
}

func column(rows []object, keys ...string) []any {
	out := []any{}
	for _, r := range rows {
		out = append(out, at(r, keys...))
	}
	return out
}

// git runs plain git in a directory, as a user's machine would.
func (w *world) git(dir string, args ...string) (string, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com",
	}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (w *world) mustGit(dir string, args ...string) string {
	w.t.Helper()
	out, err := w.git(dir, args...)
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// remote is the clone address of a repository for an account.
func (w *world) remote(login, name string) string {
	u, _ := w.hub.User(login)
	return strings.Replace(w.srv.URL, "http://", "http://"+login+":"+u.Token+"@", 1) + "/" + name + ".git"
}

func (w *world) clone(login string) string {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "clone")
	w.mustGit(w.t.TempDir(), "clone", "-q", w.remote(login, repoName), dir)
	return dir
}

func (w *world) write(dir, path, content string) {
	w.t.Helper()
	full := filepath.Join(dir, path)
	w.must(os.MkdirAll(filepath.Dir(full), 0o755))
	w.must(os.WriteFile(full, []byte(content), 0o600))
}

func (w *world) commitFile(dir, path, content, message string) string {
	w.t.Helper()
	w.write(dir, path, content)
	w.mustGit(dir, "add", "-A")
	w.mustGit(dir, "commit", "-q", "-m", message)
	return w.mustGit(dir, "rev-parse", "HEAD")
}
