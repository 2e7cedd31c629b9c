package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/tenure-dev/tenure/internal/jobs"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// db implements ledger.Database on a pool of connections, and one connection of
// its own that holds the leases.
type db struct {
	pool   *pgxpool.Pool
	river  *riverpgxv5.Driver
	insert *river.Client[pgx.Tx]
	leases *leases // nil: read only
}

// A server that vanished without a word must not hang its callers: this bounds a
// transaction, whatever the caller's context says. Reading the whole chain may
// take long, writing never does.
const (
	viewTimeout   = 5 * time.Minute
	updateTimeout = time.Minute
)

var errReadOnly = errors.New("ledger is open for reading only")

func (d *db) View(ctx context.Context, f func(ledger.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, viewTimeout)
	defer cancel()
	return d.run(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(t *tx) error { return f(t.reader) })
}

func (d *db) Update(ctx context.Context, f func(ledger.Tx) error) error {
	if d.leases == nil {
		return errReadOnly
	}
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	return d.run(ctx, pgx.TxOptions{}, func(t *tx) error { return f(t) })
}

func (d *db) run(ctx context.Context, opts pgx.TxOptions, f func(*tx) error) error {
	pgTx, err := d.pool.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := f(&tx{reader{pgTx}, d}); err != nil {
		// Also when ctx has ended: the connection goes back clean, or not at all.
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if rerr := pgTx.Rollback(back); rerr != nil && !errors.Is(rerr, pgx.ErrTxClosed) {
			err = errors.Join(err, fmt.Errorf("roll back: %w", rerr))
		}
		return err
	}
	if err := pgTx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (d *db) Lock(ctx context.Context, name string) (ledger.Lock, error) {
	if d.leases == nil {
		return nil, errReadOnly
	}
	return d.leases.take(ctx, name)
}

// Check refuses a pooler that shares sessions.
func (d *db) Check(ctx context.Context) error {
	return checkDirect(ctx, d.pool.Config().ConnConfig)
}

func (d *db) Ping(ctx context.Context) error { return d.pool.Ping(ctx) }

func (d *db) Close() error {
	var err error
	if d.leases != nil {
		err = d.leases.close()
	}
	d.pool.Close()
	return err
}

// RiverClient implements jobs.Host.
func (d *db) RiverClient(cfg *river.Config) (jobs.Client, error) {
	if d.leases == nil {
		return nil, errReadOnly
	}
	return river.NewClient(d.river, cfg)
}

type reader struct{ tx pgx.Tx }

func (r reader) Query(ctx context.Context, row func(func(...any) error) error, text string, args ...any) error {
	rows, err := r.tx.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

type tx struct {
	reader
	db *db
}

func (t *tx) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	tag, err := t.tx.Exec(ctx, text, args...)
	return tag.RowsAffected(), err
}

func (t *tx) ExecMany(ctx context.Context, text string, args [][]any) error {
	if len(args) == 0 {
		return nil
	}
	var b pgx.Batch
	for _, a := range args {
		b.Queue(text, a...)
	}
	return t.tx.SendBatch(ctx, &b).Close()
}

func (t *tx) Enqueue(ctx context.Context, queued []ledger.QueuedJob) error {
	if _, err := t.db.insert.InsertManyFastTx(ctx, t.tx, jobs.Params(queued)); err != nil {
		return fmt.Errorf("insert jobs: %w", err)
	}
	return nil
}
