package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

func TestGrantsAndRevokesOnTheBoundary(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 60))
	next := w.mustPass()
	if !w.target.held[grant("alice", "rw")] {
		t.Fatal("alice has no access inside her window")
	}
	w.now = start.Add(time.Hour - time.Nanosecond)
	if w.mustPass(); !w.target.held[grant("alice", "rw")] {
		t.Fatal("access ended a nanosecond early")
	}
	w.now = start.Add(time.Hour)
	if next.After(w.now) {
		t.Fatalf("the pass wanted to be called at %s, after the end of the window", next)
	}
	w.mustPass()
	if len(w.target.held) != 0 || len(w.holds()) != 0 {
		t.Fatalf("at the end of the window: target %v, holds %v", w.target.held, w.holds())
	}
	for _, kind := range []string{ledger.EventGrantIntended, ledger.EventGranted, ledger.EventRevokeIntended, ledger.EventRevokeAccepted, ledger.EventRevoked, ledger.EventEnded} {
		if !slices.Contains(w.kinds(), kind) {
			t.Errorf("the chain has no %s: %v", kind, w.kinds())
		}
	}
	if err := w.led.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRunAgainChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.mustPass()
	acts, kinds := len(w.target.acts), len(w.kinds())
	w.mustPass()
	if len(w.target.acts) != acts || len(w.kinds()) != kinds {
		t.Fatalf("a second pass did something: %v", w.target.acts[acts:])
	}
}

func TestEndsBlindly(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.mustPass()
	w.target.blind = true
	w.now = start.Add(time.Hour)
	if _, err, _ := w.pass(); err == nil {
		t.Fatal("a pass that could not observe reported no error")
	}
	if len(w.target.held) != 0 {
		t.Fatal("a target that cannot be listed kept the access")
	}
	if len(w.holds()) != 1 {
		t.Fatal("the hold was given up without a read-back")
	}
	w.target.blind = false
	if w.mustPass(); len(w.holds()) != 0 {
		t.Fatal("the read-back did not release the hold")
	}
}

func TestRevokeIsRetriedForEver(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.mustPass()
	w.target.down = true
	w.now = start.Add(time.Hour)
	for range 50 {
		next, err, _ := w.pass()
		if err == nil {
			t.Fatal("a failed revoke was not reported")
		}
		if wait := next.Sub(w.now); wait > time.Minute {
			t.Fatalf("waits %s before the next try", wait)
		}
		w.now = next
	}
	w.target.down = false
	w.now = w.now.Add(time.Minute)
	if w.mustPass(); len(w.target.held) != 0 {
		t.Fatal("access is still there")
	}
}

func TestOverlapEndsWithTheLast(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 60), asks("b", "alice", "rw", 30, 90))
	w.mustPass()
	w.now = start.Add(60 * time.Minute)
	if w.mustPass(); !w.target.held[grant("alice", "rw")] {
		t.Fatal("the earlier end cut the later request")
	}
	w.now = start.Add(90 * time.Minute)
	if w.mustPass(); len(w.target.held) != 0 {
		t.Fatal("access outlived the last request")
	}
}

func TestPreExistingAccessIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.target.held[grant("alice", "rw")] = true
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.mustPass()
	w.now = start.Add(time.Hour)
	w.mustPass()
	if !w.target.held[grant("alice", "rw")] || len(w.target.acts) != 0 {
		t.Fatalf("pre-existing access was touched: %v", w.target.acts)
	}
	if len(w.holds()) != 0 {
		t.Fatal("the note of it was kept after the request ended")
	}
}

func TestForeignAccessIsDrift(t *testing.T) {
	w := newWorld(t)
	w.target.held[grant("mallory", "rw")] = true
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.mustPass()
	drift, err := w.led.Drift(t.Context())
	if err != nil || len(drift) != 1 || drift[0].Grant != grant("mallory", "rw") {
		t.Fatalf("drift %v, %v", drift, err)
	}
	w.now = start.Add(time.Hour)
	if w.mustPass(); !w.target.held[grant("mallory", "rw")] {
		t.Fatal("foreign access was revoked")
	}
}

func TestAnEndedOccurrenceDoesNotComeBackWithTheClock(t *testing.T) {
	w := newWorld(t)
	d := asks("a", "alice", "rw", 0, 24*60)
	s, err := grants.ParseSchedule("0 * * * *", "UTC", 30*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	d.Terms[0].Schedule = &s
	w.decide(d)
	w.mustPass()
	w.now = start.Add(30 * time.Minute)
	w.mustPass()
	w.now = start.Add(10 * time.Minute)
	if w.mustPass(); len(w.target.held) != 0 {
		t.Fatal("the clock went back and the ended occurrence came back")
	}
	w.now = start.Add(time.Hour)
	if w.mustPass(); !w.target.held[grant("alice", "rw")] {
		t.Fatal("the next occurrence did not start")
	}
}

// TestCrashAtEveryStep kills the process at each point between two instructions
// that matter, restarts it, and checks that nothing was lost.
func TestCrashAtEveryStep(t *testing.T) {
	for crash := 1; ; crash++ {
		w := newWorld(t)
		w.crash = crash
		w.decide(asks("a", "alice", "rw", 0, 60), asks("b", "bob", "ro", 0, 90))
		crashed := false
		for _, minute := range []int{0, 30, 60, 61, 90, 91, 100} {
			w.now = start.Add(time.Duration(minute) * time.Minute)
			_, err, died := w.pass()
			if died {
				crashed = true
				known := map[grants.Grant]bool{}
				w.restart()
				for _, h := range w.holds() {
					known[h.Grant] = true
				}
				for g := range w.target.held {
					if !known[g] {
						t.Fatalf("crash at step %d: the ledger does not know of %s", crash, g)
					}
				}
				_, err, _ = w.pass()
			}
			if err != nil {
				t.Fatalf("crash at step %d: %v", crash, err)
			}
			if minute >= 60 && w.target.held[grant("alice", "rw")] || minute >= 90 && w.target.held[grant("bob", "ro")] {
				t.Fatalf("crash at step %d: access outlived its window", crash)
			}
			if minute < 60 && !w.target.held[grant("alice", "rw")] {
				t.Fatalf("crash at step %d: access is missing at minute %d", crash, minute)
			}
		}
		// Acts that were under way at the crash keep holds owned until their
		// deadline, which is past by now.
		if holds := w.holds(); len(holds) != 0 {
			t.Fatalf("crash at step %d: holds are left: %v", crash, holds)
		}
		if err := w.led.Verify(t.Context()); err != nil {
			t.Fatalf("crash at step %d: %v", crash, err)
		}
		if !crashed {
			if crash < 10 {
				t.Fatalf("only %d steps were seen", crash-1)
			}
			return
		}
	}
}
