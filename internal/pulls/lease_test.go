package pulls

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/intake"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/sqlite"
)

func TestWhoDoesNotReadTheBranchKeepsNobodyFromPullRequests(t *testing.T) {
	led, err := sqlite.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "ledger.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer led.Close()
	lease, err := led.Acquire(t.Context(), "pulls")
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{
		Forge: struct{ Forge }{}, Ledger: led, Present: func() (intake.Present, bool) { return intake.Present{}, false },
		Canonical: func(string, map[string]any) (string, error) { return "", forge.ErrNotFound }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	d.lease = lease
	if _, err := led.Acquire(t.Context(), "pulls"); !errors.Is(err, ledger.ErrLeased) {
		t.Fatalf("a second lease: %v", err)
	}
	if _, err := d.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := led.Acquire(t.Context(), "pulls")
	if err != nil {
		t.Fatalf("the lease is still held: %v", err)
	}
	if err := again.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}
