package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/riverqueue/river"

	"github.com/tenure-dev/tenure/internal/jobs"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// db implements ledger.Database. Writes share one connection, so that they queue
// in Go instead of colliding in SQLite; reads have their own and never wait for
// a write.
type db struct {
	lock   *os.File
	write  *sql.DB // nil: read only
	read   *sql.DB
	river  *driver
	insert *river.Client[*sql.Tx]
	kick   *kicker
	leases leases

	operator bool // opened beside the process that has the lock
}

var (
	errReadOnly = errors.New("ledger is open for reading only")
	errOperator = errors.New("ledger is open for an operator's command: no leases and no jobs")
)

func (d *db) View(ctx context.Context, f func(ledger.Reader) error) error {
	tx, err := d.read.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // it only read
	return f(reader{tx})
}

func (d *db) Update(ctx context.Context, f func(ledger.Tx) error) error {
	if d.write == nil {
		return errReadOnly
	}
	sqlTx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	t := &tx{reader: reader{sqlTx}, db: d}
	if err := f(t); err != nil {
		if rerr := sqlTx.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
			err = errors.Join(err, fmt.Errorf("roll back: %w", rerr))
		}
		return err
	}
	if err := sqlTx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if t.enqueued {
		d.kick.notify()
	}
	return nil
}

func (d *db) Lock(_ context.Context, name string) (ledger.Lock, error) {
	if d.write == nil {
		return nil, errReadOnly
	}
	if d.operator {
		return nil, errOperator
	}
	return d.leases.take(name)
}

// Check runs SQLite's own check of the file.
func (d *db) Check(ctx context.Context) error {
	var answer string
	if err := d.read.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("the file is damaged: %s", answer)
	}
	return nil
}

func (d *db) Ping(ctx context.Context) error { return d.read.PingContext(ctx) }

// Close also gives the file's lock back.
func (d *db) Close() error {
	d.leases.close()
	var err error
	for _, p := range []*sql.DB{d.read, d.write} {
		if p != nil {
			err = errors.Join(err, p.Close())
		}
	}
	if d.lock != nil {
		err = errors.Join(err, unlockFile(d.lock))
	}
	return err
}

// RiverClient implements jobs.Host.
func (d *db) RiverClient(cfg *river.Config) (jobs.Client, error) {
	if d.write == nil {
		return nil, errReadOnly
	}
	if d.operator {
		return nil, errOperator
	}
	return river.NewClient(d.river, cfg)
}

// quiet is for the clients that only insert and migrate: what goes wrong there is
// returned as an error.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

type reader struct{ tx *sql.Tx }

func (r reader) Query(ctx context.Context, row func(func(...any) error) error, text string, args ...any) error {
	rows, err := r.tx.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err tells
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

type tx struct {
	reader
	db       *db
	enqueued bool
}

func (t *tx) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	res, err := t.tx.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (t *tx) ExecMany(ctx context.Context, text string, args [][]any) error {
	if len(args) == 0 {
		return nil
	}
	stmt, err := t.tx.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	defer stmt.Close() //nolint:errcheck // it did its work
	for _, a := range args {
		if _, err := stmt.ExecContext(ctx, a...); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) Enqueue(ctx context.Context, queued []ledger.QueuedJob) error {
	if _, err := t.db.insert.InsertManyFastTx(ctx, t.tx, jobs.Params(queued)); err != nil {
		return fmt.Errorf("insert jobs: %w", err)
	}
	t.enqueued = true
	return nil
}
