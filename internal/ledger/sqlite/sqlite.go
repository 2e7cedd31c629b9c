// Package sqlite opens the ledger in a SQLite file: one machine, one process that
// writes, durable without a server. It holds the driver and no statement about
// access.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivermigrate"
	_ "modernc.org/sqlite" // the driver

	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/migrate"
)

// Scheme is how the URL of such a ledger starts: sqlite:///var/lib/tenure/ledger.db
const Scheme = "sqlite"

// Open opens the ledger in a file, which is created with mode 0600. Only one
// process can have it open; a second one gets an error that says so.
func Open(ctx context.Context, rawURL string, now func() time.Time) (*ledger.Ledger, error) {
	path, err := Path(rawURL)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	d := &db{lock: lock, kick: newKicker()}
	if err := d.open(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger %s: %w", path, err), d.Close())
	}
	return ledger.New(d, now), nil
}

func (d *db) open(ctx context.Context, path string) error {
	if err := createPrivate(path); err != nil {
		return err
	}
	if err := d.openPools(ctx, path); err != nil {
		return err
	}
	if err := migrate.Up(ctx, goose.DialectSQLite3, d.write); err != nil {
		return err
	}
	return migrateRiver(ctx, d.river)
}

// openPools makes everything that a writer needs.
func (d *db) openPools(ctx context.Context, path string) (err error) {
	if d.write, err = pool(path, 1, "rw", "immediate", false); err != nil {
		return err
	}
	// The first connection makes it a WAL database; readers cannot.
	if err := d.write.PingContext(ctx); err != nil {
		return err
	}
	if d.read, err = pool(path, 4, "rw", "deferred", true); err != nil {
		return err
	}
	d.river = &driver{Driver: newRiver(d.write), kick: d.kick}
	if d.insert, err = river.NewClient(d.river, &river.Config{Logger: quiet()}); err != nil {
		return fmt.Errorf("prepare job queue: %w", err)
	}
	return nil
}

// OpenOperator opens the ledger for what operators write (confirm, pause, resume),
// also while the reconciler has it open: SQLite makes the two wait for each other.
// It gives out no lease, runs no job and leaves the schema alone.
func OpenOperator(ctx context.Context, rawURL string, now func() time.Time) (*ledger.Ledger, error) {
	path, err := existing(rawURL)
	if err != nil {
		return nil, err
	}
	d := &db{kick: newKicker(), operator: true}
	if err := d.openPools(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger %s: %w", path, err), d.Close())
	}
	if err := d.current(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger %s: %w", path, err), d.Close())
	}
	return ledger.New(d, now), nil
}

// OpenReadOnly opens the ledger for looking, also while another process has it
// open. Every write fails.
func OpenReadOnly(ctx context.Context, rawURL string, now func() time.Time) (*ledger.Ledger, error) {
	path, err := existing(rawURL)
	if err != nil {
		return nil, err
	}
	d := &db{kick: newKicker()}
	if d.read, err = pool(path, 2, "rw", "deferred", true); err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	if err := d.current(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger %s: %w", path, err), d.Close())
	}
	return ledger.New(d, now), nil
}

// current refuses a schema that is not this program's.
func (d *db) current(ctx context.Context) error {
	return migrate.Current(ctx, func(ctx context.Context, sql string) (v int64, err error) {
		return v, d.read.QueryRowContext(ctx, sql).Scan(&v)
	})
}

// existing returns the path of a ledger that is there.
func existing(rawURL string) (string, error) {
	path, err := Path(rawURL)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("ledger: %w", err)
	}
	return path, nil
}

// Path returns the file that a URL names.
func Path(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != Scheme || u.Host != "" || u.RawQuery != "" || u.Fragment != "" || !filepath.IsAbs(u.Path) {
		return "", errors.New("ledger: want sqlite:///absolute/path/of/the/file")
	}
	return filepath.Clean(u.Path), nil
}

// pool opens connections that all have the same settings. Writes are synced to
// the disk before they return; a busy file is waited for, not an error at once.
func pool(path string, size int, mode, begin string, readOnly bool) (*sql.DB, error) {
	q := url.Values{"mode": {mode}, "_txlock": {begin}}
	pragmas := []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "trusted_schema(OFF)"}
	if readOnly {
		pragmas = []string{"busy_timeout(10000)", "query_only(ON)", "trusted_schema(OFF)"}
	}
	q["_pragma"] = pragmas
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	p, err := sql.Open("sqlite", strings.Replace(u.String(), "file://", "file:", 1))
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	p.SetMaxOpenConns(size)
	p.SetMaxIdleConns(size)
	return p, nil
}

// createPrivate makes the file before SQLite does, which would take its mode from
// the umask. The files beside it (-wal, -shm) get the same mode.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Chmod(path, 0o600)
}

func migrateRiver(ctx context.Context, d *driver) error {
	m, err := rivermigrate.New(d, &rivermigrate.Config{Logger: quiet()})
	if err != nil {
		return fmt.Errorf("prepare job queue: %w", err)
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate job queue: %w", err)
	}
	return nil
}
