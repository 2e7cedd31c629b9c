package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Ledger is the memory of what was done. It is safe for concurrent use; open one
// with the sub-packages sqlite, postgres or open.
type Ledger struct {
	db  Database
	now func() time.Time
}

// New returns a ledger on a migrated database. It owns db and closes it.
func New(db Database, now func() time.Time) *Ledger { return &Ledger{db: db, now: now} }

// Database returns what the ledger stands on, for package jobs.
func (l *Ledger) Database() Database { return l.db }

// Ping reports whether the database answers.
func (l *Ledger) Ping(ctx context.Context) error { return named("ping", l.db.Ping(ctx)) }

// Check reports whether the database is fit to be a ledger: reachable, and in
// PostgreSQL not behind a pooler that shares one session between clients.
func (l *Ledger) Check(ctx context.Context) error { return named("check", l.db.Check(ctx)) }

// Close releases the database. Leases that are still held are lost.
func (l *Ledger) Close() error { return named("close", l.db.Close()) }

// Version changes with every write that a worker must react to: decisions, ends,
// confirmations, pauses. It never goes down.
func (l *Ledger) Version(ctx context.Context) (int64, error) {
	var v int64
	err := l.db.View(ctx, func(r Reader) error {
		return one(ctx, r, `SELECT version FROM head WHERE id = 1`, nil, &v)
	})
	return v, named("read version", err)
}

// ChainHead is what must be kept outside the ledger to notice that it went back
// in time: a later one has at least these numbers, and this hash at Seq.
type ChainHead struct {
	Seq   int64  `json:"seq"`
	Hash  string `json:"hash"`
	Fence int64  `json:"fence"`
}

// ChainHead returns the end of the event chain and the last fencing number.
func (l *Ledger) ChainHead(ctx context.Context) (ChainHead, error) {
	var h ChainHead
	err := l.db.View(ctx, func(r Reader) error {
		return one(ctx, r, `SELECT seq, hash, fence FROM head WHERE id = 1`, nil, &h.Seq, &h.Hash, &h.Fence)
	})
	return h, named("read head of the chain", err)
}

// one scans exactly one row.
func one(ctx context.Context, r Reader, sql string, args []any, dest ...any) error {
	found := false
	err := r.Query(ctx, func(scan func(...any) error) error {
		found = true
		return scan(dest...)
	}, sql, args...)
	if err == nil && !found {
		return errNoRow
	}
	return err
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("ledger: %s: %w", what, err)
}

// nanos and instant translate times. The zero time is 0. Times that do not fit
// (before 1678, after 2262) become the nearest one that does.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Before(earliest()):
		return minNanos
	case t.After(latest()):
		return maxNanos
	}
	return t.UnixNano()
}

const (
	minNanos = -1 << 63
	maxNanos = 1<<63 - 1
)

func earliest() time.Time { return time.Unix(0, minNanos) }
func latest() time.Time   { return time.Unix(0, maxNanos) }

func instant(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// clean makes free text (messages of targets) storable: valid UTF-8 without NUL,
// which PostgreSQL refuses. A target's odd message must not stop a write.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// exact refuses names that could not be stored as they are.
func exact(names ...string) error {
	for _, s := range names {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return fmt.Errorf("name %q is not valid UTF-8 without NUL: it cannot be stored exactly", s)
		}
	}
	return nil
}

// encode returns v as JSON text.
func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	return string(b), nil
}
