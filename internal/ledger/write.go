package ledger

import (
	"context"
	"errors"
	"time"
)

var errNoRow = errors.New("row is missing: the database is not a ledger or was tampered with")

// write is a write transaction that holds the head row. Taking that row first
// makes writers wait for each other in every dialect, so that the chain has one
// end and a fence cannot change under a write that has checked it.
type write struct {
	Tx
	now      time.Time
	seq      int64
	hash     string
	version  int64
	fence    int64
	accepted string
	diverged string
	repoID   int64
	events   [][]any
}

func (l *Ledger) update(ctx context.Context, f func(*write) error) error {
	return l.db.Update(ctx, func(tx Tx) error {
		w := &write{Tx: tx, now: l.now().UTC()}
		err := one(ctx, tx, `UPDATE head SET seq = seq WHERE id = 1
			RETURNING seq, hash, version, fence, accepted, diverged, repository_id`, nil,
			&w.seq, &w.hash, &w.version, &w.fence, &w.accepted, &w.diverged, &w.repoID)
		if err != nil {
			return err
		}
		if err := f(w); err != nil {
			return err
		}
		return w.flush(ctx)
	})
}

// flush writes what was collected: the events and the head.
func (w *write) flush(ctx context.Context) error {
	if len(w.events) > 0 {
		err := w.ExecMany(ctx, `INSERT INTO events (seq, at, kind, target, account, request, data, prev, hash)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, w.events)
		if err != nil {
			return err
		}
	}
	_, err := w.Exec(ctx, `UPDATE head SET seq = $1, hash = $2, version = $3, fence = $4,
		accepted = $5, diverged = $6, repository_id = $7 WHERE id = 1`,
		w.seq, w.hash, w.version, w.fence, w.accepted, w.diverged, w.repoID)
	return err
}

// append adds events to the end of the chain.
func (w *write) append(events ...Event) error {
	for _, e := range events {
		e, err := w.next(e)
		if err != nil {
			return err
		}
		w.events = append(w.events, []any{e.Seq, nanos(e.At), e.Kind, e.Target, e.Account, e.Request, string(e.Data), e.Prev, e.Hash})
		w.seq, w.hash = e.Seq, e.Hash
	}
	return nil
}

// next completes an event: its place in the chain, and its time if it has none.
func (w *write) next(e Event) (Event, error) {
	if e.At.IsZero() {
		e.At = w.now
	}
	e.At = instant(nanos(e.At))
	e.Kind, e.Target, e.Account, e.Request = clean(e.Kind), clean(e.Target), clean(e.Account), clean(e.Request)
	data, err := canonical(e.Data)
	if err != nil {
		return e, err
	}
	e.Data, e.Seq, e.Prev = data, w.seq+1, w.hash
	e.Hash, err = e.sum(data)
	return e, err
}
