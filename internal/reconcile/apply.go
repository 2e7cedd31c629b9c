package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// deadlineGrace is added to an act's time-out to get its hard deadline: the time
// that a target may need to notice that we hung up.
const deadlineGrace = 5 * time.Second

// maxBatch is how many acts share one intent, one call of a Batcher and one
// outcome. A batch too big for its time-out would fail the same way for ever.
const maxBatch = 1000

// apply carries out grants, renewals and revokes: the intent is written first,
// then the target is touched, then the outcome is written.
func (w *worker) apply(ctx context.Context, s *state, changes []grants.Change) error {
	var errs *multierror.Error
	began := w.now()
	for batch := range slices.Chunk(changes, maxBatch) {
		if batch[0].Op != grants.OpRevoke && w.now().Sub(began) >= w.cfg.ActTimeout {
			s.more = true // something may have to end before the rest is given
			break
		}
		before := make([]time.Time, len(batch)) // deadlines of acts that may still be under way
		for i, c := range batch {
			if h := s.holds[c.Item.Grant]; w.underWay(h, began) {
				before[i] = h.Deadline
			}
		}
		if err := w.intend(ctx, s, batch); err != nil {
			return multierror.Append(errs, fmt.Errorf("record intents, so nothing was done: %w", err))
		}
		results := w.act(ctx, batch)
		// The outcome is written even when we are being stopped: it is known now.
		out, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.ActTimeout)
		errs = multierror.Append(errs, w.record(out, s, batch, results, before))
		cancel()
		if !w.leased() {
			break
		}
	}
	return errs.ErrorOrNil()
}

// now is the time to act by.
func (w *worker) now() time.Time { return w.time.read().now }

// underWay reports whether an act on the hold may still take effect. A deadline
// that is further away than any act can last was written by a clock that was wrong.
func (w *worker) underWay(h grants.Hold, now time.Time) bool {
	left := h.Deadline.Sub(now)
	return left > 0 && left <= time.Hour
}

// waits reports whether a hold is not to be tried again yet. No pause is longer
// than a minute: a later time was written by a clock that was wrong.
func (w *worker) waits(h grants.Hold, now time.Time) bool {
	left := h.RetryAt.Sub(now)
	return left > 0 && left <= maxPause+2*w.cfg.ActTimeout+deadlineGrace
}

func (w *worker) intend(ctx context.Context, s *state, changes []grants.Change) error {
	// Acts that are made one by one begin at most one time-out from now.
	deadline := w.now().Add(2*w.cfg.ActTimeout + deadlineGrace)
	if _, ok := connectors.AsBatcher(w.conn); ok {
		deadline = w.now().Add(w.cfg.ActTimeout + deadlineGrace)
	}
	var b ledger.Batch
	for _, c := range changes {
		h, held := s.holds[c.Item.Grant]
		if !held || h.PreExisting {
			h = grants.Hold{Item: c.Item, Since: s.now}
		}
		h.Deadline = deadline
		if revokes := h.State == grants.StateRevoking; revokes != (c.Op == grants.OpRevoke) {
			h.Failures, h.LastError, h.RetryAt = 0, "", time.Time{} // of the other act
		}
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
		if milestone(h.Failures) {
			b.Events = append(b.Events, w.event(kind, c.Item, requestOf(c, h), map[string]any{"until": h.Until, "reason": c.Reason}))
		}
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

// result is what became of one act. Unsure means that it may still take effect;
// untried, that there was no time for it.
type result struct {
	err     error
	unsure  bool
	untried bool
	at      time.Time
}

// act touches the target. One bad act never stops the others.
func (w *worker) act(ctx context.Context, changes []grants.Change) []result {
	acts := make([]connectors.Act, len(changes))
	for i, c := range changes {
		acts[i] = connectors.Act{Grant: c.Item.Grant, Revoke: c.Op == grants.OpRevoke, Until: c.Until}
	}
	out := make([]result, len(acts))
	if b, ok := connectors.AsBatcher(w.conn); ok {
		call, cancel := context.WithTimeout(ctx, w.cfg.ActTimeout)
		errs := b.Apply(call, acts)
		cancel()
		at := w.now()
		for i := range out {
			if i >= len(errs) {
				out[i] = result{err: errors.New("the connector gave no answer for this change"), unsure: true, at: at}
				continue
			}
			out[i] = result{err: errs[i], unsure: errs[i] != nil, at: at}
		}
	} else {
		began := w.now()
		for i, a := range acts {
			at := w.now()
			switch {
			case !w.leased():
				out[i] = result{err: ledger.ErrLostLease, at: at}
			case at.Sub(began) >= w.cfg.ActTimeout || !a.Revoke && !at.Before(a.Until):
				out[i] = result{untried: true, at: at}
			default:
				err := w.one(ctx, a)
				out[i] = result{err: err, unsure: err != nil, at: w.now()}
			}
		}
	}
	w.endSessions(ctx, changes, out)
	return out
}

// one makes one act. Each has the whole time-out, so that one that hangs does not
// take it from the others.
func (w *worker) one(ctx context.Context, a connectors.Act) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.ActTimeout)
	defer cancel()
	if a.Revoke {
		return w.conn.Revoke(ctx, a.Grant)
	}
	return w.conn.Grant(ctx, a.Grant, a.Until)
}

