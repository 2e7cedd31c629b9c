package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// since is the head since which rw is exclusive in these tests.
var since = strings.Repeat("c", 40)

// own makes rw exclusive, except for the accounts of keep, unless it waits.
func (w *world) own(waits string, keep ...string) {
	w.t.Helper()
	w.scope(ledger.Scope{Target: "db", Entitlement: "rw", Exclusive: true, Since: since, Keep: keep, Waits: waits})
}

func (w *world) scope(scopes ...ledger.Scope) {
	w.t.Helper()
	w.decide() // takes the lease
	if err := w.led.TakeIn(w.t.Context(), w.intake, ledger.IntakeBatch{Scopes: scopes}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) confirmStrangers(id string) {
	w.t.Helper()
	if err := w.led.ConfirmStrangers(w.t.Context(), id, "an operator"); err != nil {
		w.t.Fatal(err)
	}
}

// settled passes until nothing is left to do at once.
func (w *world) settled() {
	w.t.Helper()
	if err := w.engine.workers[0].once(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// has fails the test unless exactly these accounts have rw on the target.
func (w *world) has(accounts ...string) {
	w.t.Helper()
	var got []string
	for g := range w.target.held {
		got = append(got, g.Account)
	}
	slices.Sort(got)
	if !slices.Equal(got, accounts) {
		w.t.Fatalf("rw is held by %q, want %q", got, accounts)
	}
}

func (w *world) place(accounts ...string) {
	for _, a := range accounts {
		w.target.held[grant(a, "rw")] = true
	}
}

// lists returns what the guard waits for, from the chain.
func (w *world) lists() (ids []string) {
	w.t.Helper()
	events, err := w.led.Events(w.t.Context(), ledger.Filter{Kinds: []string{ledger.EventWithheld}})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range events {
		var d struct{ Confirm, Cause string }
		if json.Unmarshal(e.Data, &d) == nil && d.Cause == string(grants.CauseExclusive) {
			ids = append(ids, d.Confirm)
		}
	}
	return ids
}

func TestTheFirstListOfStrangersWaitsForAWord(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.settled()
	w.place("mallory", "dba")
	w.own("", "dba")
	w.settled()
	w.has("alice", "dba", "mallory")
	if got := w.lists(); !slices.Equal(got, []string{since}) {
		t.Fatalf("waits for %q", got)
	}
	drift, err := w.led.Drift(t.Context())
	if err != nil || len(drift) != 2 {
		t.Fatalf("drift %v, %v", drift, err)
	}
	if got := w.engine.Withheld(); len(got) != 0 {
		t.Fatalf("a review of the role's commit would confirm %q", got)
	}
	// The word for what a commit takes away is another one.
	if err := w.led.ConfirmRemovals(t.Context(), since, "bob"); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.has("alice", "dba", "mallory")
	w.confirmStrangers(since)
	w.settled()
	w.has("alice", "dba")
	if h := w.holds(); len(h) != 1 || h[0].Account != "alice" {
		t.Fatalf("holds %+v", h)
	}
	var of []string
	events, _ := w.led.Events(t.Context(), ledger.Filter{Account: "mallory"})
	for _, e := range events {
		of = append(of, e.Kind)
		if !strings.Contains(string(e.Data), "nobody asked for it, and it belongs to Tenure alone") {
			t.Errorf("%s does not say why: %s", e.Kind, e.Data)
		}
	}
	if want := []string{ledger.EventRevokeIntended, ledger.EventRevokeAccepted, ledger.EventRevoked}; !slices.Equal(of, want) {
		t.Errorf("events of mallory: %q", of)
	}
	// From now on at once.
	w.place("eve")
	w.settled()
	w.has("alice", "dba")
	w.now = start.Add(time.Hour)
	w.settled()
	w.has("dba")
}

func TestAFirstListLargerThanTheGuardsLimitGoesWholeOnceConfirmed(t *testing.T) {
	w := newWorld(t)
	for i := range 80 {
		w.place(fmt.Sprintf("user%02d", i))
	}
	w.own("")
	w.settled()
	w.confirmStrangers(since)
	w.settled()
	w.has()
}

func TestManyLaterStrangersWaitForAWordOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	w.own("")
	w.confirmStrangers(since)
	w.settled() // an empty list
	for i := range 51 {
		w.place(fmt.Sprintf("user%02d", i))
	}
	w.settled()
	if len(w.target.held) != 51 {
		t.Fatalf("%d are left", len(w.target.held))
	}
	ids := w.lists()
	if len(ids) != 1 || ids[0] == since || len(ids[0]) != 40 {
		t.Fatalf("waits for %q", ids)
	}
	w.place("user51") // it is another list now
	w.confirmStrangers(ids[0])
	w.settled()
	if len(w.target.held) != 52 {
		t.Fatalf("%d are left: the list that was confirmed is another one", len(w.target.held))
	}
	w.confirmStrangers(w.lists()[1])
	w.settled()
	w.has()
}

// Nobody loses what nobody gave while the state is not sure.
func TestStrangersAreLeftWhileTheStateIsNotSure(t *testing.T) {
	ready := func(t *testing.T) *world {
		w := newWorld(t)
		w.own("")
		w.confirmStrangers(since)
		w.settled()
		w.place("mallory")
		return w
	}
	t.Run("a proof is awaited", func(t *testing.T) {
		w := ready(t)
		w.own("the proof of requests/a.yaml cannot be read yet")
		w.settled()
		w.has("mallory")
	})
	t.Run("the branch diverged", func(t *testing.T) {
		w := ready(t)
		head := "h"
		if err := w.led.TakeIn(t.Context(), w.intake, ledger.IntakeBatch{Diverged: &head}); err != nil {
			t.Fatal(err)
		}
		w.settled()
		w.has("mallory")
	})
	t.Run("the target is paused", func(t *testing.T) {
		w := ready(t)
		if err := w.led.Pause(t.Context(), "db", "an operator"); err != nil {
			t.Fatal(err)
		}
		w.settled()
		w.has("mallory")
		if err := w.led.Resume(t.Context(), "db", "an operator"); err != nil {
			t.Fatal(err)
		}
		w.settled()
		w.has()
	})
	t.Run("the target cannot be read", func(t *testing.T) {
		w := ready(t)
		w.target.blind = true
		if _, err, _ := w.pass(); err == nil {
			t.Fatal("the pass saw nothing wrong")
		}
		if len(w.target.acts) != 0 {
			t.Fatalf("acts %q", w.target.acts)
		}
	})
	t.Run("the wall clock jumped", func(t *testing.T) {
		w := ready(t)
		s, err := w.engine.workers[0].read(t.Context(), w.now)
		if err != nil {
			t.Fatal(err)
		}
		s.starts = false
		if err := w.engine.workers[0].settle(t.Context(), s, view{found: []grants.Grant{grant("mallory", "rw")}}); err != nil {
			t.Fatal(err)
		}
		w.has("mallory")
	})
	t.Run("another entitlement", func(t *testing.T) {
		w := ready(t)
		w.settled()
		w.scope(ledger.Scope{Target: "db", Entitlement: "rw", Exclusive: true, Since: since}, ledger.Scope{Target: "db", Entitlement: "ro"})
		w.target.held[grant("mallory", "ro")] = true
		w.settled()
		w.has("mallory")
	})
	t.Run("a name that cannot be stored", func(t *testing.T) {
		w := ready(t)
		w.place("odd\xff")
		w.settled()
		w.has("odd\xff")
	})
}

func TestAnAdoptedAccessIsAStrangersOnceItsRequestIsOver(t *testing.T) {
	w := newWorld(t)
	w.own("")
	w.confirmStrangers(since)
	w.place("alice")
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.settled()
	w.has("alice")
	if h := w.holds(); len(h) != 1 || !h[0].PreExisting {
		t.Fatalf("holds %+v", h)
	}
	w.now = start.Add(time.Hour)
	w.settled()
	w.has()
}

func TestAStrangersRevokeIsTriedAgainUntilItIsReadBack(t *testing.T) {
	w := newWorld(t)
	w.own("")
	w.confirmStrangers(since)
	w.settled()
	w.place("mallory")
	w.target.deaf = true // it happens, and the answer is lost
	if _, err, _ := w.pass(); err == nil {
		t.Fatal("the pass saw nothing wrong")
	}
	if h := w.holds(); len(h) != 1 || !h[0].Stranger() || h[0].Failures != 1 {
		t.Fatalf("holds %+v", h)
	}
	w.restart()
	w.target.deaf = false
	w.now = w.now.Add(2 * time.Minute)
	w.settled()
	w.has()
	if h := w.holds(); len(h) != 0 {
		t.Fatalf("holds %+v", h)
	}
	if n := len(w.target.acts); n != 2 {
		t.Fatalf("acts %q: what failed is tried again although it is gone", w.target.acts)
	}
}

// lying is a target that accepts revokes and does nothing.
type lying struct {
	*memory
	asked *int
}

func (l lying) Revoke(context.Context, grants.Grant) error { *l.asked++; return nil }

func TestAStrangersRevokeThatDoesNotLastIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	w.own("")
	w.confirmStrangers(since)
	w.settled()
	w.place("mallory")
	asked := 0
	w.engine.workers[0].conn = lying{w.target, &asked}
	w.settled()
	if h := w.holds(); asked != 1 || len(h) != 1 || h[0].LastError == "" || h[0].RetryAt.IsZero() {
		t.Fatalf("asked %d times; holds %+v", asked, h)
	}
	w.now = w.now.Add(2 * time.Minute)
	w.settled()
	if asked != 2 {
		t.Fatalf("asked %d times", asked)
	}
	w.engine.workers[0].conn = w.target
	w.now = w.now.Add(4 * time.Minute)
	w.settled()
	w.has()
	if h := w.holds(); len(h) != 0 {
		t.Fatalf("holds %+v", h)
	}
}

func TestABegunRevokeStopsWhenTheAccountIsToBeKept(t *testing.T) {
	for name, f := range map[string]func(*world){
		"kept":                func(w *world) { w.own("", "mallory") },
		"no longer exclusive": func(w *world) { w.scope(ledger.Scope{Target: "db", Entitlement: "rw"}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.own("")
			w.confirmStrangers(since)
			w.settled()
			w.place("mallory")
			w.target.down = true
			w.target.blind = false
			w.engine.workers[0].conn = seeing{w.target}
			if _, err, _ := w.pass(); err == nil {
				t.Fatal("the pass saw nothing wrong")
			}
			w.target.down = false
			f(w)
			w.now = w.now.Add(2 * time.Minute)
			w.settled()
			w.has("mallory")
			if h := w.holds(); len(h) != 0 {
				t.Fatalf("holds %+v", h)
			}
			if len(w.target.acts) != 0 {
				t.Fatalf("acts %q", w.target.acts)
			}
		})
	}
}

// seeing is a target that can be looked at although its acts fail.
type seeing struct{ *memory }

func (s seeing) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	down := s.memory.down
	s.memory.down = false
	defer func() { s.memory.down = down }()
	return s.memory.Observe(ctx, scope)
}

