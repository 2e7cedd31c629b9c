package ledgertest

import (
	"reflect"
	"testing"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

func exclusive(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "intake")
	diverged, followed := "h9", ""
	rw := func(since, waits string, keep ...string) ledger.Scope {
		return ledger.Scope{Target: "orders-db", Entitlement: "role=rw", Exclusive: true, Keep: keep, Since: since, Waits: waits}
	}
	for _, step := range []struct {
		name   string
		action func() error
		want   []grants.Exclusive
		wakes  bool
	}{
		{"a role becomes exclusive", func() error {
			return l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Scopes: []ledger.Scope{rw("h1", ""), {Target: "orders-db", Entitlement: "role=ro"}}})
		}, []grants.Exclusive{{Entitlement: "role=rw", Keep: []string{}, Commit: "h1"}}, true},
		{"the head moves on", func() error {
			return l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Scopes: []ledger.Scope{rw("h2", ""), {Target: "orders-db", Entitlement: "role=ro"}}})
		}, []grants.Exclusive{{Entitlement: "role=rw", Keep: []string{}, Commit: "h1"}}, false},
		{"its first list is begun", func() error {
			return l.Commit(t.Context(), lease, ledger.Batch{Listed: []ledger.Scope{rw("h1", "")}})
		}, []grants.Exclusive{{Entitlement: "role=rw", Keep: []string{}, Commit: "h1", Listed: true}}, false},
		{"an account is kept, and a proof is awaited", func() error {
			return l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Scopes: []ledger.Scope{rw("h3", "a proof", "dba"), {Target: "billing-db", Entitlement: "role=rw"}}})
		}, []grants.Exclusive{{Entitlement: "role=rw", Keep: []string{"dba"}, Commit: "h1", Listed: true, Waits: "a proof"}}, true},
		{"the branch diverges", func() error { return l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Diverged: &diverged}) },
			[]grants.Exclusive{{Entitlement: "role=rw", Keep: []string{"dba"}, Commit: "h1", Listed: true, Waits: "the branch was rewritten or moved back, and is not followed"}}, true},
		{"it is followed again", func() error { return l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Diverged: &followed}) },
			[]grants.Exclusive{{Entitlement: "role=rw", Keep: []string{"dba"}, Commit: "h1", Listed: true, Waits: "a proof"}}, true},
		{"it is not exclusive any more", func() error {
			return l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Scopes: []ledger.Scope{{Target: "orders-db", Entitlement: "role=rw", Keep: []string{"x"}, Since: "h4", Waits: "x"}}})
		}, nil, true},
		{"and again", func() error {
			return l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Scopes: []ledger.Scope{rw("h5", "")}})
		}, []grants.Exclusive{{Entitlement: "role=rw", Keep: []string{}, Commit: "h5"}}, true},
		{"a list of before is begun late", func() error {
			return l.Commit(t.Context(), lease, ledger.Batch{Listed: []ledger.Scope{rw("h1", "")}})
		}, []grants.Exclusive{{Entitlement: "role=rw", Keep: []string{}, Commit: "h5"}}, false},
	} {
		before := must(l.Version(t.Context()))(t)
		ok(t, step.action())
		if got := must(l.Exclusive(t.Context(), "orders-db"))(t); !reflect.DeepEqual(got, step.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", step.name, got, step.want)
		}
		if woken := must(l.Version(t.Context()))(t) != before; woken != step.wakes {
			t.Errorf("%s: workers woken: %t", step.name, woken)
		}
	}
	if got := must(l.Exclusive(t.Context(), "billing-db"))(t); len(got) != 0 {
		t.Errorf("of another target: %+v", got)
	}
}

func strangersConfirmed(t *testing.T, b Backend) {
	l, _ := open(t, b)
	ok(t, l.ConfirmRemovals(t.Context(), "c1", "bob"))
	ok(t, l.ConfirmStrangers(t.Context(), "c2", "bob"))
	ok(t, l.ConfirmStrangers(t.Context(), "c2", "carol"))
	if got := must(l.StrangersConfirmed(t.Context()))(t); !reflect.DeepEqual(got, map[string]bool{"c2": true}) {
		t.Errorf("strangers: %v", got)
	}
	if got := must(l.RemovalsConfirmed(t.Context()))(t); !reflect.DeepEqual(got, map[string]bool{"c1": true}) {
		t.Errorf("removals: %v", got)
	}
	if err := l.ConfirmStrangers(t.Context(), "", "bob"); err == nil {
		t.Error("no list was confirmed")
	}
	events := must(l.Events(t.Context(), ledger.Filter{Kinds: []string{ledger.EventConfirmed}}))(t)
	if len(events) != 2 {
		t.Errorf("%d confirmations in the chain, want 2", len(events))
	}
}

// A word on a first list covers what was on it, and nothing that becomes exclusive at
// the same head later.
func strangersOfOneHead(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "intake")
	owns := func(entitlements ...string) {
		t.Helper()
		scopes := []ledger.Scope{}
		for _, e := range entitlements {
			scopes = append(scopes, ledger.Scope{Target: "orders-db", Entitlement: e, Exclusive: true, Since: "h1"})
		}
		ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Scopes: scopes}))
	}
	confirmed := func(want bool) {
		t.Helper()
		if got := must(l.StrangersConfirmed(t.Context()))(t); got["h1"] != want {
			t.Errorf("confirmed: %v", got)
		}
	}
	owns("role=rw")
	ok(t, l.ConfirmStrangers(t.Context(), "h1", "bob"))
	owns("role=rw")
	confirmed(true)
	owns("role=rw", "role=ro")
	confirmed(false)
	ok(t, l.ConfirmStrangers(t.Context(), "h1", "bob"))
	confirmed(true)
	owns()
	owns("role=rw")
	confirmed(false)
}
