package reconcile

import (
	"context"
	"slices"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// settle compares with what the target shows: it forgets what is verified to be
// gone, notes what was there before us, renews and grants. What could not be seen
// stays as it is.
func (w *worker) settle(ctx context.Context, s *state, v view) error {
	plan := unwritable(grants.Reclaim(Plan(s.claims, v.found, s.owned(), v.unseen), s.standStill(v)))
	var acts, strangers []grants.Change
	var drift []grants.Grant
	var b ledger.Batch
	for _, c := range plan {
		h, held := s.holds[c.Item.Grant]
		switch c.Op {
		case grants.OpGrant, grants.OpRenew:
			// Looking at the target took its time: the window may be over by now.
			if !s.starts || held && w.waits(h, s.now) || !w.now().Before(c.Until) {
				continue
			}
			acts = append(acts, c)
		case grants.OpAdopt:
			h := grants.Hold{Item: c.Item, State: grants.StateHeld, PreExisting: true, Since: s.now, Until: c.Until, Holders: c.Holders}
			b.Put = append(b.Put, h)
			b.Events = append(b.Events, w.event(ledger.EventAdopted, c.Item, holderOf(c), nil))
		case grants.OpRelease:
			if h.Stranger() && h.LastError != "" {
				if c = s.again(c, v); c.Op == grants.OpRevoke {
					strangers = append(strangers, c)
					continue
				}
				h = letGo(c, h)
			}
			w.releaseHold(s, &b, c, h)
			s.more = s.more || h.PreExisting && s.owns(h.Entitlement) // now it may be a stranger's
		case grants.OpLeave:
			drift = append(drift, c.Item.Grant)
			if held && c.Cause == "" {
				w.releaseHold(s, &b, c, letGo(c, h))
			}
		case grants.OpRevoke:
			if c.Cause == grants.CauseExclusive {
				strangers = append(strangers, c)
				continue
			}
			// Already tried in end, or withheld. It is still there: say so and
			// try again later.
			w.stillThere(s, &b, c, h)
		}
	}
	p := w.part(s, &b, strangers)
	for _, c := range p.withheld {
		drift = append(drift, c.Item.Grant)
	}
	w.noteDrift(s, &b, drift, v)
	var errs *multierror.Error
	if len(b.Put)+len(b.Delete)+len(b.Events) > 0 || b.Drift != nil {
		err := w.commit(ctx, b)
		errs = multierror.Append(errs, err)
		if err == nil {
			s.update(b)
			if b.Drift != nil {
				w.drift, w.drifted = b.Drift.Found, len(v.unseen) == 0
			}
			w.logReleased(b)
		}
	}
	errs = multierror.Append(errs, w.apply(ctx, s, acts))
	if w.leased() {
		errs = multierror.Append(errs, w.takeBack(ctx, s, v, p))
	}
	w.cfg.Metrics.Drift(w.target, len(drift))
	w.cfg.Metrics.Withheld(w.target, len(s.withheld)+len(p.withheld))
	return errs.ErrorOrNil()
}

// releaseHold forgets a hold that the target does not show any more. An act that
// may still take effect keeps it owned until its hard deadline has passed; one that
// failed, such as ending sessions, until it has been tried again.
func (w *worker) releaseHold(s *state, b *ledger.Batch, c grants.Change, h grants.Hold) {
	if w.underWay(h, s.now) || h.LastError != "" {
		return
	}
	kind := ledger.EventRevoked
	if h.PreExisting || h.Revoked.IsZero() {
		kind = ledger.EventReleased
	}
	b.Delete = append(b.Delete, c.Item.Grant)
	holders := h.Holders
	if h.Stranger() {
		holders = []grants.Holder{{}} // nobody asked for it, and its end is told once
	}
	for _, r := range holders {
		b.Events = append(b.Events, w.event(kind, h.Item, r.Request, map[string]any{
			"reason": c.Reason, "until": h.Until, "revokedAt": h.Revoked, "readBackAt": w.cfg.Clock.Now(),
		}))
	}
}

func (w *worker) stillThere(s *state, b *ledger.Batch, c grants.Change, h grants.Hold) {
	if w.waits(h, s.now) || h.Revoked.IsZero() || slices.ContainsFunc(s.withheld, func(x grants.Change) bool { return x.Item.Grant == c.Item.Grant }) {
		return
	}
	h.Failures++
	h.RetryAt = s.now.Add(backoff(h.Failures))
	h.LastError = "the target accepted the revoke and still shows the access; another hand may have granted it too"
	b.Put = append(b.Put, h)
	if milestone(h.Failures) {
		b.Events = append(b.Events, w.event(ledger.EventRevokeFailed, h.Item, holderOf(c), map[string]any{"error": h.LastError, "attempt": h.Failures}))
	}
	w.cfg.Metrics.Failed(w.target, string(grants.OpRevoke))
	w.cfg.Log.Error("revoked access is still there", "target", w.target, "account", h.Account, "entitlement", h.Entitlement, "retry", h.RetryAt)
}

func (w *worker) noteDrift(s *state, b *ledger.Batch, found []grants.Grant, v view) {
	found = append(found, v.hidden(w.drift)...)
	slices.SortFunc(found, grants.Grant.Compare)
	if w.drifted && slices.Equal(found, w.drift) {
		return
	}
	b.Drift = &ledger.DriftReport{Target: w.target, Found: found, Unseen: v.unseen, At: s.now}
	for _, g := range found {
		if _, known := slices.BinarySearchFunc(w.drift, g, grants.Grant.Compare); !known {
			w.cfg.Log.Warn("drift: access that nobody asked for", "target", w.target, "account", g.Account, "entitlement", g.Entitlement)
		}
	}
}

func (w *worker) logReleased(b ledger.Batch) {
	for _, g := range b.Delete {
		w.cfg.Log.Info("access has ended", "target", w.target, "account", g.Account, "entitlement", g.Entitlement)
	}
}

// update applies a written batch to the pass's own view.
func (s *state) update(b ledger.Batch) {
	for _, h := range b.Put {
		s.holds[h.Grant] = h
	}
	for _, g := range b.Delete {
		delete(s.holds, g)
	}
}
