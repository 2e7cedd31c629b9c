package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// watchPause is how long the watcher rests between two looks: the resolution of
// the measurement is this plus the time of one look.
const watchPause = 2 * time.Millisecond

// pgWatcher reads the memberships from the database itself, on a connection of its
// own, and notes when each was first seen gone. The time is the database's clock
// after the look, so that a lag is never shown shorter than it was. It counts while
// nothing changes, so as not to be in the way of what it measures.
type pgWatcher struct {
	conn  *pgx.Conn
	until map[string]time.Time // by membership

	mu    sync.Mutex
	gone  map[string]time.Time
	early []string
	looks int
	err   error
}

func watchMembers(t testing.TB, dsn string, until map[string]time.Time) (w *pgWatcher, stop func()) {
	t.Helper()
	w = &pgWatcher{conn: pgConnect(t, dsn), until: until, gone: map[string]time.Time{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { w.run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return w, stop
}

func (w *pgWatcher) run(ctx context.Context) {
	last := -1
	for {
		var count int
		var at time.Time
		var held map[string]bool
		err := w.conn.QueryRow(ctx, "SELECT count(*) FROM pg_auth_members").Scan(&count)
		if changed := count != last; err == nil && changed {
			last = count
			at, held, err = pgMembers(ctx, w.conn)
		}
		w.mu.Lock()
		if ctx.Err() == nil && err != nil {
			w.err = err
		}
		w.looks++
		if held != nil && err == nil {
			w.note(at, held)
		}
		left := len(w.until) - len(w.gone)
		w.mu.Unlock()
		if err != nil || left == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(watchPause):
		}
	}
}

func (w *pgWatcher) note(at time.Time, held map[string]bool) {
	for name, until := range w.until {
		if _, known := w.gone[name]; known || held[name] {
			continue
		}
		w.gone[name] = at
		if at.Before(until) {
			w.early = append(w.early, fmt.Sprintf("%s %s before its end", name, until.Sub(at)))
		}
	}
}

// lags returns how long after its end each membership was gone, sorted. It waits
// until all are, and fails the test if one went early.
func (w *pgWatcher) lags(t testing.TB) []time.Duration {
	t.Helper()
	pgUntil(t, "the end of every membership", func() (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.gone) == len(w.until), w.err
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.early) > 0 {
		t.Fatalf("%d memberships ended early, such as %s", len(w.early), w.early[0])
	}
	var out []time.Duration
	for name, at := range w.gone {
		out = append(out, at.Sub(w.until[name]))
	}
	slices.Sort(out)
	return out
}

// lagLine prints a sorted list of lags for people and for docs/performance.md.
func lagLine(lags []time.Duration) string {
	ms := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	return fmt.Sprintf("n=%d p50=%s p99=%s max=%s", len(lags), ms(quantile(lags, 0.5)), ms(quantile(lags, 0.99)), ms(lags[len(lags)-1]))
}
