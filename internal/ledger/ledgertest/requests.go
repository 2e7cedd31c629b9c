package ledgertest

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

func ids(rs []ledger.Request) []string {
	out := []string{}
	for _, r := range rs {
		out = append(out, r.ID)
	}
	return out
}

func requestsRoundTrip(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "intake")
	second, first := request("requests/a.yaml@2", "requests/a.yaml"), request("requests/a.yaml@9", "requests/a.yaml")
	upper := request("Requests/Z.yaml@1", "Requests/Z.yaml")
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Requests: []ledger.Request{first, upper}}))
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Requests: []ledger.Request{second}}))
	first.Live, first.Body = false, []byte(`{"v": 2}`)
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Requests: []ledger.Request{first}}))

	want := []ledger.Request{upper, second, first} // by bytes, whatever the database's collation
	if got := must(l.Requests(t.Context()))(t); !reflect.DeepEqual(got, want) {
		t.Errorf("requests:\n got %+v\nwant %+v", got, want)
	}
	if got := must(l.RequestByPath(t.Context(), "requests/a.yaml"))(t); !reflect.DeepEqual(ids(got), []string{second.ID, first.ID}) {
		t.Errorf("by path: %v, want the newest first", ids(got))
	}
	bad := request("x@1", "x")
	bad.Decision.Request = "y@1"
	if err := l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Requests: []ledger.Request{bad}}); err == nil {
		t.Error("a request with another's decision was accepted")
	}
}

func endedStaysEnded(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "intake")
	r := request("requests/a.yaml@0123456789ab", "requests/a.yaml")
	gone := request("requests/b.yaml@0123456789ab", "requests/b.yaml")
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Requests: []ledger.Request{r, gone}}))
	at := T0().Add(time.Hour)
	ok(t, l.Finish(t.Context(), []string{r.ID, gone.ID}, at, "k1", nil, nil))

	r.Decision.EndedAt, r.EndedAt, r.Revert = time.Time{}, T0().Add(99*time.Hour), "other"
	gone.Live = false
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Requests: []ledger.Request{r, gone}}))

	got := must(l.RequestByPath(t.Context(), r.Path))(t)
	if !got[0].EndedAt.Equal(at) || !got[0].Decision.EndedAt.Equal(at) || got[0].Revert != "k1" {
		t.Errorf("after taking it in again: ended %v, revert %q", got[0].EndedAt, got[0].Revert)
	}
	if got := must(l.Requests(t.Context()))(t); !reflect.DeepEqual(ids(got), []string{r.ID}) {
		t.Errorf("live or not ended: %v", ids(got))
	}
	if got := must(l.AllRequests(t.Context()))(t); !reflect.DeepEqual(ids(got), []string{r.ID, gone.ID}) {
		t.Errorf("all: %v", ids(got))
	}
	if got := must(l.RevertRequests(t.Context(), "k1"))(t); !reflect.DeepEqual(ids(got), []string{r.ID, gone.ID}) {
		t.Errorf("of the revert: %v", ids(got))
	}

	// The decision of a request that is gone is needed while it holds something.
	ds := must(l.Decisions(t.Context()))(t)
	if len(ds) != 1 || ds[0].Request != r.ID || !ds[0].EndedAt.Equal(at) {
		t.Errorf("decisions: %+v", ds)
	}
	h := Hold("orders-db", 1)
	h.Holders = []grants.Holder{{Request: gone.ID, Path: gone.Path, Until: at}}
	ok(t, l.Commit(t.Context(), lease, ledger.Batch{Put: []grants.Hold{h}}))
	if ds := must(l.Decisions(t.Context()))(t); len(ds) != 2 || ds[1].Request != gone.ID {
		t.Errorf("decisions with a hold of a request that is gone: %+v", ds)
	}
}

