// Package stage sets up the whole of Tenure for one test: a forge in this process
// that serves real Git and is held to GitHub's published description, an access
// repository on it, and a reconciler assembled from a written configuration as in
// production, with its ledger and real target files.
//
// One clock drives the forge and the reconciler, so nothing sleeps. Tests act
// through the forge and look at the targets and the ledger; the stage must never
// reach into the rooms between them.
package stage

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/daemon"
	"github.com/tenure-dev/tenure/internal/minihub"
	"github.com/tenure-dev/tenure/internal/minihub/hubcheck"
)

// Repo is the access repository on the forge.
const Repo = "acme/access"

// Bot is the account of the reconciler itself.
const Bot = "tenure-bot"

// limit bounds everything that a stage waits for.
const limit = 60 * time.Second

// Options change the stage from its default. The zero value is complete: the
// access repository of Files, two file targets (bastion and wiki) and an SQLite
// ledger.
type Options struct {
	// Files are laid over those of Files; an empty text takes the file away.
	Files map[string]string
	// Earlier are pushed in a commit before the one that trust.from names, Later in
	// a commit after it, both directly and before the reconciler sees anything.
	Earlier, Later map[string]string

	TrustFrom      func(*Stage) string // the value of trust.from, made on the forge; nil: the first commit with Files
	TrustCount     int                 // 0: 1
	ApprovalsValid string              // such as 2d; empty: the default
	Reverts        string              // the value of the key; empty: {group: 5m, merge: manual}
	Guard          string              // the value of the key; empty: the default
	Ledger         string              // URL of a PostgreSQL database; empty: SQLite
	Postgres       string              // DSN of an administrator: adds the target orders-db
	Targets        string              // further targets, as YAML below the key, indented by two
	Config         string              // further keys of reconciler.yaml
	Forge          string              // further keys of forge, with a comma before them
	Start          time.Time
	Poll           string // empty: 1s
	Webhook        bool   // the forge tells the reconciler, which listens
	RealClock      bool   // the machine's clock instead of one that tests move
}

// Stage is the set-up of one test.
type Stage struct {
	T      testing.TB
	Hub    *minihub.Hub
	Clock  *Clock
	Daemon *daemon.Daemon
	Dir    string // temporary: ledger, targets, configuration
	URL    string // of the forge
	From   string // the commit where the chain of trust starts

	o    Options
	log  lockedBuffer
	down atomic.Bool
	stop func() // ends the running daemon; nil: it does not run
	seq  int    // numbers branches

	address string // that the reconciler listens on; empty: none
}

// DefaultStart is when a stage's clock starts: a Monday, and in the past, so that
// durable jobs, which keep the machine's time, are due when the stage says so.
var DefaultStart = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// New sets a stage up and opens the reconciler; it has not looked at the branch
// yet. Everything is taken down, and the ledger's chain verified, when the test
// ends.
func New(t testing.TB, o Options) *Stage {
	t.Helper()
	if o.Start.IsZero() {
		o.Start = DefaultStart
	}
	s := &Stage{T: t, o: o, Dir: t.TempDir()}
	s.Clock = newClock(o.Start)
	if o.RealClock {
		s.Clock = nil
	}
	hub, err := minihub.New(minihub.Options{Dir: filepath.Join(s.Dir, "forge"), Now: s.Now, RateLimit: 1 << 20})
	s.must(err)
	s.Hub = hub
	srv := httptest.NewServer(s.gate(hubcheck.Handler(t, hub.Handler())))
	s.URL = srv.URL
	t.Cleanup(func() {
		s.close()
		srv.Close()
		s.must(hub.Close())
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if t.Failed() {
			t.Logf("the reconciler's log:\n%s", s.log.String())
		}
	})
	s.populate()
	if o.TrustFrom != nil {
		s.From = o.TrustFrom(s)
	}
	s.must(os.MkdirAll(filepath.Join(s.Dir, "targets"), 0o755))
	s.configure()
	s.open()
	return s
}

// gate lets no request through while the forge is down.
func (s *Stage) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}

// HubDown takes the forge away, Git and API: connections are cut. HubUp brings it
// back. Go-side calls to the hub work in between.
func (s *Stage) HubDown() { s.down.Store(true) }

// HubUp ends HubDown.
func (s *Stage) HubUp() { s.down.Store(false) }

// Now is the stage's time.
func (s *Stage) Now() time.Time {
	if s.Clock == nil {
		return time.Now().UTC()
	}
	return s.Clock.Now()
}

// Advance moves the clock forward.
func (s *Stage) Advance(d time.Duration) { s.Clock.Advance(d) }

// Log returns what the reconciler has logged so far.
func (s *Stage) Log() string { return s.log.String() }

func (s *Stage) must(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}

func (s *Stage) ctx() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

func (s *Stage) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&s.log, nil)) }

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
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
