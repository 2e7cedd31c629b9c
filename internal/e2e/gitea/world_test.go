package gitea_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/all"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/daemon"
	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/forge/gitea/giteatest"
	"github.com/tenure-dev/tenure/internal/reconcile"
)

const (
	// limit bounds every wait for the reconciler.
	limit      = 90 * time.Second
	bot        = "tenure"
	hookSecret = "a-secret-of-this-test-alone"
)

// cast are the people; their login is their name. carol and dave lead, erin is the
// admin, zoe is in no group.
var cast = []string{"alice", "bob", "carol", "dave", "erin", "frank", "mallory", "zoe"}

// world is an access repository on Gitea, a reconciler that was read from its
// configuration, and a file as its target. Everybody's clock is the machine's:
// nobody can move Gitea's.
type world struct {
	t    *testing.T
	s    *giteatest.Server
	repo string
	dir  string
	d    *daemon.Daemon
	log  lockedBuffer
	seq  int // numbers branches
}

// options change a world.
type options struct {
	webhook bool // Gitea tells the reconciler, which polls every ten minutes only
	reverts string
}

func newWorld(t *testing.T, s *giteatest.Server, o options) *world {
	t.Helper()
	s.User(t, bot)
	w := &world{t: t, s: s, dir: t.TempDir(), repo: s.Repo(t, bot)}
	for _, p := range cast {
		s.User(t, p)
		if p != "zoe" {
			s.Collaborator(t, w.repo, p)
		}
	}
	from := w.write("erin", "main", w.files())
	w.must(os.Mkdir(w.file("targets"), 0o755))
	w.configure(from, o)
	t.Cleanup(func() {
		if w.d != nil {
			w.must(w.d.Ledger.Verify(context.WithoutCancel(t.Context())))
			w.must(w.d.Close())
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if t.Failed() {
			t.Logf("the reconciler's log:\n%s", w.log.String())
		}
	})
	cfg, err := config.Load(w.file("reconciler.yaml"), os.LookupEnv)
	w.must(err)
	reg, err := connectors.NewRegistry(all.Drivers()...)
	w.must(err)
	ctx, cancel := w.ctx()
	defer cancel()
	w.d, err = daemon.Open(ctx, cfg, daemon.Options{
		Registry: reg, Clock: reconcile.SystemClock{}, Version: "test",
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	w.must(err)
	return w
}

// files are the access repository that a world starts with.
func (w *world) files() map[string]string {
	role := stage.Role("ops", "{target: bastion, group: ops}") + "emergency: {requesters: [on-call], maxDuration: 1h, reviewWithin: 24h}\n"
	out := map[string]string{
		"groups/admins.yaml":      stage.Group("admins", "erin"),
		"groups/engineering.yaml": stage.Group("engineering", "alice", "bob", "carol", "dave", "frank", "mallory"),
		"groups/leads.yaml":       stage.Group("leads", "carol", "dave"),
		"groups/on-call.yaml":     stage.Group("on-call", "alice", "bob", "dave", "frank", "mallory"),
		"roles/ops.yaml":          role,
		"targets/bastion.yaml":    "apiVersion: tenure.dev/v1\nkind: Target\nname: bastion\nconnector: file\ndescription: Groups of the bastion\nallow: [{group: ops}]\n",
	}
	for _, p := range cast {
		out["people/"+p+".yaml"] = fmt.Sprintf("apiVersion: tenure.dev/v1\nkind: Person\nname: %s\nemail: %[1]s@example.com\ngitea: {login: %[1]s, id: %d}\n", p, w.s.User(w.t, p).ID)
	}
	return out
}

// configure writes the reconciler's configuration, as an operator would.
func (w *world) configure(from string, o options) {
	w.t.Helper()
	poll, further := "1s", "listen: \"\"\n"
	if o.webhook {
		address := w.freeAddress()
		poll, further = "10m", fmt.Sprintf("listen: %s\nwebhook: {secret: %s}\n", address, hookSecret)
		w.s.As(w.t, w.s.User(w.t, "acme"), "POST", "/repos/"+w.repo+"/hooks", map[string]any{
			"type": "gitea", "active": true, "events": []string{"push", "pull_request", "pull_request_sync", "pull_request_review"},
			"config": map[string]string{"url": "http://" + address + "/webhook", "content_type": "json", "secret": hookSecret},
		}, nil)
	}
	if o.reverts == "" {
		o.reverts = "{group: 5m, merge: manual}"
	}
	// The scopes that docs/forges.md asks for, and no more.
	token := w.s.Token(w.t, bot, "write:repository", "write:issue", "read:user")
	w.must(os.WriteFile(w.file("token"), []byte(token+"\n"), 0o600))
	w.must(os.WriteFile(w.file("reconciler.yaml"), fmt.Appendf(nil, `repository: {url: %[1]s/%[2]s.git, branch: main}
trust: {from: %[3]s, group: admins, count: 1}
forge: {type: gitea, baseURL: %[1]s, tokenFile: %[4]s/token}
poll: %[5]s
ledger: sqlite://%[4]s/ledger.db
stateDir: %[4]s/state
reverts: %[6]s
evidence: {file: %[4]s/evidence.jsonl}
%[7]stargets:
  bastion: {connector: file, path: %[4]s/targets/bastion, format: csv}
`, w.s.URL, w.repo, from, w.dir, poll, o.reverts, further), 0o600))
}

func (w *world) freeAddress() string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	defer l.Close()
	return l.Addr().String()
}

// run runs the reconciler in the background until the test ends.
func (w *world) run() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan error, 1)
	go func() { done <- w.d.Run(ctx) }()
	w.t.Cleanup(func() { // before that of newWorld
		cancel()
		w.must(<-done)
	})
	w.until("the first look at the branch", func() bool { return w.d.Status() != nil })
}

// pass takes in the branch and passes over the target once.
func (w *world) pass() {
	w.t.Helper()
	ctx, cancel := w.ctx()
	defer cancel()
	w.must(w.d.Once(ctx))
}

// passUntil passes until something is so: what Gitea puts off is waited for.
func (w *world) passUntil(what string, so func() bool) {
	w.t.Helper()
	w.until(what, func() bool { w.pass(); return so() })
}

func (w *world) until(what string, so func() bool) {
	w.t.Helper()
	deadline := time.After(limit)
	for !so() {
		select {
		case <-deadline:
			w.t.Fatalf("not seen within %s: %s", limit, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (w *world) file(name string) string { return filepath.Join(w.dir, name) }

func (w *world) ctx() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(w.t.Context()), limit)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
