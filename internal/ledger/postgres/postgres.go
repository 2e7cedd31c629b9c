// Package postgres opens the ledger in a PostgreSQL database, for several replicas
// of the reconciler. It holds the driver and no statement about access.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/migrate"
)

// The schemes of URLs of such a ledger.
const (
	Scheme     = "postgres"
	SchemeLong = "postgresql"
)

// settings are what every connection of a writer asks the server for. A commit
// waits for the disk; a server that lost sight of a replica ends its session, and
// with it its leases and its transaction, within half a minute; nothing waits for
// ever.
func settings() map[string]string {
	return map[string]string{
		"application_name":                    "tenure",
		"synchronous_commit":                  "on",
		"lock_timeout":                        "10s",
		"statement_timeout":                   "60s",
		"idle_in_transaction_session_timeout": "30s",
		"tcp_keepalives_idle":                 "10",
		"tcp_keepalives_interval":             "5",
		"tcp_keepalives_count":                "3",
		"tcp_user_timeout":                    "25s",
	}
}

// Open opens the ledger, brings it up to this program's schema and refuses a
// connection pooler that shares sessions.
func Open(ctx context.Context, url string, now func() time.Time) (*ledger.Ledger, error) {
	d, err := open(ctx, url, migrateAll)
	if err != nil {
		return nil, err
	}
	return ledger.New(d, now), nil
}

// OpenOperator opens the ledger for what operators write (confirm, pause, resume).
// It leaves the schema alone, so that a newer program does not change it under
// the replicas.
func OpenOperator(ctx context.Context, url string, now func() time.Time) (*ledger.Ledger, error) {
	d, err := open(ctx, url, func(context.Context, *pgx.ConnConfig) error { return nil })
	if err != nil {
		return nil, err
	}
	if err := d.current(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: %w", err), d.Close())
	}
	return ledger.New(d, now), nil
}

// open makes everything that a writer needs; prepare runs before it is used.
func open(ctx context.Context, url string, prepare func(context.Context, *pgx.ConnConfig) error) (*db, error) {
	cfg, err := config(url)
	if err != nil {
		return nil, err
	}
	// First without any settings, which a pooler refuses with a riddle.
	if err := checkDirect(ctx, cfg.ConnConfig); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	for k, v := range settings() {
		cfg.ConnConfig.RuntimeParams[k] = v
	}
	if err := prepare(ctx, cfg.ConnConfig); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	d := &db{leases: newLeases(cfg.ConnConfig.Copy())}
	if d.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("ledger: open: %w", err)
	}
	d.river = riverpgxv5.New(d.pool)
	if d.insert, err = river.NewClient(d.river, insertConfig()); err != nil {
		d.pool.Close()
		return nil, fmt.Errorf("ledger: prepare job queue: %w", err)
	}
	return d, nil
}

// OpenReadOnly opens the ledger for looking. Every write fails.
func OpenReadOnly(ctx context.Context, url string, now func() time.Time) (*ledger.Ledger, error) {
	cfg, err := config(url)
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	cfg.ConnConfig.RuntimeParams["application_name"] = "tenure"
	d := &db{}
	if d.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("ledger: open: %w", err)
	}
	if err := d.current(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: %w", err), d.Close())
	}
	return ledger.New(d, now), nil
}

// current refuses a schema that is not this program's.
func (d *db) current(ctx context.Context) error {
	return migrate.Current(ctx, func(ctx context.Context, sql string) (v int64, err error) {
		return v, d.pool.QueryRow(ctx, sql).Scan(&v)
	})
}

// config parses the URL; its errors never show it, because it may hold a password.
func config(url string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("ledger: the PostgreSQL URL cannot be read: want postgres://user@host:port/database?sslmode=verify-full")
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	// Workers, readers and the job queue share the pool; the default is 4.
	if !strings.Contains(url, "pool_max_conns") {
		cfg.MaxConns = max(cfg.MaxConns, 12)
	}
	// A connection that the server closed (restart, fail-over) is found out before
	// it is used, and not by a write that fails.
	cfg.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return true }
	cfg.PingTimeout = 5 * time.Second
	return cfg, nil
}

// migrateLock is the advisory lock that makes replicas migrate one after another.
const migrateLock = 0x74656e7572650001

// migrateAll brings the ledger's and the job queue's tables up to date.
func migrateAll(ctx context.Context, cc *pgx.ConnConfig) (err error) {
	cc = cc.Copy()
	// Waiting for another replica that migrates is fine.
	cc.RuntimeParams["lock_timeout"], cc.RuntimeParams["statement_timeout"] = "0", "0"
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	// Closing gives the lock back.
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, int64(migrateLock)); err != nil {
		return fmt.Errorf("wait for other replicas to migrate: %w", err)
	}
	std := stdlib.OpenDB(*cc)
	defer func() { err = errors.Join(err, std.Close()) }()
	if err := migrate.Up(ctx, goose.DialectPostgres, std); err != nil {
		return err
	}
	pc, err := pgxpool.ParseConfig("")
	if err != nil {
		return err
	}
	pc.ConnConfig, pc.MaxConns = cc, 2
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer pool.Close()
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: quiet()})
	if err != nil {
		return fmt.Errorf("prepare job queue: %w", err)
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate job queue: %w", err)
	}
	return nil
}

// insertConfig is for the client that only inserts. River announces jobs at most
// once a FetchCooldown and lets the others wait for the next poll: here each commit
// is announced.
func insertConfig() *river.Config {
	return &river.Config{Logger: quiet(), FetchCooldown: river.FetchCooldownMin}
}

// quiet is for the clients that only insert and migrate: what goes wrong there is
// returned as an error.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
