package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// worker is the only one who acts on its target, as long as it has the lease.
type worker struct {
	*Engine
	target string
	conn   connectors.Connector
	wake   chan struct{}
	lease  *ledger.Lease

	failures  int             // passes that failed in a row
	drift     []grants.Grant  // as last written to the ledger
	drifted   bool            // drift of the whole target was written by this process
	withheld  map[string]bool // removals already reported as withheld
	strangers map[string]bool // the same of strangers, as of the last look at the target
	tripped   map[string]bool // commits that have tripped the guard, while the lease is held
	cut       bool            // the last look at the target made way for an end
	resync    time.Time       // next time the target is looked at without a reason
}

func newWorker(e *Engine, target string, c connectors.Connector) *worker {
	return &worker{Engine: e, target: target, conn: c, wake: make(chan struct{}, 1), withheld: map[string]bool{}}
}

func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default: // a wake is already waiting
	}
}

// run passes over the target whenever something is due, until ctx ends.
func (w *worker) run(ctx context.Context) {
	defer w.release()
	for ctx.Err() == nil {
		next, err := w.pass(ctx)
		switch {
		case errors.Is(err, ledger.ErrLeased):
			// Another replica serves the target. Whoever comes after it must not be
			// late for what ends just then.
			w.failures = 0
			next = w.cfg.Clock.Now().Add(leasePoll)
		case err != nil && ctx.Err() == nil:
			w.failures++
			retry := w.cfg.Clock.Now().Add(backoff(w.failures))
			next = earlier(next, retry)
			w.cfg.Log.Error("reconciling failed; trying again", "target", w.target, "error", err, "retry", retry)
		default:
			w.failures = 0
		}
		w.cfg.Clock.Sleep(ctx, next, w.wake)
	}
}

// leasePoll is how often a lease that another replica has is asked for: how late
// that replica's death is noticed.
const leasePoll = time.Second

// acquire takes the target's lease if this worker does not have it, or has lost it
// since the last pass.
func (w *worker) acquire(ctx context.Context) error {
	if !w.leased() {
		w.release()
	}
	if w.lease != nil {
		return nil
	}
	l, err := w.cfg.Ledger.Acquire(ctx, "target/"+w.target)
	if err != nil {
		return err
	}
	w.lease = l
	if w.tripped, err = w.trips(ctx); err != nil {
		w.release()
		return fmt.Errorf("read what the guard withheld: %w", err)
	}
	return nil
}

// trips returns the commits that have tripped the guard on this target before,
// whoever had the lease then. Removals of no known commit are not among them: there
// would be nothing to confirm.
func (w *worker) trips(ctx context.Context) (map[string]bool, error) {
	events, err := w.cfg.Ledger.Events(ctx, ledger.Filter{Kinds: []string{ledger.EventWithheld}, Target: w.target})
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, e := range events {
		var d struct{ Commit string }
		if json.Unmarshal(e.Data, &d) == nil && d.Commit != "" {
			out[d.Commit] = true
		}
	}
	return out, nil
}

// leased reports whether the worker has the lease, as far as it knows. Without it
// nothing may be done any more.
func (w *worker) leased() bool {
	if w.lease == nil {
		return false
	}
	select {
	case <-w.lease.Lost():
		return false
	default:
		return true
	}
}

// release gives the lease back, also when the context has ended already.
func (w *worker) release() {
	if w.lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := w.lease.Release(ctx); err != nil {
		w.cfg.Log.Warn("giving the lease back failed", "target", w.target, "error", err)
	}
	w.lease = nil
}

// commit writes a batch; a lost lease is forgotten, so that the next pass asks
// for it anew.
func (w *worker) commit(ctx context.Context, b ledger.Batch) error {
	if w.lease == nil {
		return ledger.ErrLostLease
	}
	err := w.cfg.Ledger.Commit(ctx, w.lease, b)
	if errors.Is(err, ledger.ErrLostLease) {
		w.release()
	}
	return err
}

// backoff is the pause after n failures in a row: 1 s, 2 s, 4 s … one minute.
// It never gives up.
func backoff(n int) time.Duration {
	return min(time.Second<<min(max(n-1, 0), 6), maxPause)
}

const maxPause = time.Minute

// earlier returns the earlier of two times, where zero means never.
func earlier(a, b time.Time) time.Time {
	switch {
	case a.IsZero():
		return b
	case b.IsZero() || a.Before(b):
		return a
	}
	return b
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
