package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/sqlite"
)

// errCrash is panicked to model kill -9: nothing after it runs.
var errCrash = errors.New("crash")

// world is a target, a ledger and a clock, with a place to break each of them.
type world struct {
	t      testing.TB
	now    time.Time
	led    *ledger.Ledger
	target *memory
	steps  int // crash points passed
	crash  int // panic at this step; 0: never
	engine *Engine
	intake *ledger.Lease
	url    string
	clock  Clock // nil: the world itself, which is believed
}

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: start, url: "sqlite://" + filepath.Join(t.TempDir(), "ledger.db")}
	w.target = &memory{world: w, held: map[grants.Grant]bool{}}
	w.open()
	t.Cleanup(func() { _ = w.led.Close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	led, err := sqlite.Open(w.t.Context(), w.url, w.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.led, w.intake = led, nil
	clock := w.clock
	if clock == nil {
		clock = w
	}
	w.engine, err = New(Config{
		Ledger: crashing{led, w}, Targets: map[string]connectors.Connector{"db": w.target},
		Clock: clock, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: noMetrics{},
		Guard: grants.GuardLimits{}, Resync: cron.Every(10 * time.Minute),
		ActTimeout: 30 * time.Second, ObserveTimeout: 30 * time.Second,
		RevertKey: func(at time.Time) (string, time.Time) { return at.Format("150405"), at.Add(time.Minute) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) Now() time.Time { return w.now }

func (w *world) Sleep(context.Context, time.Time, <-chan struct{}) {}

// step is a place where the process may be killed.
func (w *world) step() {
	w.steps++
	if w.steps == w.crash {
		panic(errCrash)
	}
}

// restart models a new process on the same ledger.
func (w *world) restart() {
	w.t.Helper()
	if err := w.led.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.crash = 0
	w.open()
}

// decide stores decisions as the intake would.
func (w *world) decide(decisions ...grants.Decision) {
	w.t.Helper()
	ctx := w.t.Context()
	if w.intake == nil {
		l, err := w.led.Acquire(ctx, "intake")
		if err != nil {
			w.t.Fatal(err)
		}
		w.intake = l
	}
	var b ledger.IntakeBatch
	for _, d := range decisions {
		b.Requests = append(b.Requests, ledger.Request{ID: d.Request, Path: d.Path, Live: d.Granted, Body: []byte(`{}`), Decision: d})
	}
	if err := w.led.TakeIn(ctx, w.intake, b); err != nil {
		w.t.Fatal(err)
	}
}

// pass makes one pass and reports whether it was killed in the middle.
func (w *world) pass() (next time.Time, err error, crashed bool) {
	defer func() {
		if r := recover(); r != nil {
			if r != any(errCrash) {
				panic(r)
			}
			crashed = true
		}
	}()
	next, err = w.engine.workers[0].pass(w.t.Context())
	return next, err, false
}

func (w *world) mustPass() time.Time {
	w.t.Helper()
	next, err, _ := w.pass()
	if err != nil {
		w.t.Fatal(err)
	}
	return next
}

func (w *world) holds() []grants.Hold {
	w.t.Helper()
	h, err := w.led.Holds(w.t.Context(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func (w *world) kinds() []string {
	w.t.Helper()
	events, err := w.led.Events(w.t.Context(), ledger.Filter{})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, e := range events {
		out = append(out, e.Kind)
	}
	return out
}

// crashing is the ledger with a crash point before and after each write.
type crashing struct {
	*ledger.Ledger
	w *world
}

func (c crashing) Commit(ctx context.Context, l *ledger.Lease, b ledger.Batch) error {
	c.w.step()
	err := c.Ledger.Commit(ctx, l, b)
	c.w.step()
	return err
}

func (c crashing) Finish(ctx context.Context, ids []string, at time.Time, key string, e []ledger.Event, j []ledger.Job) error {
	c.w.step()
	err := c.Ledger.Finish(ctx, ids, at, key, e, j)
	c.w.step()
	return err
}

// memory is a target in memory that can be made to fail in every way that
// matters.
type memory struct {
	world *world
	mu    sync.Mutex
	held  map[grants.Grant]bool
	down  bool                 // every call fails, nothing happens
	deaf  bool                 // acts happen, their answers are lost
	blind bool                 // Observe fails
	late  map[grants.Grant]act // effects that come later than their answer
	acts  []string
}

type act struct {
	revoke bool
	at     time.Time
}

var errDown = errors.New("target is down")

func (m *memory) settleLate() {
	for g, a := range m.late {
		if !m.world.now.Before(a.at) {
			m.held[g] = !a.revoke
			if a.revoke {
				delete(m.held, g)
			}
			delete(m.late, g)
		}
	}
}

func (m *memory) Observe(_ context.Context, scope []string) ([]grants.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settleLate()
	if m.down || m.blind {
		return nil, errDown
	}
	var out []grants.Grant
	for g := range m.held {
		if slices.Contains(scope, g.Entitlement) {
			out = append(out, g)
		}
	}
	return out, nil
}

func (m *memory) do(g grants.Grant, revoke bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settleLate()
	if m.down {
		return errDown
	}
	m.world.step()
	m.acts = append(m.acts, fmt.Sprintf("%t %s", revoke, g))
	if revoke {
		delete(m.held, g)
	} else {
		m.held[g] = true
	}
	m.world.step()
	if m.deaf {
		return context.DeadlineExceeded
	}
	return nil
}

func (m *memory) Grant(_ context.Context, g grants.Grant, _ time.Time) error { return m.do(g, false) }
func (m *memory) Revoke(_ context.Context, g grants.Grant) error             { return m.do(g, true) }
func (m *memory) Close() error                                               { return nil }

type noMetrics struct{}

func (noMetrics) Pass(string, time.Duration, error) {}
func (noMetrics) Granted(string, time.Duration)     {}
func (noMetrics) Revoked(string, time.Duration)     {}
func (noMetrics) Failed(string, string)             {}
func (noMetrics) Overdue(string, int)               {}
func (noMetrics) Withheld(string, int)              {}
func (noMetrics) Drift(string, int)                 {}

func grant(account, entitlement string) grants.Grant {
	return grants.Grant{Target: "db", Account: account, Entitlement: entitlement}
}

// asks is a granted request for one entitlement over [from, until) minutes.
func asks(name, account, entitlement string, from, until int) grants.Decision {
	return grants.Decision{
		Request: name, Path: "requests/" + name + ".yaml", Granted: true,
		Terms: []grants.Terms{{
			Span:  grants.Window{From: start.Add(time.Duration(from) * time.Minute), Until: start.Add(time.Duration(until) * time.Minute)},
			Items: []grants.Item{{Grant: grant(account, entitlement), Subject: account, Role: "writer", Spec: `{}`}},
		}},
	}
}
