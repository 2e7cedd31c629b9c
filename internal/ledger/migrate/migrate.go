// Package migrate holds the ledger's schema and brings a database up to it. It
// knows no driver and no row.
package migrate

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed sql/*.sql
var files embed.FS

// Up applies what is missing. It refuses a database that a newer program wrote,
// because its rows may mean something that this one does not know.
func Up(ctx context.Context, dialect goose.Dialect, db *sql.DB) error {
	p, err := provider(dialect, db)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate ledger: %w", err)
	}
	return refuseNewer(ctx, p)
}

// Current returns an error unless the database has exactly this program's schema.
// It writes nothing.
func Current(ctx context.Context, read func(ctx context.Context, sql string) (int64, error)) error {
	have, err := read(ctx, `SELECT MAX(version_id) FROM tenure_migrations WHERE is_applied`)
	if err != nil {
		return fmt.Errorf("read ledger schema version (has `reconciler run` ever used this ledger?): %w", err)
	}
	want, err := latest()
	if err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("ledger has schema version %d, this program needs %d: use the version of the program that runs", have, want)
	}
	return nil
}

func provider(dialect goose.Dialect, db *sql.DB) (*goose.Provider, error) {
	sub, err := fs.Sub(files, "sql")
	if err != nil {
		return nil, fmt.Errorf("open migrations: %w", err)
	}
	p, err := goose.NewProvider(dialect, db, sub, goose.WithDisableGlobalRegistry(true), goose.WithTableName("tenure_migrations"))
	if err != nil {
		return nil, fmt.Errorf("prepare migrations: %w", err)
	}
	return p, nil
}

func refuseNewer(ctx context.Context, p *goose.Provider) error {
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read ledger schema version: %w", err)
	}
	if have > want {
		return fmt.Errorf("ledger has schema version %d, this program knows %d: it was written by a newer program, run that one", have, want)
	}
	return nil
}

// latest is the highest version among the embedded files.
func latest() (int64, error) {
	entries, err := fs.ReadDir(files, "sql")
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	var v int64
	for _, e := range entries {
		n, err := goose.NumericComponent(e.Name())
		if err != nil {
			return 0, fmt.Errorf("migration %s: %w", e.Name(), err)
		}
		v = max(v, n)
	}
	return v, nil
}
