package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"

	"github.com/tenure-dev/tenure/internal/ledger"
)

// snooze is returned by a handler that wants to be called again later.
type snooze struct{ after time.Duration }

func (s snooze) Error() string { return fmt.Sprintf("again in %s", s.after) }

// Snooze is an error for handlers to return: it is not time yet, call again after
// d. It is not a failure and does not make the pauses grow.
func Snooze(d time.Duration) error { return snooze{max(d, 0)} }

// worker runs the jobs of one kind.
type worker struct {
	river.WorkerDefaults[args]
	ledger   *ledger.Ledger
	run      Handler
	log      *slog.Logger
	counters Counters
}

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, job *river.Job[args]) error {
	q := ledger.QueuedJob{Kind: job.Kind, Key: job.Args.Key, Token: job.Args.Token, Args: job.Args.Args}
	mine, err := w.ledger.StartJob(ctx, q, job.Attempt)
	if err != nil {
		return err
	}
	if !mine {
		return nil // overtaken by a job of the same key that was due earlier
	}
	begin := time.Now()
	err = w.call(ctx, job.Args)
	took := time.Since(begin)
	if err == nil {
		w.log.DebugContext(ctx, "job done", "kind", q.Kind, "key", q.Key, "took", took)
		if w.counters != nil {
			w.counters.Done(q.Kind, took)
		}
		return nil
	}
	return w.again(ctx, q, job, err, took)
}

// again puts the job back, unless a newer one of its key waits anyway.
func (w *worker) again(ctx context.Context, q ledger.QueuedJob, job *river.Job[args], err error, took time.Duration) error {
	at := w.NextRetry(job)
	var s snooze
	snoozed := errors.As(err, &s)
	if snoozed {
		at = time.Now().Add(s.after)
		err = river.JobSnooze(s.after)
	} else {
		w.log.WarnContext(ctx, "job failed, will be tried again", "kind", q.Kind, "key", q.Key,
			"attempt", job.Attempt, "took", took, "err", err)
		if w.counters != nil {
			w.counters.Failed(q.Kind, took)
		}
	}
	// The job's own context may have ended: that must not lose its place.
	put, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	mine, perr := w.ledger.RetryJob(put, q, at)
	if perr != nil {
		// Without its row it is tried again all the same, only never merged.
		w.log.WarnContext(ctx, "job could not keep its key", "kind", q.Kind, "key", q.Key, "err", perr)
		return err
	}
	if !mine {
		return nil
	}
	return err
}

// call turns a panic into an error: one bad job must not take others with it.
func (w *worker) call(ctx context.Context, a args) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return w.run(ctx, a.Args)
}

// NextRetry implements river.Worker: one second after the first failure, twice as
// long after each further one, at most half an hour, give or take a tenth.
func (w *worker) NextRetry(job *river.Job[args]) time.Time {
	return time.Now().Add(pause(job.Attempt))
}

func pause(attempt int) time.Duration {
	d := maxPause
	if shift := max(attempt, 1) - 1; shift < 11 {
		d = min(maxPause, time.Second<<shift)
	}
	return d - d/10 + rand.N(d/5+1)
}
