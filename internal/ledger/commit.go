package ledger

import "context"

// Commit writes what one step on a target did, in one transaction, if the lease
// is still held, or returns ErrLostLease and writes nothing.
func (l *Ledger) Commit(ctx context.Context, lease *Lease, b Batch) error {
	return named("commit", l.update(ctx, func(w *write) error {
		if err := w.check(ctx, lease); err != nil {
			return err
		}
		if err := w.deleteHolds(ctx, b.Delete); err != nil {
			return err
		}
		if err := w.putHolds(ctx, b.Put); err != nil {
			return err
		}
		if err := w.raiseFloors(ctx, b.Floors); err != nil {
			return err
		}
		if err := w.markListed(ctx, b.Listed); err != nil {
			return err
		}
		if b.Drift != nil {
			if err := w.putDrift(ctx, *b.Drift); err != nil {
				return err
			}
		}
		if err := w.append(b.Events...); err != nil {
			return err
		}
		return w.enqueue(ctx, b.Jobs)
	}))
}
