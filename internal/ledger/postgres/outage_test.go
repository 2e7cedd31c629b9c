package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/ledgertest"
	"github.com/tenure-dev/tenure/internal/ledger/postgres"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

func openNew(t *testing.T, url string) *ledger.Ledger {
	t.Helper()
	l, err := postgres.Open(t.Context(), url, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func lease(t *testing.T, l *ledger.Ledger) *ledger.Lease {
	t.Helper()
	got, err := l.Acquire(t.Context(), "orders-db")
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// leaseSoon waits for the server to notice that the session before is gone.
func leaseSoon(t *testing.T, l *ledger.Ledger) *ledger.Lease {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		got, err := l.Acquire(t.Context(), "orders-db")
		if err == nil {
			return got
		}
		if !errors.Is(err, ledger.ErrLeased) || time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func lost(t *testing.T, l *ledger.Lease) {
	t.Helper()
	select {
	case <-l.Lost():
	case <-time.After(20 * time.Second):
		t.Fatal("the lease was lost and does not say so")
	}
}

func one(n int) ledger.Batch {
	h := ledgertest.Hold("orders-db", n)
	return ledger.Batch{Put: []grants.Hold{h}, Events: []ledger.Event{{Kind: ledger.EventGranted, Target: h.Target}}}
}

func TestLedgerWorksAgainAfterAnOutage(t *testing.T) {
	s := pgtest.Start(t, "fsync=on", "full_page_writes=on")
	l := openNew(t, s.CreateDatabase(t, "ledger"))
	first := lease(t, l)
	for round := range 2 {
		if err := l.Commit(t.Context(), first, one(round)); err != nil {
			t.Fatal(err)
		}
		s.Kill()
		if err := l.Commit(t.Context(), first, one(100+round)); err == nil {
			t.Fatal("a write succeeded without a server")
		}
		if _, err := l.Holds(t.Context(), ""); err == nil {
			t.Fatal("a read succeeded without a server")
		}
		lost(t, first)
		if err := l.Commit(t.Context(), first, one(100+round)); err == nil {
			t.Fatal("a write succeeded without a server")
		}
		if _, err := l.Acquire(t.Context(), "orders-db"); err == nil {
			t.Fatal("a lease was given out without a server")
		}
		s.Restart(t)
		if err := l.Commit(t.Context(), first, one(100+round)); !errors.Is(err, ledger.ErrLostLease) {
			t.Errorf("write by the lease from before: %v, want ErrLostLease", err)
		}
		again := lease(t, l)
		if again.Fence() <= first.Fence() {
			t.Errorf("fence %d after %d", again.Fence(), first.Fence())
		}
		first = again
		holds, err := l.Holds(t.Context(), "")
		if err != nil || len(holds) != round+1 {
			t.Errorf("%d holds, %v", len(holds), err)
		}
		if err := l.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestLeaseIsLostWithItsSession(t *testing.T) {
	s := pgtest.Start(t)
	url := s.CreateDatabase(t, "ledger")
	here, there := openNew(t, url), openNew(t, url)
	mine := lease(t, here)
	if _, err := there.Acquire(t.Context(), "orders-db"); !errors.Is(err, ledger.ErrLeased) {
		t.Fatalf("second replica: %v", err)
	}
	s.Exec(t, "ledger", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tenure leases'`)
	// The other replica gets it before this one has noticed; the fence stops this one.
	theirs := leaseSoon(t, there)
	if err := here.Commit(t.Context(), mine, one(1)); !errors.Is(err, ledger.ErrLostLease) {
		t.Errorf("write by the lost lease: %v", err)
	}
	if err := there.Commit(t.Context(), theirs, one(2)); err != nil {
		t.Error(err)
	}
	lost(t, mine)
	if _, err := here.Acquire(t.Context(), "orders-db"); !errors.Is(err, ledger.ErrLeased) {
		t.Errorf("first replica: %v, want ErrLeased", err)
	}
	if err := there.Close(); err != nil {
		t.Fatal(err)
	}
	lost(t, theirs)
	lease(t, here)
}

func TestReplicasMayStartTogether(t *testing.T) {
	s := pgtest.Start(t)
	url := s.CreateDatabase(t, "ledger")
	if _, err := postgres.OpenReadOnly(t.Context(), url, time.Now); err == nil {
		t.Error("an empty database was opened for reading")
	}
	if _, err := postgres.OpenOperator(t.Context(), url, time.Now); err == nil {
		t.Error("an empty database was opened for an operator")
	}
	errs := make(chan error)
	for range 4 {
		go func() {
			l, err := postgres.Open(t.Context(), url, time.Now)
			if err == nil {
				err = errors.Join(l.Pause(t.Context(), "orders-db", "bob"), l.Close())
			}
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	r, err := postgres.OpenReadOnly(t.Context(), url, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if paused, err := r.Paused(t.Context()); err != nil || len(paused) != 1 {
		t.Errorf("reader: %v, %v", paused, err)
	}
	if err := r.Pause(t.Context(), "billing-db", "bob"); err == nil {
		t.Error("a reader wrote")
	}
	o, err := postgres.OpenOperator(t.Context(), url, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := o.Resume(t.Context(), "orders-db", "bob"); err != nil {
		t.Error(err)
	}
}
