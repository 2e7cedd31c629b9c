package ledgertest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

func holdsRoundTrip(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "orders-db")
	full := Hold("orders-db", 1)
	full.State, full.PreExisting, full.Failures = grants.StateRevoking, true, 3
	full.Deadline, full.Revoked, full.RetryAt = T0().Add(time.Second), T0().Add(2*time.Second), T0().Add(3*time.Second)
	full.LastError = "orders-db: connection refused"
	bare := Hold("orders-db", 2)
	bare.Holders, bare.Until = nil, time.Time{}
	other := Hold("billing-db", 3)
	ok(t, l.Commit(t.Context(), lease, ledger.Batch{Put: []grants.Hold{full, other, bare}}))

	got := must(l.Holds(t.Context(), ""))(t)
	if want := []grants.Hold{other, full, bare}; !reflect.DeepEqual(got, want) {
		t.Errorf("all holds:\n got %+v\nwant %+v", got, want)
	}
	got = must(l.Holds(t.Context(), "orders-db"))(t)
	if want := []grants.Hold{full, bare}; !reflect.DeepEqual(got, want) {
		t.Errorf("holds of one target:\n got %+v\nwant %+v", got, want)
	}

	full.State, full.LastError = grants.StateHeld, ""
	ok(t, l.Commit(t.Context(), lease, ledger.Batch{Put: []grants.Hold{full}, Delete: []grants.Grant{bare.Grant}}))
	got = must(l.Holds(t.Context(), "orders-db"))(t)
	if want := []grants.Hold{full}; !reflect.DeepEqual(got, want) {
		t.Errorf("after replacing one and deleting one:\n got %+v\nwant %+v", got, want)
	}
}

func batchIsAtomic(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "orders-db")
	err := l.Commit(t.Context(), lease, ledger.Batch{
		Put:    []grants.Hold{Hold("orders-db", 1)},
		Drift:  &ledger.DriftReport{Target: "orders-db", Found: []grants.Grant{Hold("orders-db", 2).Grant}},
		Events: []ledger.Event{{Kind: ledger.EventGranted, Data: []byte(`{`)}},
	})
	if err == nil {
		t.Fatal("an event whose data is not JSON was accepted")
	}
	if got := must(l.Holds(t.Context(), ""))(t); len(got) != 0 {
		t.Errorf("holds of a failed batch: %v", got)
	}
	if got := must(l.Drift(t.Context()))(t); len(got) != 0 {
		t.Errorf("drift of a failed batch: %v", got)
	}
	bad := Hold("orders-db", 3)
	bad.Account = "a\xffb"
	if err := l.Commit(t.Context(), lease, ledger.Batch{Put: []grants.Hold{bad}}); err == nil {
		t.Error("a hold was stored under a name that cannot be stored exactly")
	}
}

func oddText(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "orders-db")
	h := Hold("orders-db", 1)
	h.LastError = "bad \xff byte and \x00"
	ok(t, l.Commit(t.Context(), lease, ledger.Batch{
		Put:    []grants.Hold{h},
		Drift:  &ledger.DriftReport{Target: "orders-db", Found: []grants.Grant{{Target: "orders-db", Account: "x\x00", Entitlement: "\xff"}}},
		Events: []ledger.Event{{Kind: ledger.EventRevokeFailed, Account: "x\x00", Data: []byte(`{"err":"\u0000 <&> \u2028 1e400"}`)}},
	}))
	got := must(l.Holds(t.Context(), ""))(t)
	if want := "bad \uFFFD byte and \uFFFD"; got[0].LastError != want {
		t.Errorf("last error %q, want %q", got[0].LastError, want)
	}
	ok(t, l.Verify(t.Context()))
}

