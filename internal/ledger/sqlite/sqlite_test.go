package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/ledgertest"
	"github.com/tenure-dev/tenure/internal/ledger/sqlite"
)

func TestMain(m *testing.M) {
	ledgertest.Child(func(ctx context.Context, url string) (*ledger.Ledger, error) {
		return sqlite.Open(ctx, url, time.Now)
	})
	goleak.VerifyTestMain(m)
}

func backend() ledgertest.Backend {
	return ledgertest.Backend{
		NewURL: func(t testing.TB) string {
			return (&url.URL{Scheme: "sqlite", Path: filepath.Join(t.TempDir(), "ledger.db")}).String()
		},
		Open: sqlite.Open,
		Raw: func(t testing.TB, rawURL string, statements ...string) {
			t.Helper()
			path, err := sqlite.Path(rawURL)
			if err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, s := range statements {
				if _, err := db.ExecContext(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
}

func TestSuite(t *testing.T) { ledgertest.Run(t, backend()) }

func BenchmarkCommit(b *testing.B) { ledgertest.BenchmarkCommit(b, backend()) }

func TestSecondProcessIsRefusedAndReadersAreNot(t *testing.T) {
	b := backend()
	u := b.NewURL(t)
	if _, err := sqlite.OpenReadOnly(t.Context(), u, time.Now); err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading a ledger that is not there: %v", err)
	}
	l, err := sqlite.Open(t.Context(), u, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), u, time.Now); err == nil || !strings.Contains(err.Error(), "another reconciler has it open") {
		t.Errorf("second writer: %v", err)
	}
	look := func() {
		t.Helper()
		r, err := sqlite.OpenReadOnly(t.Context(), u, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		paused, err := r.Paused(t.Context())
		if err != nil || len(paused) != 1 {
			t.Errorf("reader: %v %v", paused, err)
		}
		if err := r.Pause(t.Context(), "billing-db", "bob"); err == nil {
			t.Error("a reader wrote")
		}
		if _, err := r.Acquire(t.Context(), "orders-db"); err == nil {
			t.Error("a reader got a lease")
		}
		if err := r.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := l.Pause(t.Context(), "orders-db", "bob"); err != nil {
		t.Fatal(err)
	}
	look()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	look() // also when nobody has it open
}

func TestOperatorsWriteBesideTheReconciler(t *testing.T) {
	b := backend()
	u := b.NewURL(t)
	if _, err := sqlite.OpenOperator(t.Context(), u, time.Now); err == nil {
		t.Error("a ledger that is not there was opened")
	}
	l, err := sqlite.Open(t.Context(), u, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	lease, err := l.Acquire(t.Context(), "orders-db")
	if err != nil {
		t.Fatal(err)
	}
	before, err := l.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o, err := sqlite.OpenOperator(t.Context(), u, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	const n = 50
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range n {
			if err := o.ConfirmRemovals(t.Context(), fmt.Sprint("commit", i), "bob"); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range n {
		err := l.Commit(t.Context(), lease, ledger.Batch{Put: []grants.Hold{ledgertest.Hold("orders-db", i)},
			Events: []ledger.Event{{Kind: ledger.EventGranted}}, Jobs: []ledger.Job{{Kind: "notice"}}})
		if err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if err := l.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if after, err := l.Version(t.Context()); err != nil || after != before+n {
		t.Errorf("version %d after %d, %v", after, before, err)
	}
	if _, err := o.Acquire(t.Context(), "billing-db"); err == nil {
		t.Error("an operator's command got a lease")
	}
}

func TestFilesAreOnlyForTheOwner(t *testing.T) {
	b := backend()
	u := b.NewURL(t)
	path, err := sqlite.Path(u)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := sqlite.Open(t.Context(), u, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != 4 {
		t.Errorf("files %v (%v), want the ledger, its wal, shm and lock", files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(f), info.Mode())
		}
	}
}

func TestURLNamesAnAbsoluteFile(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"sqlite:///var/lib/tenure/ledger.db", "/var/lib/tenure/ledger.db"},
		{"sqlite:///var/lib/a%20b.db", "/var/lib/a b.db"},
		{"sqlite://ledger.db", ""},
		{"sqlite:ledger.db", ""},
		{"sqlite:///a.db?mode=memory", ""},
		{"postgres:///a", ""},
		{"/var/lib/ledger.db", ""},
	} {
		got, err := sqlite.Path(c.url)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v", c.url, got, err)
		}
	}
}

func TestNewerLedgerIsRefused(t *testing.T) {
	b := backend()
	u := b.NewURL(t)
	l, err := sqlite.Open(t.Context(), u, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b.Raw(t, u, `INSERT INTO tenure_migrations (version_id, is_applied) VALUES (99999, 1)`)
	if _, err := sqlite.Open(t.Context(), u, time.Now); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("open: %v", err)
	}
	if _, err := sqlite.OpenReadOnly(t.Context(), u, time.Now); err == nil || !strings.Contains(err.Error(), "schema version 99999") {
		t.Errorf("open for reading: %v", err)
	}
}
