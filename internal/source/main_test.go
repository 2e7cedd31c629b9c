package source

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		os.Exit(code)
	}))
}

// origin is a bare repository made with the real git, and a work tree to push
// to it from.
type origin struct {
	t    testing.TB
	bare string
	work string
}

func newOrigin(t testing.TB) *origin {
	t.Helper()
	dir := t.TempDir()
	o := &origin{t: t, bare: filepath.Join(dir, "access.git"), work: filepath.Join(dir, "work")}
	o.run(dir, "init", "-q", "--bare", "-b", "main", o.bare)
	o.run(dir, "init", "-q", "-b", "main", o.work)
	o.git("remote", "add", "origin", o.bare)
	return o
}

func (o *origin) run(dir string, args ...string) string {
	o.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "gc.auto=0"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Alice", "GIT_AUTHOR_EMAIL=alice@example.com", "GIT_AUTHOR_DATE=2026-11-23T12:00:00+02:00",
		"GIT_COMMITTER_NAME=Alice", "GIT_COMMITTER_EMAIL=alice@example.com", "GIT_COMMITTER_DATE=2026-11-23T13:00:00+02:00")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		o.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(string(out))
}

func (o *origin) git(args ...string) string { o.t.Helper(); return o.run(o.work, args...) }

func (o *origin) write(path, content string) {
	o.t.Helper()
	full := filepath.Join(o.work, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		o.t.Fatal(err)
	}
}

// commit writes a file, commits everything and returns the hash.
func (o *origin) commit(path, content string) string {
	o.t.Helper()
	o.write(path, content)
	o.git("add", "-A")
	o.git("commit", "-q", "-m", "Change "+path)
	return o.git("rev-parse", "HEAD")
}

func (o *origin) push(args ...string) {
	o.t.Helper()
	o.git(append([]string{"push", "-q", "origin"}, args...)...)
}

// open opens a copy of the origin over file://, or over the URL given.
func open(t testing.TB, c Config) *Repo {
	t.Helper()
	if c.Branch == "" {
		c.Branch = "main"
	}
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	r, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func poll(t testing.TB, r *Repo, want string, changed bool) {
	t.Helper()
	head, moved, err := r.Poll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if head != want || moved != changed || r.Head() != want {
		t.Fatalf("poll: head %s, changed %v; want %s, %v", head, moved, want, changed)
	}
}

// hub serves an origin over HTTP through git's own http-backend and counts.
type hub struct {
	*httptest.Server
	adverts, fetches, bytes atomic.Int64
	auth                    atomic.Pointer[string] // the Authorization header last seen
	require                 string                 // password; empty: anyone
	status                  atomic.Int64           // answer everything with it; 0: serve
	block                   chan struct{}          // not nil: every fetch waits for it
}

func newHub(t testing.TB, o *origin) *hub {
	t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + filepath.Dir(o.bare), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null"},
	}
	h := &hub{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		auth := req.Header.Get("Authorization")
		h.auth.Store(&auth)
		if s := h.status.Load(); s != 0 {
			http.Error(w, "no", int(s))
			return
		}
		if _, pass, _ := req.BasicAuth(); h.require != "" && pass != h.require {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		switch {
		case strings.HasSuffix(req.URL.Path, "/info/refs"):
			h.adverts.Add(1)
		case strings.HasSuffix(req.URL.Path, "/git-upload-pack"):
			h.fetches.Add(1)
			if h.block != nil {
				<-h.block
			}
		}
		backend.ServeHTTP(&counter{ResponseWriter: w, n: &h.bytes}, req)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hub) url() string { return h.URL + "/access.git" }

type counter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return c.ResponseWriter.Write(b)
}

func (h *hub) counts() string {
	return fmt.Sprintf("%d adverts, %d fetches", h.adverts.Swap(0), h.fetches.Swap(0))
}

func short(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}
