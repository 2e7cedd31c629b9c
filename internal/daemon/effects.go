package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tenure-dev/tenure/internal/jobs"
	"github.com/tenure-dev/tenure/internal/reconcile"
)

// The kinds of jobs that only a schedule inserts.
const (
	jobTend   = "revert.tend"
	jobReview = "standing.review"
)

// sideEffects are the handlers of durable jobs. Each of them may be called again
// after it succeeded.
func (d *Daemon) sideEffects() map[string]jobs.Handler {
	return map[string]jobs.Handler{
		reconcile.JobRevert: func(ctx context.Context, raw json.RawMessage) error {
			var a reconcile.RevertArgs
			if err := json.Unmarshal(raw, &a); err != nil {
				return fmt.Errorf("arguments of a revert: %w", err)
			}
			return d.openRevert(ctx, a.Key)
		},
		jobTend:   func(ctx context.Context, _ json.RawMessage) error { return d.Tend(ctx) },
		jobReview: func(ctx context.Context, _ json.RawMessage) error { return d.Recertify(ctx) },
		reconcile.JobNotice: func(ctx context.Context, raw json.RawMessage) error {
			return d.notify(ctx, raw)
		},
		reconcile.JobEvidence: func(ctx context.Context, _ json.RawMessage) error {
			return d.appendEvidence(ctx)
		},
	}
}

// noticeTimeout bounds one delivery; a failed one is tried again as a job.
const noticeTimeout = 15 * time.Second

// notify posts notices as JSON. Without an address they are done.
func (d *Daemon) notify(ctx context.Context, raw json.RawMessage) error {
	if d.cfg.Notify.URL.IsZero() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	body, err := json.Marshal(map[string]json.RawMessage{"notices": raw})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.cfg.Notify.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("notify.url is not a valid address")
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := d.notifier.Do(req)
	if err != nil {
		return fmt.Errorf("notices could not be delivered: %w", withoutURL(err))
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("notices were refused: %s", res.Status)
	}
	return nil
}
