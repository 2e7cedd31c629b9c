package reconcile

import (
	"context"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// Ledger is what reconciling a target needs of the ledger. *ledger.Ledger is one.
type Ledger interface {
	// Version changes with every write that a worker must react to (decisions,
	// confirmations, pauses). It is cheap.
	Version(ctx context.Context) (int64, error)
	// LastEventAt returns when the newest event was written; zero: there is none.
	LastEventAt(ctx context.Context) (time.Time, error)
	// Decisions returns the decision of every request that is live or still has
	// holds, sorted by request. EndedAt and
	// Floor are filled in.
	Decisions(ctx context.Context) ([]grants.Decision, error)
	// Holds returns the holds on a target, sorted; an empty target means all.
	Holds(ctx context.Context, target string) ([]grants.Hold, error)
	// Scope returns the entitlements on a target that roles name, sorted.
	Scope(ctx context.Context, target string) ([]string, error)
	// Exclusive returns the entitlements on a target that belong to Tenure alone.
	Exclusive(ctx context.Context, target string) ([]grants.Exclusive, error)
	// StrangersConfirmed reports the lists of strangers that are confirmed.
	StrangersConfirmed(ctx context.Context) (map[string]bool, error)
	// Paused reports the targets on which nothing is to be granted for now.
	Paused(ctx context.Context) (map[string]ledger.Pause, error)
	// RemovalsConfirmed reports the commits whose removals are confirmed.
	RemovalsConfirmed(ctx context.Context) (map[string]bool, error)
	// Events returns events in the order of the chain.
	Events(ctx context.Context, f ledger.Filter) ([]ledger.Event, error)
	// Acquire takes the lease by that name, or ErrLeased.
	Acquire(ctx context.Context, name string) (*ledger.Lease, error)
	// Commit writes a batch if the lease is still held, or ErrLostLease.
	Commit(ctx context.Context, l *ledger.Lease, b ledger.Batch) error
	// Finish marks requests as ended for good and puts each into the revert
	// group of key; those already ended are left as they are. Jobs and events
	// are written for the newly ended only.
	Finish(ctx context.Context, ids []string, at time.Time, key string, events []ledger.Event, jobs []ledger.Job) error
}
