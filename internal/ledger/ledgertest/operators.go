package ledgertest

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/ledger"
)

func versionChanges(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "intake")
	r := request("a@1", "a")
	diverged := "h"
	last := must(l.Version(t.Context()))(t)
	for _, step := range []struct {
		name   string
		bumps  bool
		action func() error
	}{
		{"a commit", false, func() error { return l.Commit(t.Context(), lease, ledger.Batch{Events: []ledger.Event{{Kind: "x"}}}) }},
		{"a head without requests", false, func() error { return l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Head: "h"}) }},
		{"decisions", true, func() error {
			return l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Requests: []ledger.Request{r}})
		}},
		{"divergence", true, func() error { return l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Diverged: &diverged}) }},
		{"an end", true, func() error { return l.Finish(t.Context(), []string{r.ID}, T0(), "k", nil, nil) }},
		{"an end again", false, func() error { return l.Finish(t.Context(), []string{r.ID}, T0(), "k", nil, nil) }},
		{"a confirmation", true, func() error { return l.ConfirmRemovals(t.Context(), "c", "bob") }},
		{"a confirmation again", false, func() error { return l.ConfirmRemovals(t.Context(), "c", "bob") }},
		{"a pause", true, func() error { return l.Pause(t.Context(), "orders-db", "bob") }},
		{"a pause again", false, func() error { return l.Pause(t.Context(), "orders-db", "bob") }},
		{"a resume", true, func() error { return l.Resume(t.Context(), "orders-db", "bob") }},
		{"a resume again", false, func() error { return l.Resume(t.Context(), "orders-db", "bob") }},
	} {
		ok(t, step.action())
		v := must(l.Version(t.Context()))(t)
		if (v != last) != step.bumps || v < last {
			t.Errorf("%s: version %d after %d", step.name, v, last)
		}
		last = v
	}
}

func operators(t *testing.T, b Backend) {
	l, _ := open(t, b)
	ok(t, l.ConfirmRemovals(t.Context(), "c1", "bob"))
	ok(t, l.Pause(t.Context(), "orders-db", "bob"))
	ok(t, l.Pause(t.Context(), "billing-db", "carol"))
	ok(t, l.Resume(t.Context(), "billing-db", "bob"))
	if got := must(l.RemovalsConfirmed(t.Context()))(t); !reflect.DeepEqual(got, map[string]bool{"c1": true}) {
		t.Errorf("removals confirmed: %v", got)
	}
	if got := must(l.Confirmed(t.Context()))(t); len(got) != 0 {
		t.Errorf("removals that were confirmed confirm %v, too", got)
	}
	if got := must(l.Paused(t.Context()))(t); !reflect.DeepEqual(got, map[string]ledger.Pause{"orders-db": {Who: "bob", At: T0()}}) {
		t.Errorf("paused %v", got)
	}
	var kinds []string
	for _, e := range must(l.Events(t.Context(), ledger.Filter{}))(t) {
		kinds = append(kinds, e.Kind)
	}
	want := []string{ledger.EventConfirmed, ledger.EventPaused, ledger.EventPaused, ledger.EventResumed}
	if !reflect.DeepEqual(kinds, want) {
		t.Errorf("events %v, want %v", kinds, want)
	}
	if l.ConfirmRemovals(t.Context(), "", "bob") == nil || l.Pause(t.Context(), "", "bob") == nil {
		t.Error("nothing was confirmed or paused without an error")
	}
}

