// Package open chooses the ledger's dialect by the URL of the configuration. It is
// the only place that knows both.
package open

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/postgres"
	"github.com/tenure-dev/tenure/internal/ledger/sqlite"
)

// errURL never shows the URL: it may hold a password.
var errURL = errors.New("ledger: want sqlite:///absolute/path or postgres://user@host/database")

// Open opens the ledger for the reconciler: it is brought up to this program's
// schema and can be written.
func Open(ctx context.Context, url string, now func() time.Time) (*ledger.Ledger, error) {
	switch scheme(url) {
	case sqlite.Scheme:
		return sqlite.Open(ctx, url, now)
	case postgres.Scheme, postgres.SchemeLong:
		return postgres.Open(ctx, url, now)
	}
	return nil, errURL
}

// Operator opens the ledger for commands that write what an operator decided
// (confirm, pause, resume) while the reconciler runs. Use no leases and no jobs.
func Operator(ctx context.Context, url string, now func() time.Time) (*ledger.Ledger, error) {
	switch scheme(url) {
	case sqlite.Scheme:
		return sqlite.OpenOperator(ctx, url, now)
	case postgres.Scheme, postgres.SchemeLong:
		return postgres.OpenOperator(ctx, url, now)
	}
	return nil, errURL
}

// ReadOnly opens the ledger for commands that only look; it changes nothing, not
// even the schema.
func ReadOnly(ctx context.Context, url string, now func() time.Time) (*ledger.Ledger, error) {
	switch scheme(url) {
	case sqlite.Scheme:
		return sqlite.OpenReadOnly(ctx, url, now)
	case postgres.Scheme, postgres.SchemeLong:
		return postgres.OpenReadOnly(ctx, url, now)
	}
	return nil, errURL
}

func scheme(url string) string {
	s, _, _ := strings.Cut(url, ":")
	return s
}
