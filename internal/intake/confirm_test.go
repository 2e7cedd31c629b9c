package intake

import (
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/ledger"
)

// unconfirmed fails the test if anything that was confirmed has not been acted on.
func (w *world) unconfirmed() {
	w.t.Helper()
	got, err := w.led.Confirmed(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if len(got) != 0 {
		w.t.Errorf("still confirmed: %v", got)
	}
}

func TestAWordOnRemovalsTrustsNothing(t *testing.T) {
	w := strictWorld(t, chained)
	w.pass()
	w.hub.down = true
	c := w.commit(with(chained, leads, group("leads", "mallory")))
	if err := w.led.ConfirmRemovals(t.Context(), c, "olivia"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.pass()
		w.now = w.now.Add(time.Hour)
	}
	if w.in.view.config[leads] != blob(chained[leads]) {
		t.Error("configuration came into force by a word on removals")
	}
}

func TestAWordOnAnEmptiedTreeTrustsNothing(t *testing.T) {
	w := strictWorld(t, chained)
	all := with(with(chained, "requests/a.yaml", request("alice", "1h")), "requests/b.yaml", request("alice", "1h"))
	w.commit(all)
	w.pass()
	w.hub.down = true
	c := w.commit(with(chained, leads, group("leads", "mallory"))) // takes both requests away
	w.pass()
	if got := w.confirm(c); !slices.Equal(got, []ledger.Reason{ledger.Emptied}) {
		t.Fatalf("confirmed for %v", got)
	}
	w.now = w.now.Add(time.Hour)
	if r := w.pass(); r.Head != c || len(w.in.view.records) != 0 {
		t.Fatalf("it was not taken in: %+v", r)
	}
	w.now = w.now.Add(time.Hour)
	if w.pass(); w.in.view.config[leads] != blob(chained[leads]) {
		t.Fatal("configuration came into force by a word on requests")
	}
	if got := w.confirm(c); !slices.Equal(got, []ledger.Reason{ledger.Trusted}) {
		t.Errorf("confirmed for %v", got)
	}
	w.now = w.now.Add(time.Hour)
	if w.pass(); w.in.view.config[leads] == blob(chained[leads]) {
		t.Error("the word on the configuration was not heard")
	}
	w.unconfirmed()
}

func TestAnEmptiedTreeIsConfirmedOnce(t *testing.T) {
	w := newWorld(t, base)
	both := with(with(base, "requests/a.yaml", request("alice", "1h")), "requests/b.yaml", request("bob", "1h"))
	w.commit(both)
	w.pass()
	empty := w.commit(base)
	w.pass()
	w.confirm(empty)
	if r := w.pass(); r.Head != empty || len(w.in.view.records) != 0 {
		t.Fatalf("%+v", r)
	}
	w.unconfirmed()
}

func TestAWordOnARewrittenHeadFollowsItOnce(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	all := w.commits
	back := func() {
		w.commits = all[:1]
		if r := w.pass(); r.Diverged != all[0] {
			t.Fatalf("%+v", r)
		}
	}
	back()
	w.confirm(all[0])
	if r := w.pass(); r.Diverged != "" {
		t.Fatalf("%+v", r)
	}
	w.unconfirmed()
	w.commits = all
	w.pass()
	back() // a second time, and nobody was asked
	if len(w.in.view.records) != 1 {
		t.Error("a word that had served let the branch move back again")
	}
}

func TestAWordOnARewrittenHeadEndsWhenTheBranchReturns(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	all := w.commits
	w.commits = all[:1]
	w.pass()
	w.confirm(all[0])
	w.commits = all // it came back before the word was heard
	if r := w.pass(); r.Diverged != "" {
		t.Fatalf("%+v", r)
	}
	w.unconfirmed()
	w.commits = all[:1]
	if r := w.pass(); r.Diverged != all[0] {
		t.Errorf("%+v", r)
	}
}

func TestWhatWasTakenAwayDoesNotComeBackWithItsCommit(t *testing.T) {
	w := newWorld(t, base)
	w.commit(with(base, "requests/a.yaml", request("alice", "1h")))
	w.pass()
	all := w.commits
	w.commits = all[:1]
	w.pass()
	w.confirm(all[0])
	w.pass()
	w.commits = all
	for range 2 {
		w.pass()
		v := w.in.view.records["requests/a.yaml"].Versions[0]
		if v.Verdict == nil || !v.Verdict.Final || v.Verdict.Proven {
			t.Fatalf("the same introduction is asked for again: %+v", v)
		}
		w.restart()
	}
}