// endedByDecision: an end that the decision itself carries is kept, and the request
// has yet to be finished.
func endedByDecision(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "intake")
	r := request("requests/a.yaml@0123456789ab", "requests/a.yaml")
	over, floor := T0().Add(time.Minute), T0().Add(30*time.Second)
	r.Decision.EndedAt, r.Decision.Floor = over, floor
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Requests: []ledger.Request{r}}))
	check := func(what string, ended, floor time.Time, finished bool) {
		t.Helper()
		got := must(l.Requests(t.Context()))(t)[0]
		for _, d := range []grants.Decision{got.Decision, must(l.Decisions(t.Context()))(t)[0]} {
			if !d.EndedAt.Equal(ended) || !d.Floor.Equal(floor) || d.Finished != finished {
				t.Errorf("%s: ended %v, floor %v, finished %v; want %v, %v, %v", what, d.EndedAt, d.Floor, d.Finished, ended, floor, finished)
			}
		}
		if !got.EndedAt.IsZero() != finished {
			t.Errorf("%s: the row ended at %v", what, got.EndedAt)
		}
	}
	check("taken in", over, floor, false)
	for i, want := range []time.Time{floor, T0().Add(40 * time.Second)} {
		at := T0().Add(time.Duration(20+20*i) * time.Second)
		ok(t, l.Commit(t.Context(), lease, ledger.Batch{Floors: map[string]time.Time{r.ID: at}}))
		check("with a floor", over, want, false)
	}
	at := T0().Add(time.Hour)
	ok(t, l.Finish(t.Context(), []string{r.ID}, at, "k1", nil, nil))
	check("finished", at, T0().Add(40*time.Second), true)
}

func finishIdempotent(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "intake")
	one, two := request("a@1", "a"), request("b@1", "b")
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Requests: []ledger.Request{one, two}}))
	events := []ledger.Event{
		{Kind: ledger.EventEnded, Request: one.ID}, {Kind: ledger.EventEnded, Request: two.ID}, {Kind: "note"},
	}
	finish := func(at time.Time, key string, ids ...string) int {
		t.Helper()
		before := must(l.ChainHead(t.Context()))(t).Seq
		ok(t, l.Finish(t.Context(), ids, at, key, events, []ledger.Job{{Kind: "revert"}}))
		return int(must(l.ChainHead(t.Context()))(t).Seq - before)
	}
	if n := finish(T0(), "k1", one.ID, "unknown@1"); n != 2 {
		t.Errorf("first: %d events, want the one of the request and the one of none", n)
	}
	if n := finish(T0().Add(time.Hour), "k2", one.ID, two.ID); n != 2 {
		t.Errorf("second: %d events, want those of the newly ended request", n)
	}
	if n := finish(T0().Add(2*time.Hour), "k3", one.ID, two.ID); n != 0 {
		t.Errorf("third: %d events, want none", n)
	}
	for i, want := range []string{"k1", "k2"} {
		r := must(l.AllRequests(t.Context()))(t)[i]
		if at := T0().Add(time.Duration(i) * time.Hour); r.Revert != want || !r.EndedAt.Equal(at) {
			t.Errorf("%s: revert %q at %v, want %q at %v", r.ID, r.Revert, r.EndedAt, want, at)
		}
	}
}

func configStates(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "intake")
	files := map[string]string{"roles/a.yaml": "1111", "people/alice.yaml": "2222"}
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{States: []ledger.ConfigState{
		{Commit: "c1", Files: files}, {Commit: "c2", Files: files}, {Commit: "c3"},
	}}))
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{States: []ledger.ConfigState{{Commit: "c1", Files: map[string]string{"x": "y"}}}}))
	for commit, want := range map[string]map[string]string{"c1": files, "c2": files, "c3": {}} {
		s, found, err := l.ConfigState(t.Context(), commit)
		ok(t, err)
		if !found || s.Commit != commit || !reflect.DeepEqual(s.Files, want) {
			t.Errorf("%s: %v %+v, want %v", commit, found, s, want)
		}
	}
	if _, found, err := l.ConfigState(t.Context(), "c4"); found || err != nil {
		t.Errorf("unknown commit: %v %v", found, err)
	}
}

// statesAgain: a commit that is taken in again, after the branch was rewritten, has
// another state.
func statesAgain(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "intake")
	one, two := map[string]string{"roles/a.yaml": "1111"}, map[string]string{"roles/a.yaml": "2222"}
	state := func(commit string, want map[string]string) {
		t.Helper()
		s, found, err := l.ConfigState(t.Context(), commit)
		ok(t, err)
		if found != (want != nil) || found && !reflect.DeepEqual(s.Files, want) {
			t.Errorf("%s: %v %+v, want %v", commit, found, s, want)
		}
	}
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{States: []ledger.ConfigState{
		{Commit: "c1", Files: one}, {Commit: "c2", Files: one}, {Commit: "c3", Files: one, Replace: true},
	}}))
	state("c3", one)
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{
		Forget: []string{"c2", "c3", "c4"},
		States: []ledger.ConfigState{{Commit: "c1", Files: two, Replace: true}, {Commit: "c3", Files: two}},
	}))
	state("c1", two)
	state("c2", nil)
	state("c3", two)
}

