package ledger

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// enqueue inserts jobs. A job whose kind and key already wait to run is not
// inserted again, unless it is due earlier than the one that waits: then that
// one is overtaken, and skipped when its time comes.
//
// Touching the row of the waiting job makes a runner that is about to start it
// wait for this transaction, so that it sees what is written here.
func (w *write) enqueue(ctx context.Context, jobs []Job) error {
	var queued []QueuedJob
	for _, j := range jobs {
		if j.Kind == "" {
			return fmt.Errorf("job without a kind")
		}
		q := QueuedJob{Kind: j.Kind, Key: j.Key, Args: j.Args, RunAt: j.RunAt, Token: rand.Text()}
		fresh, err := w.claimKey(ctx, q)
		if err != nil {
			return err
		}
		if fresh {
			queued = append(queued, q)
		}
	}
	if len(queued) == 0 {
		return nil
	}
	return w.Enqueue(ctx, queued)
}

// claimKey reports whether the job is to be inserted.
func (w *write) claimKey(ctx context.Context, q QueuedJob) (bool, error) {
	if q.Key == "" {
		return true, nil
	}
	due := nanos(q.RunAt)
	if due == 0 {
		due = nanos(w.now)
	}
	waiting, at := false, int64(0)
	err := w.Query(ctx, func(scan func(...any) error) error {
		waiting = true
		return scan(&at)
	}, `UPDATE job_keys SET run_at = run_at WHERE kind = $1 AND name = $2 RETURNING run_at`, q.Kind, q.Key)
	if err != nil || waiting && at <= due {
		return false, err
	}
	_, err = w.Exec(ctx, `INSERT INTO job_keys (kind, name, token, run_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (kind, name) DO UPDATE SET token = excluded.token, run_at = excluded.run_at`, q.Kind, q.Key, q.Token, due)
	return true, err
}

// StartJob is called by the runner before it runs a job. It reports whether the
// job is the one of its key: false means that it was overtaken and must be
// skipped. From here on, a new job of that key is another job.
func (l *Ledger) StartJob(ctx context.Context, q QueuedJob, attempt int) (bool, error) {
	if q.Key == "" {
		return true, nil
	}
	mine := false
	err := l.db.Update(ctx, func(tx Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM job_keys WHERE kind = $1 AND name = $2 AND token = $3`, q.Kind, q.Key, q.Token)
		if mine = n > 0; err != nil || mine || attempt <= 1 {
			return err
		}
		// A later attempt without its row comes after a crash: the row went with
		// the first attempt. It runs again, unless another job waits to do so.
		mine = true
		return tx.Query(ctx, func(func(...any) error) error {
			mine = false
			return nil
		}, `SELECT token FROM job_keys WHERE kind = $1 AND name = $2`, q.Kind, q.Key)
	})
	return mine, named("start job "+q.Kind, err)
}

// RetryJob is called by the runner before a job is put back, to run again at a
// time. False means that a newer job of its key waits: this one is over.
func (l *Ledger) RetryJob(ctx context.Context, q QueuedJob, at time.Time) (bool, error) {
	if q.Key == "" {
		return true, nil
	}
	mine := false
	err := l.db.Update(ctx, func(tx Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO job_keys (kind, name, token, run_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (kind, name) DO NOTHING`, q.Kind, q.Key, q.Token, nanos(at))
		mine = n > 0
		return err
	})
	return mine, named("retry job "+q.Kind, err)
}
