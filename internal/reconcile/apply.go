package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// deadlineGrace is added to an act's time-out to get its hard deadline: the time
// that a target may need to notice that we hung up.
const deadlineGrace = 5 * time.Second

// apply carries out grants, renewals and revokes: the intent is written first,
// then the target is touched, then the outcome is written.
func (w *worker) apply(ctx context.Context, s *state, changes []grants.Change) error {
	if len(changes) == 0 {
		return nil
	}
	if err := w.intend(ctx, s, changes); err != nil {
		return fmt.Errorf("record intents, so nothing was done: %w", err)
	}
	results := w.act(ctx, changes)
	// The outcome is written even when we are being stopped: it is known now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.ActTimeout)
	defer cancel()
	return w.record(ctx, s, changes, results)
}

func (w *worker) intend(ctx context.Context, s *state, changes []grants.Change) error {
	deadline := w.cfg.Clock.Now().Add(w.cfg.ActTimeout + deadlineGrace)
	var b ledger.Batch
	for _, c := range changes {
		h, held := s.holds[c.Item.Grant]
		if !held || h.PreExisting {
			h = grants.Hold{Item: c.Item, Since: s.now}
		}
		h.Deadline = deadline
		kind := ledger.EventGrantIntended
		if c.Op == grants.OpRevoke {
			h.State = grants.StateRevoking
			kind = ledger.EventRevokeIntended
		} else {
			h.Item = c.Item
			h.State = grants.StateGranting
			h.Until, h.Holders, h.Revoked = c.Until, c.Holders, time.Time{}
		}
		b.Put = append(b.Put, h)
		b.Events = append(b.Events, w.event(kind, c.Item, requestOf(c, h), map[string]any{"until": h.Until, "reason": c.Reason}))
		if c.Op == grants.OpRevoke && c.Cause == grants.CauseExpired {
			for _, r := range h.Holders {
				if r.Until.After(s.now) {
					continue
				}
				if b.Floors == nil {
					b.Floors = map[string]time.Time{}
				}
				if r.Until.After(b.Floors[r.Request]) {
					b.Floors[r.Request] = r.Until
				}
			}
		}
	}
	if err := w.commit(ctx, b); err != nil {
		return err
	}
	s.update(b)
	return nil
}

// result is what became of one act. Unsure means that it may still take effect.
type result struct {
	err    error
	unsure bool
	at     time.Time
}

// act touches the target. One bad act never stops the others.
func (w *worker) act(ctx context.Context, changes []grants.Change) []result {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.ActTimeout)
	defer cancel()
	acts := make([]connectors.Act, len(changes))
	for i, c := range changes {
		acts[i] = connectors.Act{Grant: c.Item.Grant, Revoke: c.Op == grants.OpRevoke, Until: c.Until}
	}
	out := make([]result, len(acts))
	if b, ok := connectors.AsBatcher(w.conn); ok {
		errs := b.Apply(ctx, acts)
		at := w.cfg.Clock.Now()
		for i := range out {
			if i >= len(errs) {
				out[i] = result{err: errors.New("the connector gave no answer for this change"), unsure: true, at: at}
				continue
			}
			out[i] = result{err: errs[i], unsure: errs[i] != nil, at: at}
		}
	} else {
		for i, a := range acts {
			if !w.leased() {
				out[i] = result{err: ledger.ErrLostLease, at: w.cfg.Clock.Now()}
				continue
			}
			var err error
			if a.Revoke {
				err = w.conn.Revoke(ctx, a.Grant)
			} else {
				err = w.conn.Grant(ctx, a.Grant, a.Until)
			}
			out[i] = result{err: err, unsure: err != nil, at: w.cfg.Clock.Now()}
		}
	}
	w.endSessions(ctx, changes, out)
	return out
}

