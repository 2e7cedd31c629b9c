package reconcile

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// TargetPaused is why strangers on a paused target are left alone.
const TargetPaused = "the target is paused"

// TargetUnseen is why strangers on a part of a target that was not seen are left alone.
const TargetUnseen = "the target could not be looked at"

// standStill returns what is exclusive for this pass: while nothing may be granted
// either, nobody loses what nobody gave.
func (s *state) standStill(v view) []grants.Exclusive {
	why := ""
	switch {
	case s.paused:
		why = TargetPaused
	case !s.starts:
		why = "the wall clock is not believed"
	case len(v.unseen) == 0:
		return s.exclusive
	}
	out := make([]grants.Exclusive, 0, len(s.exclusive))
	for _, e := range s.exclusive {
		switch {
		case why != "":
			e.Waits = why
		case v.unseen[e.Entitlement]:
			e.Waits = TargetUnseen
		}
		out = append(out, e)
	}
	return out
}

// owns reports whether an entitlement belongs to Tenure alone.
func (s *state) owns(entitlement string) bool {
	for _, e := range s.exclusive {
		if e.Entitlement == entitlement {
			return true
		}
	}
	return false
}

// again returns the revoke that a stranger's hold still needs although the target does
// not show the access any more: the one before failed, in ending sessions perhaps.
func (s *state) again(c grants.Change, v view) grants.Change {
	c.Op = grants.OpLeave
	return grants.Reclaim([]grants.Change{c}, s.standStill(v))[0]
}

// letGo returns a stranger's hold without the failure that keeps it, if nobody is to
// take its access away any more.
func letGo(c grants.Change, h grants.Hold) grants.Hold {
	if c.Cause == "" {
		h.LastError = ""
	}
	return h
}

// unwritable makes strangers whose names the ledger cannot store into drift: a revoke
// without an intent could be forgotten.
func unwritable(changes []grants.Change) []grants.Change {
	for i, c := range changes {
		if c.Cause == grants.CauseExclusive && c.Op == grants.OpRevoke && !storable(c.Item.Account) {
			changes[i].Op, changes[i].Reason = grants.OpLeave, "the account's name cannot be stored, so its access cannot be taken away safely"
		}
	}
	return changes
}

func storable(name string) bool { return utf8.ValidString(name) && !strings.ContainsRune(name, 0) }

// parted is what is to be done about strangers in one pass.
type parted struct {
	act      []grants.Change // to revoke now
	withheld []grants.Change // wait for an operator
}

// part asks the guard about the strangers of a plan, and notes those whose accepted
// revoke did not last.
func (w *worker) part(s *state, b *ledger.Batch, strangers []grants.Change) parted {
	allowed, withheld := grants.GuardStrangers(strangers, s.exclusive, ours(s.owned()), w.cfg.Guard, s.listed)
	out := parted{withheld: withheld}
	for _, c := range allowed {
		h, held := s.holds[c.Item.Grant]
		switch {
		case held && (w.waits(h, s.now) || w.underWay(h, s.now)):
		case held && awaitsReadBack(h):
			w.stillThere(s, b, c, h)
		default:
			out.act = append(out.act, c)
		}
	}
	return out
}

// takeBack revokes what strangers hold, after everything that has a window: an end
// that falls due meanwhile cuts it short. What is left is taken in the next pass,
// which also reads back.
func (w *worker) takeBack(ctx context.Context, s *state, v view, p parted) error {
	errs := multierror.Append(nil, w.reportStrangers(ctx, p.withheld))
	acts := p.act
	if len(acts) > maxBatch {
		acts = acts[:maxBatch]
	}
	if len(acts) > 0 {
		s.more = true
		if end := s.nextEnd(); !end.IsZero() {
			left := end.Sub(w.now())
			if left <= 0 {
				return errs.ErrorOrNil() // the end first
			}
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, left)
			defer cancel()
		}
		errs = multierror.Append(errs, w.apply(ctx, s, acts))
	}
	if len(acts) == len(p.act) && w.leased() {
		errs = multierror.Append(errs, w.listed(ctx, s, v))
	}
	return errs.ErrorOrNil()
}

// listed notes that confirmed first lists are under way: strangers that come later
// are no part of them.
func (w *worker) listed(ctx context.Context, s *state, v view) error {
	var b ledger.Batch
	for _, e := range s.standStill(v) {
		if !e.Listed && e.Waits == "" && s.listed[e.Commit] {
			b.Listed = append(b.Listed, ledger.Scope{Target: w.target, Entitlement: e.Entitlement, Since: e.Commit})
		}
	}
	if len(b.Listed) == 0 {
		return nil
	}
	return w.commit(ctx, b)
}

// reportStrangers tells of strangers that wait for an operator, once each.
func (w *worker) reportStrangers(ctx context.Context, withheld []grants.Change) error {
	fresh, all := map[string]int{}, make(map[string]bool, len(withheld))
	for _, c := range withheld {
		key := c.Commit + " " + c.Item.Grant.String()
		if !w.strangers[key] {
			fresh[c.Commit]++
		}
		all[key] = true
	}
	w.strangers = all
	var b ledger.Batch
	for _, id := range sortedKeys(fresh) {
		w.cfg.Log.Error("access that nobody asked for is to be taken away; look at it with `reconciler plan`, then run `reconciler confirm`",
			"target", w.target, "confirm", id, "accounts", fresh[id])
		b.Events = append(b.Events, w.event(ledger.EventWithheld, grants.Item{}, "", map[string]any{
			"cause": string(grants.CauseExclusive), "confirm": id, "removals": fresh[id],
		}))
	}
	if len(b.Events) == 0 {
		return nil
	}
	if err := w.commit(ctx, b); err != nil {
		return fmt.Errorf("record what is withheld: %w", err)
	}
	return nil
}
