package reconcile

import (
	"context"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// end revokes what is held and no longer asked for. It does not look at the
// target first: a target that cannot be listed can still take a revoke.
func (w *worker) end(ctx context.Context, s *state) error {
	owned := s.owned()
	due := grants.PlanBlind(s.claims, owned)
	due = grants.Attribute(due, owned, s.decisions, s.now)
	for i, c := range due {
		if c.Cause != grants.CauseExpired && w.cfg.Deactivated != nil && w.cfg.Deactivated(c.Item.Subject) {
			due[i].Cause = grants.CauseDeactivated // whatever came first: a leaver is never withheld
		}
	}
	limits := w.cfg.Guard
	limits.Tripped = w.tripped
	allowed, withheld := grants.Guard(due, ours(owned), limits, s.confirmed)
	s.withheld = withheld
	for _, c := range withheld {
		if c.Commit != "" {
			w.tripped[c.Commit] = true
		}
	}
	w.cfg.Metrics.Withheld(w.target, len(withheld)+len(w.strangers))

	acts := make([]grants.Change, 0, len(allowed))
	for _, c := range allowed {
		h := s.holds[c.Item.Grant]
		if h.State == grants.StateRevoking && (w.waits(h, s.now) || awaitsReadBack(h)) {
			continue
		}
		acts = append(acts, c)
	}
	err := w.apply(ctx, s, acts)
	return multierror.Append(err, w.reportWithheld(ctx, withheld)).ErrorOrNil()
}

// awaitsReadBack reports whether the target accepted the revoke and nothing has
// spoken against it since.
func awaitsReadBack(h grants.Hold) bool {
	return !h.Revoked.IsZero() && h.RetryAt.IsZero() && h.Deadline.IsZero()
}

// ours counts the holds that are not pre-existing access.
func ours(holds []grants.Hold) (n int) {
	for _, h := range holds {
		if !h.PreExisting {
			n++
		}
	}
	return n
}

func (w *worker) reportWithheld(ctx context.Context, withheld []grants.Change) error {
	fresh, all := map[string]int{}, make(map[string]bool, len(withheld))
	for _, c := range withheld {
		key := c.Commit + " " + c.Item.Grant.String()
		if !w.withheld[key] {
			fresh[c.Commit]++
		}
		all[key] = true
	}
	w.withheld = all
	w.hold(w.target, withheld)
	var b ledger.Batch
	for _, commit := range sortedKeys(fresh) {
		w.cfg.Log.Error("removals are withheld: one commit takes away too much; look at it, then run `reconciler confirm`",
			"target", w.target, "commit", commit, "removals", fresh[commit])
		b.Events = append(b.Events, w.event(ledger.EventWithheld, grants.Item{}, "", map[string]any{"commit": commit, "removals": fresh[commit]}))
	}
	if len(b.Events) == 0 {
		return nil
	}
	return w.commit(ctx, b)
}