// endSessions cuts live sessions of what was revoked. A failure counts as the
// failure of the revoke: the hold stays owned and both are tried again.
func (w *worker) endSessions(ctx context.Context, changes []grants.Change, out []result) {
	ender, ok := connectors.AsSessionEnder(w.conn)
	if !ok {
		return
	}
	var lost []grants.Grant
	var which []int
	for i, c := range changes {
		if c.Op == grants.OpRevoke && out[i].err == nil {
			lost = append(lost, c.Item.Grant)
			which = append(which, i)
		}
	}
	if len(lost) == 0 {
		return
	}
	if err := ender.EndSessions(ctx, lost); err != nil {
		for _, i := range which {
			out[i].err = fmt.Errorf("access is revoked, but ending live sessions failed: %w", err)
		}
	}
}

func (w *worker) record(ctx context.Context, s *state, changes []grants.Change, results []result) error {
	var b ledger.Batch
	var errs *multierror.Error
	var notices []Notice
	for i, c := range changes {
		h, r := s.holds[c.Item.Grant], results[i]
		if r.err != nil {
			h.Failures++
			h.LastError = r.err.Error()
			h.RetryAt = r.at.Add(backoff(h.Failures))
			if !r.unsure {
				h.Deadline = time.Time{}
			}
			w.cfg.Metrics.Failed(w.target, string(c.Op))
			errs = multierror.Append(errs, fmt.Errorf("%s %s %s %s: %w", c.Op, h.Entitlement, preposition(c.Op), h.Account, r.err))
			b.Put = append(b.Put, h)
			b.Events = append(b.Events, w.event(failureKind(c.Op), h.Item, requestOf(c, h), map[string]any{"error": h.LastError, "attempt": h.Failures}))
			continue
		}
		h.Failures, h.LastError, h.RetryAt, h.Deadline = 0, "", time.Time{}, time.Time{}
		data := map[string]any{"until": h.Until, "reason": c.Reason}
		kind := ledger.EventGranted
		switch c.Op {
		case grants.OpRevoke:
			h.Revoked = r.at
			kind = ledger.EventRevokeAccepted
			w.cfg.Metrics.Revoked(w.target, lag(c, h, r.at))
		case grants.OpRenew:
			h.State = grants.StateHeld
			kind = ledger.EventRenewed
		default:
			h.State = grants.StateHeld
			w.cfg.Metrics.Granted(w.target, max(r.at.Sub(s.opened(c)), 0))
		}
		w.cfg.Log.Info(string(c.Op), "target", w.target, "account", h.Account, "entitlement", h.Entitlement, "until", h.Until, "reason", c.Reason)
		b.Put = append(b.Put, h)
		b.Events = append(b.Events, w.event(kind, h.Item, requestOf(c, h), data))
		notices = append(notices, notice(kind, h, c, r.at))
	}
	if len(notices) > 0 {
		b.Jobs = append(b.Jobs, noticeJob(notices), evidenceJob())
	}
	if err := w.commit(ctx, b); err != nil {
		return multierror.Append(errs, fmt.Errorf("record outcomes: %w", err)).ErrorOrNil()
	}
	s.update(b)
	return errs.ErrorOrNil()
}

// lag is how long after the end of the window an expired grant was taken away; a
// removal from Git counts from now.
func lag(c grants.Change, h grants.Hold, at time.Time) time.Duration {
	if c.Cause != grants.CauseExpired {
		return 0
	}
	return max(at.Sub(h.Until), 0)
}

// opened returns when the first request of a claim could first hold it; the
// present when that is not known.
func (s *state) opened(c grants.Change) time.Time {
	at := s.now
	for _, d := range s.decisions {
		if d.Request != holderOf(c) {
			continue
		}
		for i, t := range d.Terms {
			if t.Schedule == nil && (i == 0 || t.Span.From.After(at)) {
				at = t.Span.From
			}
		}
	}
	return at
}

func failureKind(op grants.Op) string {
	if op == grants.OpRevoke {
		return ledger.EventRevokeFailed
	}
	return ledger.EventGrantFailed
}

func preposition(op grants.Op) string {
	if op == grants.OpRevoke {
		return "from"
	}
	return "to"
}

func requestOf(c grants.Change, h grants.Hold) string {
	if r := holderOf(c); r != "" {
		return r
	}
	if len(h.Holders) > 0 {
		return h.Holders[0].Request
	}
	return ""
}
