package intake

import (
	"context"

	"github.com/tenure-dev/tenure/internal/ledger"
)

// Ledger is what taking in commits needs of the ledger. *ledger.Ledger is one.
type Ledger interface {
	// Head returns where the intake stands.
	Head(ctx context.Context) (ledger.Head, error)
	// PinRepository stores the forge's numeric id of the repository, once.
	PinRepository(ctx context.Context, id int64) error
	// Requests returns every request that is live or not yet ended, sorted by ID.
	Requests(ctx context.Context) ([]ledger.Request, error)
	// RequestByPath returns the requests that a file has been, newest first.
	RequestByPath(ctx context.Context, path string) ([]ledger.Request, error)
	// Emergencies returns every use of break-glass, sorted by ID.
	Emergencies(ctx context.Context) ([]ledger.Request, error)
	// ConfigState returns the configuration in force at a commit; ok is false
	// when the ledger does not know the commit.
	ConfigState(ctx context.Context, commit string) (s ledger.ConfigState, ok bool, err error)
	// NotInForce returns the files that were not in force when that was last said.
	NotInForce(ctx context.Context) ([]ledger.NotInForce, error)
	// Confirmed returns what operators confirmed and what has not been acted on yet.
	Confirmed(ctx context.Context) (map[ledger.Confirmation]bool, error)
	// Acquire takes the lease by that name, or ErrLeased.
	Acquire(ctx context.Context, name string) (*ledger.Lease, error)
	// TakeIn writes a batch if the lease is still held, or ErrLostLease.
	TakeIn(ctx context.Context, l *ledger.Lease, b ledger.IntakeBatch) error
}
