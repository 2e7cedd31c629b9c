package ledger

import (
	"context"
	"encoding/json"
	"time"
)

// Database is what the ledger needs of a database. The sub-packages sqlite and
// postgres implement it; statements use $1 placeholders in ascending order.
type Database interface {
	// View runs f on one consistent snapshot that sees every committed write.
	View(ctx context.Context, f func(Reader) error) error
	// Update runs f in one write transaction and commits it durably (synced) when
	// f returns nil. On an error nothing was written, unless the connection broke
	// during the commit itself: then the outcome is unknown.
	Update(ctx context.Context, f func(Tx) error) error
	// Lock takes an exclusive lock that lives as long as this process and its
	// connection, or ErrLeased.
	Lock(ctx context.Context, name string) (Lock, error)
	// Check reports whether the database is fit to be a ledger, for `doctor`.
	Check(ctx context.Context) error
	Ping(ctx context.Context) error
	Close() error
}

// Reader runs queries.
type Reader interface {
	// Query calls row for each row of the result; scan is valid inside row only.
	Query(ctx context.Context, row func(scan func(dest ...any) error) error, sql string, args ...any) error
}

// Tx is a write transaction.
type Tx interface {
	Reader
	// Exec returns the number of affected rows.
	Exec(ctx context.Context, sql string, args ...any) (int64, error)
	// ExecMany runs one statement once for each list of arguments, in few round trips.
	ExecMany(ctx context.Context, sql string, args [][]any) error
	// Enqueue hands jobs to the queue; they exist if the transaction commits.
	Enqueue(ctx context.Context, jobs []QueuedJob) error
}

// Lock is a held lock.
type Lock interface {
	// Lost is closed when the lock is known to be gone.
	Lost() <-chan struct{}
	// Unlock gives it back; a lock that is already gone is no error.
	Unlock(ctx context.Context) error
}

// QueuedJob is a job as the queue stores it. Token tells the jobs of one kind
// and key apart, so that one which was overtaken by an earlier one is skipped.
type QueuedJob struct {
	Kind  string
	Key   string
	Token string
	Args  json.RawMessage
	RunAt time.Time // zero: now
}
