package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/file"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/reconcile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a reconciler's configuration over two file targets, and a ledger by
// which alice's window has closed on both while nobody was there to end it. Git and
// the forge are down in all of it: neither exists.
type world struct {
	*testing.T
	dir string
	cfg *config.Config
	reg *connectors.Registry
	log *lines
	clk reconcile.Clock
}

const (
	good   = "bastion"
	broken = "wiki"
)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir(), log: &lines{}, clk: fast{time.Now()}}
	text := fmt.Sprintf(`repository: {url: "file://%[1]s/nowhere.git", branch: main}
trust: {from: %[2]s, group: admins}
forge: {type: github, repository: acme/access, baseURL: "http://127.0.0.1:1/", appID: 1, installationID: 2, privateKeyFile: app.pem}
ledger: sqlite://%[1]s/ledger.db
stateDir: %[1]s/state
evidence: {file: %[1]s/evidence.jsonl}
listen: ""
poll: 1s
timeouts: {act: 2s, observe: 2s}
targets:
  %[3]s: {connector: file, path: %[1]s/%[3]s/access.csv, format: csv}
  %[4]s: {connector: file, path: %[1]s/%[4]s/access.csv, format: csv}
`, w.dir, strings.Repeat("a", 40), good, broken)
	w.must(os.WriteFile(filepath.Join(w.dir, "app.pem"), []byte("not a key"), 0o600))
	path := filepath.Join(w.dir, "reconciler.yaml")
	w.must(os.WriteFile(path, []byte(text), 0o600))
	var err error
	w.cfg, err = config.Load(path, os.LookupEnv)
	w.must(err)
	w.reg, err = connectors.NewRegistry(file.Driver{})
	w.must(err)
	w.fill()
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func access(target string) grants.Grant {
	return grants.Grant{Target: target, Account: "alice", Entitlement: "group=ops"}
}

// fill lets both targets and the ledger know of access that ended a minute ago.
func (w *world) fill() {
	w.Helper()
	ctx, now := w.Context(), w.clk.Now()
	led, err := OpenLedger(ctx, w.cfg, w.clk.Now)
	w.must(err)
	defer func() { w.must(led.Close()) }()
	window := grants.Window{From: now.Add(-time.Hour), Until: now.Add(-time.Minute)}
	request := grants.Decision{Request: "requests/alice.yaml@1", Path: "requests/alice.yaml", Author: "alice", Granted: true, Terms: []grants.Terms{{Span: window}}}
	for _, target := range []string{good, broken} {
		w.must(os.Mkdir(filepath.Join(w.dir, target), 0o700))
		conn, err := file.Driver{}.Open(ctx, target, connectors.Settings(w.cfg.Targets[target].Settings))
		w.must(err)
		w.must(conn.Grant(ctx, access(target), window.Until))
		w.must(conn.Close())
		item := grants.Item{Grant: access(target), Subject: "alice", Role: "ops", Spec: `{"group":"ops"}`}
		request.Terms[0].Items = append(request.Terms[0].Items, item)
		lease, err := led.Acquire(ctx, "target/"+target)
		w.must(err)
		w.must(led.Commit(ctx, lease, ledger.Batch{Put: []grants.Hold{{
			Item: item, State: grants.StateHeld, Since: window.From, Until: window.Until,
			Holders: []grants.Holder{{Request: request.Request, Until: window.Until}},
		}}}))
		w.must(lease.Release(ctx))
	}
	lease, err := led.Acquire(ctx, "intake")
	w.must(err)
	w.must(led.TakeIn(ctx, lease, ledger.IntakeBatch{Requests: []ledger.Request{
		{ID: request.Request, Path: request.Path, Live: true, Body: []byte(`{}`), Decision: request},
	}}))
	w.must(lease.Release(ctx))
}

// open builds the daemon; it is closed when the test ends.
func (w *world) open() *Daemon {
	w.Helper()
	d, err := Open(w.Context(), w.cfg, Options{Registry: w.reg, Clock: w.clk, Log: slog.New(slog.NewTextHandler(w.log, nil)), Version: "test"})
	w.must(err)
	w.Cleanup(func() {
		if err := d.Close(); err != nil {
			w.Error(err)
		}
	})
	return d
}

// run opens the daemon and runs it until the test ends.
func (w *world) run() *Daemon {
	w.Helper()
	d := w.open()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.Errorf("run: %v", err)
		}
	})
	return d
}

// held reports whether the target still lets alice in.
func (w *world) held(target string) bool {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, target, "access.csv"))
	w.must(err)
	return strings.Contains(string(text), "ops,alice")
}

// over reports whether nothing is held, and nothing owed, on the target.
func (w *world) over(d *Daemon, target string) bool {
	w.Helper()
	holds, err := d.Ledger.Holds(w.Context(), target)
	w.must(err)
	return len(holds) == 0
}

// eventually waits for what the running daemon does on its own.
func (w *world) eventually(what string, seen func() bool) {
	w.Helper()
	deadline := time.After(time.Minute)
	for !seen() {
		select {
		case <-deadline:
			w.Fatalf("not seen: %s\n%s", what, w.log)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// fast is a clock that runs twenty times as fast as the machine's, so that pauses of
// seconds can be waited for.
type fast struct{ began time.Time }

const speed = 20

func (c fast) Now() time.Time { return c.began.Add(speed * time.Since(c.began)).UTC() }

func (c fast) Sleep(ctx context.Context, t time.Time, wake <-chan struct{}) {
	var fire <-chan time.Time
	if !t.IsZero() {
		timer := time.NewTimer(t.Sub(c.Now()) / speed)
		defer timer.Stop()
		fire = timer.C
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-fire:
	}
}

// lines is a log that is read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var discard = slog.New(slog.DiscardHandler)
