package ledger

import (
	"context"
	"fmt"
)

// Lease is the right to be the one worker of its name. Its fence is higher than
// that of every lease before it; every write by a lease checks the fence in its
// own transaction.
type Lease struct {
	name  string
	fence int64
	lock  Lock
}

// Name returns the name that the lease was acquired by.
func (l *Lease) Name() string { return l.name }

// Fence returns the lease's fencing number.
func (l *Lease) Fence() int64 { return l.fence }

// Lost is closed when the lease is known to be gone: stop at once. It may be
// gone earlier than that; writes are safe because of the fence.
func (l *Lease) Lost() <-chan struct{} { return l.lock.Lost() }

// Release gives the lease back. Writes by it then fail with ErrLostLease.
func (l *Lease) Release(ctx context.Context) error {
	return named("release lease "+l.name, l.lock.Unlock(ctx))
}

// Acquire takes the lease by that name, or ErrLeased.
func (l *Ledger) Acquire(ctx context.Context, name string) (*Lease, error) {
	lock, err := l.db.Lock(ctx, name)
	if err != nil {
		return nil, named("acquire lease "+name, err)
	}
	lease := &Lease{name: name, lock: lock}
	err = l.update(ctx, func(w *write) error {
		w.fence++
		lease.fence = w.fence
		_, err := w.Exec(ctx, `INSERT INTO leases (name, fence, at) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET fence = excluded.fence, at = excluded.at`, name, w.fence, nanos(w.now))
		return err
	})
	if err != nil {
		// The lock must not outlive the call, even when the caller gave up.
		if uerr := lock.Unlock(context.WithoutCancel(ctx)); uerr != nil {
			err = fmt.Errorf("%w (and giving the lock back: %w)", err, uerr)
		}
		return nil, named("acquire lease "+name, err)
	}
	return lease, nil
}

// check returns ErrLostLease unless the lease is the newest of its name.
func (w *write) check(ctx context.Context, l *Lease) error {
	select {
	case <-l.Lost():
		return ErrLostLease
	default:
	}
	var fence int64
	if err := one(ctx, w, `SELECT fence FROM leases WHERE name = $1`, []any{l.name}, &fence); err != nil {
		return err
	}
	if fence != l.fence {
		return ErrLostLease
	}
	return nil
}
