package open_test

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/intake"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/open"
	"github.com/tenure-dev/tenure/internal/reconcile"
)

var (
	_ reconcile.Ledger = (*ledger.Ledger)(nil)
	_ intake.Ledger    = (*ledger.Ledger)(nil)
)

func TestSchemeChoosesTheDialect(t *testing.T) {
	u := (&url.URL{Scheme: "sqlite", Path: filepath.Join(t.TempDir(), "ledger.db")}).String()
	l, err := open.Open(t.Context(), u, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, err := open.ReadOnly(t.Context(), u, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestErrorsNeverShowAPassword(t *testing.T) {
	for _, u := range []string{
		"", "ledger.db", "mysql://tenure:hunter2@127.0.0.1/x",
		"sqlite://tenure:hunter2@host/x", "sqlite:///hunter2?hunter2=1",
		"postgres://tenure:hunter2@127.0.0.1:x/ledger", "postgres://tenure:hunter2@127.0.0.1:1/ledger",
		"postgresql://tenure:hunter2%zz@127.0.0.1/ledger",
	} {
		for name, f := range map[string]func() (*ledger.Ledger, error){
			"open":      func() (*ledger.Ledger, error) { return open.Open(t.Context(), u, time.Now) },
			"operator":  func() (*ledger.Ledger, error) { return open.Operator(t.Context(), u, time.Now) },
			"read only": func() (*ledger.Ledger, error) { return open.ReadOnly(t.Context(), u, time.Now) },
		} {
			_, err := f()
			if err == nil {
				t.Fatalf("%s: %q was opened", name, u)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
