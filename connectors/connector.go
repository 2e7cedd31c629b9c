// Package connectors defines what Tenure needs from a target system, the list of
// drivers that this build knows, and the decorators that wrap every one of them.
//
// A driver is one kind of system (PostgreSQL, a managed file). A connector is an
// open connection to one target of that kind. Nothing here decides who gets what.
package connectors

import (
	"context"
	"errors"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

// Spec is an entitlement as a role writes it, without the key `target`:
// {role: orders_rw}. Values are strings, booleans, integers or lists of strings.
type Spec map[string]any

// Settings is one target's entry in the reconciler's own configuration, without
// the key `connector`. It may hold secrets: never log it.
type Settings map[string]any

// Driver is one kind of target system, before any connection is made.
type Driver interface {
	// Name is the value of `connector:` in target documents and configuration.
	Name() string

	// Canonical returns the one spelling of an entitlement. It is offline and
	// needs no credentials, so that CI can use it; it refuses unknown keys,
	// wrong types and names that the target could not take exactly.
	// Canonical forms are made with [Format] and stay readable with [Parse].
	Canonical(spec Spec) (entitlement string, err error)

	// Open connects to one target. Settings are decoded strictly; an error
	// names the setting and never its value.
	Open(ctx context.Context, target string, s Settings) (Connector, error)
}

// Connector acts on one target. Implementations are safe for concurrent use.
// Every call honours its context; grants passed in belong to this target.
type Connector interface {
	// Observe returns who holds the entitlements in scope: complete, or an
	// error, never a part. The order does not matter; an entitlement that does
	// not exist on the target has no holders.
	Observe(ctx context.Context, scope []string) ([]grants.Grant, error)

	// Grant makes the grant exist. It is already there: nil. Until is a hint
	// for targets that can end access by themselves.
	Grant(ctx context.Context, g grants.Grant, until time.Time) error

	// Revoke makes the grant not exist. It is already gone, or its account or
	// entitlement is: nil.
	Revoke(ctx context.Context, g grants.Grant) error

	Close() error
}

// Act is one change of a batch.
type Act struct {
	Grant  grants.Grant
	Revoke bool      // false: grant or renew
	Until  time.Time // of a grant
}

// Batcher applies many changes in few round trips.
type Batcher interface {
	// Apply returns one error an act, in order; nil entries succeeded. One bad
	// act does not stop the others.
	Apply(ctx context.Context, acts []Act) []error
}

// NativeExpirer is a target that ends access by itself at `until`, even if the
// reconciler is dead. Grant with a later until then renews.
type NativeExpirer interface {
	NativeExpiry() string // how, in one sentence for people
}

// SessionEnder ends live sessions that still use what the account lost, unless
// another right to the same remains.
type SessionEnder interface {
	EndSessions(ctx context.Context, lost []grants.Grant) error
}

// Checker answers whether the credentials can do the job, for `doctor`.
type Checker interface {
	// Check returns one line for each missing right or wrong setting.
	Check(ctx context.Context, scope []string) []error
}

// Partitioner is a target of several parts that can be out of reach each by itself,
// such as many hosts. The caller observes each part, and ends sessions on it, in a call
// of its own, so that one that is down does not hide or hold up the others.
type Partitioner interface {
	// Parts divides a scope: every entitlement is in exactly one part. It does not
	// touch the target; an entitlement that cannot be read is a part by itself.
	Parts(scope []string) [][]string
}

// ErrNoAccount is wrapped by errors of Grant for an account that the target
// does not know.
var ErrNoAccount = errors.New("account does not exist on the target")