func driftSince(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "orders-db")
	one, two, other := Hold("orders-db", 1).Grant, Hold("orders-db", 2).Grant, Hold("billing-db", 1).Grant
	report := func(target string, at time.Time, found ...grants.Grant) {
		t.Helper()
		ok(t, l.Commit(t.Context(), lease, ledger.Batch{Drift: &ledger.DriftReport{Target: target, Found: found, At: at}}))
	}
	report("billing-db", T0(), other)
	report("orders-db", T0(), one)
	report("orders-db", T0().Add(time.Hour), one, two)
	want := []ledger.Drift{{Grant: other, Since: T0()}, {Grant: one, Since: T0()}, {Grant: two, Since: T0().Add(time.Hour)}}
	if got := must(l.Drift(t.Context()))(t); !reflect.DeepEqual(got, want) {
		t.Errorf("drift:\n got %v\nwant %v", got, want)
	}
	report("orders-db", T0().Add(2*time.Hour), two)
	report("orders-db", T0().Add(3*time.Hour), one, two)
	want[1].Since = T0().Add(3 * time.Hour)
	if got := must(l.Drift(t.Context()))(t); !reflect.DeepEqual(got, want) {
		t.Errorf("drift that went and came back:\n got %v\nwant %v", got, want)
	}
	err := l.Commit(t.Context(), lease, ledger.Batch{Drift: &ledger.DriftReport{Target: "orders-db", Found: []grants.Grant{other}}})
	if err == nil {
		t.Error("a report of one target with drift of another was accepted")
	}
}

func leaseExcludes(t *testing.T, b Backend) {
	l, url := open(t, b)
	first := acquire(t, l, "orders-db")
	if _, err := l.Acquire(t.Context(), "orders-db"); !errors.Is(err, ledger.ErrLeased) {
		t.Errorf("second lease: %v, want ErrLeased", err)
	}
	acquire(t, l, "billing-db")
	if b.Shared {
		other := openAt(t, b, url)
		if _, err := other.Acquire(t.Context(), "orders-db"); !errors.Is(err, ledger.ErrLeased) {
			t.Errorf("lease of a second replica: %v, want ErrLeased", err)
		}
	} else if _, err := b.Open(t.Context(), url, T0); err == nil {
		t.Error("the ledger was opened twice")
	}
	ok(t, first.Release(t.Context()))
	select {
	case <-first.Lost():
	default:
		t.Error("a released lease does not say that it is lost")
	}
	second := acquire(t, l, "orders-db")
	if second.Fence() <= first.Fence() {
		t.Errorf("fence %d after %d", second.Fence(), first.Fence())
	}
	if second.Name() != "orders-db" {
		t.Errorf("name %q", second.Name())
	}
	ok(t, first.Release(t.Context())) // again: no error, and not the other's lease
	if _, err := l.Acquire(t.Context(), "orders-db"); !errors.Is(err, ledger.ErrLeased) {
		t.Errorf("releasing twice freed somebody else's lease: %v", err)
	}
}

func leaseFences(t *testing.T, b Backend) {
	l, url := open(t, b)
	lease := acquire(t, l, "orders-db")
	// Somebody else got the lease and this worker has not heard of it.
	b.Raw(t, url, `UPDATE leases SET fence = fence + 1 WHERE name = 'orders-db'`)
	if err := l.Commit(t.Context(), lease, ledger.Batch{Put: []grants.Hold{Hold("orders-db", 1)}}); !errors.Is(err, ledger.ErrLostLease) {
		t.Errorf("commit: %v, want ErrLostLease", err)
	}
	if err := l.TakeIn(t.Context(), lease, ledger.IntakeBatch{Head: "abc"}); !errors.Is(err, ledger.ErrLostLease) {
		t.Errorf("take in: %v, want ErrLostLease", err)
	}
	if got := must(l.Holds(t.Context(), ""))(t); len(got) != 0 {
		t.Errorf("a lost lease wrote %v", got)
	}
	ok(t, lease.Release(t.Context()))
	lease = acquire(t, l, "orders-db")
	ok(t, lease.Release(t.Context()))
	if err := l.Commit(t.Context(), lease, ledger.Batch{}); !errors.Is(err, ledger.ErrLostLease) {
		t.Errorf("commit after release: %v, want ErrLostLease", err)
	}
}
