package postgres_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/ledgertest"
	"github.com/tenure-dev/tenure/internal/ledger/postgres"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

func TestMain(m *testing.M) {
	ledgertest.Child(func(ctx context.Context, url string) (*ledger.Ledger, error) {
		return postgres.Open(ctx, url, time.Now)
	})
	goleak.VerifyTestMain(m)
}

func backend(s *pgtest.Server) ledgertest.Backend {
	var n atomic.Int64
	return ledgertest.Backend{
		Shared: true,
		NewURL: func(t testing.TB) string {
			return s.CreateDatabase(t, fmt.Sprint("ledger", n.Add(1)))
		},
		Open: postgres.Open,
		Raw: func(t testing.TB, url string, statements ...string) {
			t.Helper()
			exec(t, url, statements...)
		},
	}
}

func exec(t testing.TB, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // a test's own
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSuite(t *testing.T) { ledgertest.Run(t, backend(pgtest.Start(t))) }

func BenchmarkCommit(b *testing.B) { ledgertest.BenchmarkCommit(b, backend(pgtest.Start(b))) }