func TestAStrangerWhoIsGrantedMeanwhileIsNoStranger(t *testing.T) {
	w := newWorld(t)
	w.own("")
	w.confirmStrangers(since)
	w.settled()
	w.place("mallory")
	w.target.down = true
	w.engine.workers[0].conn = seeing{w.target}
	_, _, _ = w.pass()
	w.target.down = false
	w.decide(asks("m", "mallory", "rw", 0, 60))
	w.now = w.now.Add(2 * time.Minute)
	w.settled()
	w.has("mallory")
	if h := w.holds(); len(h) != 1 || h[0].State != grants.StateHeld || h[0].PreExisting {
		t.Fatalf("holds %+v", h)
	}
	w.now = start.Add(time.Hour)
	w.settled()
	w.has()
}

// A kill at any instruction leaves no stranger who was half revoked and forgotten,
// and no grant of a request that is taken for a stranger's.
func TestStrangersSurviveACrashAtEveryStep(t *testing.T) {
	for crash := 1; ; crash++ {
		w := newWorld(t)
		w.own("")
		w.confirmStrangers(since)
		w.settled()
		w.place("mallory")
		w.decide(asks("a", "alice", "rw", 0, 60))
		w.steps, w.crash = 0, crash
		crashed := false
		for range 10 {
			var err error
			if _, err, crashed = w.pass(); crashed || err != nil {
				break
			}
		}
		if !crashed {
			if crash < 10 {
				t.Fatalf("only %d steps", crash)
			}
			return
		}
		w.restart()
		w.now = w.now.Add(2 * time.Minute)
		w.settled()
		w.has("alice")
		if h := w.holds(); len(h) != 1 || h[0].Account != "alice" || h[0].PreExisting {
			t.Fatalf("crash at step %d: holds %+v", crash, h)
		}
		w.now = start.Add(time.Hour)
		w.settled()
		w.has()
		if err := w.led.Close(); err != nil && !errors.Is(err, errDown) {
			t.Fatal(err)
		}
	}
}