func headKept(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "intake")
	take := func(batch ledger.IntakeBatch, want ledger.Head) {
		t.Helper()
		ok(t, l.TakeIn(t.Context(), lease, batch))
		if got := must(l.Head(t.Context()))(t); got != want {
			t.Errorf("head %+v, want %+v", got, want)
		}
	}
	away, back := "h2", ""
	take(ledger.IntakeBatch{Head: "h1"}, ledger.Head{Accepted: "h1"})
	take(ledger.IntakeBatch{}, ledger.Head{Accepted: "h1"})
	take(ledger.IntakeBatch{Diverged: &away}, ledger.Head{Accepted: "h1", Diverged: "h2"})
	take(ledger.IntakeBatch{}, ledger.Head{Accepted: "h1", Diverged: "h2"})
	take(ledger.IntakeBatch{Head: "h2", Diverged: &back}, ledger.Head{Accepted: "h2"})
}

func repositoryPinned(t *testing.T, b Backend) {
	l, _ := open(t, b)
	ok(t, l.PinRepository(t.Context(), 7))
	ok(t, l.PinRepository(t.Context(), 7))
	if err := l.PinRepository(t.Context(), 8); err == nil {
		t.Error("another repository was accepted")
	}
	if err := l.PinRepository(t.Context(), 0); err == nil {
		t.Error("no repository was accepted")
	}
	if h := must(l.Head(t.Context()))(t); h.RepositoryID != 7 {
		t.Errorf("pinned %d", h.RepositoryID)
	}
}

func floorsRise(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "x")
	r := request("a@1", "a")
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Requests: []ledger.Request{r}}))
	for _, at := range []time.Duration{2, 3, 1} {
		ok(t, l.Commit(t.Context(), lease, ledger.Batch{Floors: map[string]time.Time{r.ID: T0().Add(at * time.Hour), "unknown@1": T0()}}))
	}
	r.Floor, r.Decision.Floor = T0(), T0() // not the intake's to lower
	ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Requests: []ledger.Request{r}}))
	want := T0().Add(3 * time.Hour)
	got := must(l.Requests(t.Context()))(t)[0]
	if !got.Floor.Equal(want) || !got.Decision.Floor.Equal(want) {
		t.Errorf("floor %v, of the decision %v, want %v", got.Floor, got.Decision.Floor, want)
	}
	if d := must(l.Decisions(t.Context()))(t)[0]; !d.Floor.Equal(want) {
		t.Errorf("floor %v, want %v", d.Floor, want)
	}
}

func scopes(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "intake")
	take := func(s []ledger.Scope, changes bool) {
		t.Helper()
		before := must(l.Version(t.Context()))(t)
		ok(t, l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Scopes: s}))
		if v := must(l.Version(t.Context()))(t); (v != before) != changes {
			t.Errorf("%v: version %d after %d", s, v, before)
		}
	}
	scope := func(target string, want ...string) {
		t.Helper()
		if got := must(l.Scope(t.Context(), target))(t); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", target, got, want)
		}
	}
	on := func(target string, entitlements ...string) (out []ledger.Scope) {
		for _, e := range entitlements {
			out = append(out, ledger.Scope{Target: target, Entitlement: e})
		}
		return out
	}
	take(append(on("orders-db", "role=b", "Role=a", "role=b"), on("billing-db", "role=c")...), true)
	scope("orders-db", "Role=a", "role=b")
	take(nil, false)
	take(append(on("billing-db", "role=c"), on("orders-db", "Role=a", "role=b")...), false)
	scope("orders-db", "Role=a", "role=b")
	take(on("orders-db", "role=d"), true)
	scope("orders-db", "role=d")
	scope("billing-db")
	take([]ledger.Scope{}, true)
	scope("orders-db")
}