// record writes what became of the acts. An earlier act on the same grant that may
// still be under way keeps its deadline.
func (w *worker) record(ctx context.Context, s *state, changes []grants.Change, results []result, before []time.Time) error {
	var b ledger.Batch
	var errs *multierror.Error
	var notices []Notice
	for i, c := range changes {
		h, r := s.holds[c.Item.Grant], results[i]
		if r.untried {
			s.more = true
			h.Deadline = before[i]
			b.Put = append(b.Put, h)
			continue
		}
		if r.err != nil {
			h.Failures++
			h.LastError = clip(r.err.Error())
			h.RetryAt = r.at.Add(backoff(h.Failures))
			if !r.unsure {
				h.Deadline = before[i]
			}
			w.cfg.Metrics.Failed(w.target, string(c.Op))
			errs = multierror.Append(errs, fmt.Errorf("%s %s %s %s: %w", c.Op, h.Entitlement, preposition(c.Op), h.Account, r.err))
			b.Put = append(b.Put, h)
			if milestone(h.Failures) {
				b.Events = append(b.Events, w.event(failureKind(c.Op), h.Item, requestOf(c, h), map[string]any{"error": h.LastError, "attempt": h.Failures}))
			}
			continue
		}
		h.LastError, h.RetryAt, h.Deadline = "", time.Time{}, before[i]
		tell := true
		data := map[string]any{"until": h.Until, "reason": c.Reason}
		kind := ledger.EventGranted
		switch c.Op {
		case grants.OpRevoke:
			// Failures count on until a read-back shows it gone. One that has to be
			// revoked again is not counted, and not told of, a second time.
			if tell = h.Revoked.IsZero(); tell {
				w.cfg.Metrics.Revoked(w.target, lag(c, h, r.at))
			}
			h.Revoked = r.at
			kind = ledger.EventRevokeAccepted
		case grants.OpRenew:
			h.Failures, h.State = 0, grants.StateHeld
			kind = ledger.EventRenewed
		default:
			h.Failures, h.State = 0, grants.StateHeld
			w.cfg.Metrics.Granted(w.target, max(r.at.Sub(s.opened(c)), 0))
		}
		w.cfg.Log.Info(string(c.Op), "target", w.target, "account", h.Account, "entitlement", h.Entitlement, "until", h.Until, "reason", c.Reason)
		b.Put = append(b.Put, h)
		b.Events = append(b.Events, w.event(kind, h.Item, requestOf(c, h), data))
		if tell {
			notices = append(notices, notice(kind, h, c, r.at))
		}
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

// milestone reports whether an attempt after n failures in a row is written to the
// chain: 0, 1, 2, 4, 8 … Acts are tried for ever, and a target that is down for days
// must not fill the ledger. Metrics and the log tell of each of them.
func milestone(n int) bool { return n&(n-1) == 0 }

// maxMessage bounds what the ledger keeps of a target's words, in bytes.
const maxMessage = 2000

func clip(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + " …"
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
	n, found := slices.BinarySearchFunc(s.decisions, holderOf(c), func(d grants.Decision, request string) int {
		return strings.Compare(d.Request, request)
	})
	if !found {
		return at
	}
	for i, t := range s.decisions[n].Terms {
		if t.Schedule == nil && (i == 0 || t.Span.From.After(at)) {
			at = t.Span.From
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
