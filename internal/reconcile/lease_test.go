package reconcile

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// steal takes the worker's lease away and gives it to somebody else, as the server
// does when the connection of a replica breaks.
func (w *world) steal() *ledger.Lease {
	w.t.Helper()
	if err := w.engine.workers[0].lease.Release(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	other, err := w.led.Acquire(w.t.Context(), "target/db")
	if err != nil {
		w.t.Fatal(err)
	}
	return other
}

func TestAWorkerWithoutItsLeaseDoesNothing(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 60), asks("b", "bob", "rw", 60, 90))
	w.mustPass()
	other := w.steal()
	acts, events := len(w.target.acts), len(w.kinds())
	w.now = start.Add(time.Hour)
	for range 3 {
		if _, err, _ := w.pass(); !errors.Is(err, ledger.ErrLeased) {
			t.Fatalf("want ErrLeased, got %v", err)
		}
	}
	if len(w.target.acts) != acts || len(w.kinds()) != events {
		t.Fatalf("it acted: %v, %v", w.target.acts[acts:], w.kinds()[events:])
	}
	if err := other.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.mustPass(); w.target.held[grant("alice", "rw")] || !w.target.held[grant("bob", "rw")] {
		t.Fatalf("with the lease back: %v", w.target.held)
	}
}

// losing is a ledger that lets somebody else take the lease before one commit.
type losing struct {
	Ledger
	at      int
	commits int
	steal   func()
}

func (l *losing) Commit(ctx context.Context, lease *ledger.Lease, b ledger.Batch) error {
	if l.commits++; l.commits == l.at {
		l.steal()
	}
	return l.Ledger.Commit(ctx, lease, b)
}

// The lease may go at any moment of a pass, and the worker hears of it only by a
// commit that is refused.
func TestALeaseLostWithinAPassEndsThePass(t *testing.T) {
	for at := 1; ; at++ {
		w := newWorld(t)
		w.decide(asks("a", "alice", "rw", 0, 60), asks("b", "bob", "rw", 60, 90))
		w.mustPass()
		w.now = start.Add(time.Hour)
		acts := 0
		l := &losing{Ledger: w.engine.cfg.Ledger, at: at, steal: func() { w.steal(); acts = len(w.target.acts) }}
		w.engine.cfg.Ledger = l
		_, err, _ := w.pass()
		if l.commits < at {
			if at < 4 {
				t.Fatalf("only %d commits were seen", l.commits)
			}
			return
		}
		if !errors.Is(err, ledger.ErrLostLease) {
			t.Fatalf("lost at commit %d: want ErrLostLease, got %v", at, err)
		}
		if len(w.target.acts) != acts {
			t.Fatalf("lost at commit %d: it still did %v", at, w.target.acts[acts:])
		}
	}
}

// thief takes the lease away in the middle of the first act.
type thief struct {
	*memory
	w *world
}

func (c thief) Revoke(ctx context.Context, g grants.Grant) error {
	err := c.memory.Revoke(ctx, g)
	c.w.steal()
	return err
}

func TestALeaseLostBetweenTwoActsStopsBeforeTheNext(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 60), asks("b", "bob", "rw", 0, 60))
	w.mustPass()
	acts := len(w.target.acts)
	w.engine.workers[0].conn = thief{w.target, w}
	w.now = start.Add(time.Hour)
	if _, err, _ := w.pass(); !errors.Is(err, ledger.ErrLostLease) {
		t.Fatalf("want ErrLostLease, got %v", err)
	}
	if n := len(w.target.acts) - acts; n != 1 {
		t.Fatalf("%d acts after the lease was lost", n-1)
	}
}

func TestALeaseOfSomebodyElseIsAskedForEverySecond(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.mustPass()
	w.steal()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	naps := &napping{world: w, left: 20, stop: cancel}
	w.engine.cfg.Clock = naps
	w.engine.workers[0].run(ctx)
	if naps.longest > leasePoll {
		t.Fatalf("waited %s for the lease: an end could be that late", naps.longest)
	}
}

// napping is a clock that moves on by itself and keeps the longest sleep.
type napping struct {
	*world
	left    int
	longest time.Duration
	stop    func()
}

func (n *napping) Sleep(_ context.Context, t time.Time, _ <-chan struct{}) {
	n.longest = max(n.longest, t.Sub(n.now))
	n.now = t
	if n.left--; n.left == 0 {
		n.stop()
	}
}
