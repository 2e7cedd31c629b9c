package ledgertest

import (
	"reflect"
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
		{"a confirmation", true, func() error { return l.Confirm(t.Context(), "c", "bob") }},
		{"a confirmation again", false, func() error { return l.Confirm(t.Context(), "c", "bob") }},
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
	ok(t, l.Confirm(t.Context(), "c1", "bob"))
	ok(t, l.Pause(t.Context(), "orders-db", "bob"))
	ok(t, l.Pause(t.Context(), "billing-db", "carol"))
	ok(t, l.Resume(t.Context(), "billing-db", "bob"))
	if got := must(l.Confirmed(t.Context()))(t); !reflect.DeepEqual(got, map[string]bool{"c1": true}) {
		t.Errorf("confirmed %v", got)
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
	if l.Confirm(t.Context(), "", "bob") == nil || l.Pause(t.Context(), "", "bob") == nil {
		t.Error("nothing was confirmed or paused without an error")
	}
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