func confirmations(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "intake")
	take := func(in ledger.IntakeBatch) {
		t.Helper()
		ok(t, l.TakeIn(t.Context(), lease, in))
	}
	confirm := func(commit string, want ...ledger.Reason) {
		t.Helper()
		if got := must(l.Confirm(t.Context(), commit, "bob"))(t); !slices.Equal(got, want) {
			t.Errorf("%s is confirmed for %v, want %v", commit, got, want)
		}
	}
	nothing := func(commit string) {
		t.Helper()
		if _, err := l.Confirm(t.Context(), commit, "bob"); !errors.Is(err, ledger.ErrNothingWaits) {
			t.Errorf("confirming %q says %v", commit, err)
		}
	}
	confirmed := func(want ...ledger.Confirmation) {
		t.Helper()
		got := must(l.Confirmed(t.Context()))(t)
		if len(got) != len(want) {
			t.Errorf("confirmed %v, want %v", got, want)
		}
		for _, c := range want {
			if !got[c] {
				t.Errorf("confirmed %v, not %v", got, c)
			}
		}
	}
	nothing("c1")
	nothing("")
	faults := []ledger.NotInForce{
		{Path: "", Commit: "c2", Why: "no person", Since: T0(), Waits: ledger.Emptied},
		{Path: "groups/a.yaml", Commit: "c1", Why: "waits", Since: T0(), Waits: ledger.Trusted},
		{Path: "groups/b.yaml", Commit: "c1", Why: "waits", Since: T0(), Waits: ledger.Trusted},
		{Path: "groups/c.yaml", Commit: "c3", Pull: 4, Why: "refused", Since: T0()},
	}
	c4 := "c4"
	take(ledger.IntakeBatch{Head: "h1", NotInForce: &faults})
	nothing("c3") // it was refused, and a word does not change that
	nothing("c4")
	take(ledger.IntakeBatch{Diverged: &c4})
	events := len(must(l.Events(t.Context(), ledger.Filter{}))(t))
	confirm("c1", ledger.Trusted)
	confirm("c1", ledger.Trusted)
	confirm("c4", ledger.Rewritten)
	confirm("c2", ledger.Emptied)
	if got := must(l.Events(t.Context(), ledger.Filter{}))(t)[events:]; len(got) != 3 || !strings.Contains(string(got[0].Data), `"head":"h1"`) || !strings.Contains(string(got[0].Data), `"reason":"trust"`) {
		t.Errorf("events %+v", got)
	}
	trust, rewritten, emptied := ledger.Confirmation{Reason: ledger.Trusted, Commit: "c1", Head: "h1"},
		ledger.Confirmation{Reason: ledger.Rewritten, Commit: "c4", Head: "h1"}, ledger.Confirmation{Reason: ledger.Emptied, Commit: "c2", Head: "h1"}
	confirmed(trust, rewritten, emptied)
	if got := must(l.RemovalsConfirmed(t.Context()))(t); len(got) != 0 {
		t.Errorf("these let removals through, too: %v", got)
	}
	ok(t, l.ConfirmRemovals(t.Context(), "c1", "bob"))
	ok(t, l.ConfirmStrangers(t.Context(), "c1", "bob"))
	take(ledger.IntakeBatch{Head: "h2", Spent: []string{"c1"}})
	confirmed(rewritten, emptied)
	followed := ""
	take(ledger.IntakeBatch{Diverged: &followed})
	confirmed()
	if got := must(l.RemovalsConfirmed(t.Context()))(t); !got["c1"] {
		t.Errorf("the word on removals was spent with the others: %v", got)
	}
	if got := must(l.StrangersConfirmed(t.Context()))(t); !got["c1"] {
		t.Errorf("the word on strangers was spent with the others: %v", got)
	}
}

func notInForce(t *testing.T, b Backend) {
	url := b.NewURL(t)
	l := must(b.Open(t.Context(), url, T0))(t)
	lease := acquire(t, l, "intake")
	faults := []ledger.NotInForce{
		{Path: "groups/leads.yaml", Commit: "c1", Pull: 7, Why: "missing: 1 of admins (erin)", Since: T0()},
		{Path: "people/alice.yaml", Commit: "c2", Why: "line 1, column 2: no", Since: T0().Add(time.Hour), Waits: ledger.Trusted},
	}
	expect := func(want []ledger.NotInForce) {
		t.Helper()
		if got := must(l.NotInForce(t.Context()))(t); !reflect.DeepEqual(got, want) {
			t.Errorf("not in force:\n got %+v\nwant %+v", got, want)
		}
	}
	expect(nil)
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{NotInForce: &faults}))
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Head: "h"}))
	expect(faults)
	ok(t, lease.Release(t.Context()))
	ok(t, l.Close())
	l = openAt(t, b, url)
	lease = acquire(t, l, "intake")
	expect(faults)
	odd := []ledger.NotInForce{{Path: "people/alice.yaml", Why: "a\xff\x00b", Since: T0()}}
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{NotInForce: &odd}))
	odd[0].Why = "a\uFFFD\uFFFDb"
	expect(odd)
	undated := []ledger.NotInForce{{Path: "x.yaml"}}
	if l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Head: "h2", NotInForce: &undated}) == nil {
		t.Error("a file without since when was stored")
	}
	expect(odd)
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{NotInForce: new([]ledger.NotInForce)}))
	expect(nil)
}

func reverts(t *testing.T, b Backend) {
	l, _ := open(t, b)
	due := ledger.Revert{Key: "k2", State: "due", Paths: []string{"requests/b.yaml"}, DueAt: T0()}
	opened := ledger.Revert{Key: "k1", Number: 7, URL: "https://forge.example.com/7", State: "open", HeadSHA: "abc", Paths: []string{"requests/a.yaml"}, DueAt: T0().Add(time.Minute)}
	for _, v := range []ledger.Revert{due, opened, opened} {
		ok(t, l.PutRevert(t.Context(), v))
	}
	if got, want := must(l.Reverts(t.Context()))(t), []ledger.Revert{opened, due}; !reflect.DeepEqual(got, want) {
		t.Errorf("reverts:\n got %+v\nwant %+v", got, want)
	}
	due.State = "merged"
	ok(t, l.PutRevert(t.Context(), due))
	if got := must(l.Reverts(t.Context(), "due", "merged"))(t); !reflect.DeepEqual(got, []ledger.Revert{due}) {
		t.Errorf("merged: %+v", got)
	}
	if got := must(l.Reverts(t.Context(), "due"))(t); len(got) != 0 {
		t.Errorf("due: %+v", got)
	}
	if got := must(l.Events(t.Context(), ledger.Filter{Kinds: []string{ledger.EventRevert}}))(t); len(got) != 3 {
		t.Errorf("%d events, want one for each change", len(got))
	}
	if l.PutRevert(t.Context(), ledger.Revert{State: "due"}) == nil {
		t.Error("a revert without a key was stored")
	}
}
