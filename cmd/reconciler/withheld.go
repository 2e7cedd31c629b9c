package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/reconcile"
)

// withheld is what the guard holds back on one target because of one commit, or of a
// list of strangers.
type withheld struct {
	Target   string         `json:"target"`
	Commit   string         `json:"commit"` // what confirm is given
	Removals int            `json:"removals"`
	Cause    grants.Cause   `json:"cause,omitempty"`  // exclusive: of strangers
	Grants   []grants.Grant `json:"grants,omitempty"` // what strangers would lose
}

func (w withheld) String() string {
	if w.Cause == grants.CauseExclusive {
		text := fmt.Sprintf("%s: %s that nobody asked for waits, because it belongs to Tenure alone; look at it, then `reconciler confirm %s`:",
			w.Target, count(w.Removals, "access", "pieces of access"), w.Commit)
		for _, g := range w.Grants {
			text += fmt.Sprintf("\n  %s of %s", safe(g.Entitlement), safe(g.Account))
		}
		return text
	}
	return fmt.Sprintf("%s: %s withheld, because commit %.12s takes away too much; look at it, then `reconciler confirm %[3]s`",
		w.Target, count(w.Removals, "removal is", "removals are"), w.Commit)
}

// readWithheld finds what the guard holds back now, from the ledger alone: strangers
// are those of the last look at each target.
func readWithheld(ctx context.Context, cfg *config.Config, led *ledger.Ledger, holds []grants.Hold, now time.Time) ([]withheld, error) {
	out, err := withheldRemovals(ctx, cfg, led, holds, now)
	if err != nil {
		return out, err
	}
	drift, err := led.Drift(ctx)
	if err != nil {
		return out, err
	}
	on := map[string][]grants.Change{}
	for _, d := range drift {
		on[d.Grant.Target] = append(on[d.Grant.Target], grants.Change{Op: grants.OpLeave, Item: grants.Item{Grant: d.Grant}})
	}
	for _, target := range slices.Sorted(maps.Keys(on)) {
		owned, err := exclusiveNow(ctx, led, target)
		if err != nil {
			return out, err
		}
		back, err := withheldStrangers(ctx, cfg, led, target, grants.Reclaim(on[target], owned), owned)
		if err != nil {
			return out, err
		}
		out = append(out, back...)
	}
	return out, nil
}

// exclusiveNow returns what belongs to Tenure alone on a target; all of it waits while
// the target is paused.
func exclusiveNow(ctx context.Context, led *ledger.Ledger, target string) ([]grants.Exclusive, error) {
	owned, err := led.Exclusive(ctx, target)
	if err != nil {
		return nil, err
	}
	paused, err := led.Paused(ctx)
	if err != nil {
		return nil, err
	}
	if _, is := paused[target]; is {
		for i := range owned {
			owned[i].Waits = reconcile.TargetPaused
		}
	}
	return owned, nil
}

// withheldStrangers finds what the guard holds back of the revokes that grants.Reclaim
// made on one target.
func withheldStrangers(ctx context.Context, cfg *config.Config, led *ledger.Ledger, target string, changes []grants.Change, owned []grants.Exclusive) ([]withheld, error) {
	confirmed, err := led.StrangersConfirmed(ctx)
	if err != nil {
		return nil, err
	}
	holds, err := led.Holds(ctx, target)
	if err != nil {
		return nil, err
	}
	held := 0
	for _, h := range holds {
		if !h.PreExisting {
			held++
		}
	}
	_, back := grants.GuardStrangers(changes, owned, held, limits(cfg), confirmed)
	var out []withheld
	at := map[string]int{}
	for _, c := range back {
		i, ok := at[c.Commit]
		if !ok {
			i = len(out)
			at[c.Commit] = i
			out = append(out, withheld{Target: target, Commit: c.Commit, Cause: c.Cause})
		}
		out[i].Removals++
		out[i].Grants = append(out[i].Grants, c.Item.Grant)
	}
	return out, nil
}

func limits(cfg *config.Config) grants.GuardLimits {
	return grants.GuardLimits{MaxRemovals: cfg.Guard.MaxRemovals, MaxRemovalRatio: cfg.Guard.MaxRemovalRatio}
}

func withheldRemovals(ctx context.Context, cfg *config.Config, led *ledger.Ledger, holds []grants.Hold, now time.Time) ([]withheld, error) {
	out := []withheld{}
	decisions, err := led.Decisions(ctx)
	if err != nil {
		return out, err
	}
	confirmed, err := led.RemovalsConfirmed(ctx)
	if err != nil {
		return out, err
	}
	claims, _ := grants.Desired(decisions, now)
	on := map[string][]grants.Hold{}
	var targets []string
	for _, h := range holds {
		if on[h.Target] == nil {
			targets = append(targets, h.Target)
		}
		on[h.Target] = append(on[h.Target], h)
	}
	for _, target := range targets {
		var wanted []grants.Claim
		for _, c := range claims {
			if c.Target == target {
				wanted = append(wanted, c)
			}
		}
		held := 0
		for _, h := range on[target] {
			if !h.PreExisting {
				held++
			}
		}
		due := grants.Attribute(grants.PlanBlind(wanted, on[target]), on[target], decisions, now)
		_, back := grants.Guard(due, held, limits(cfg), confirmed)
		at := map[string]int{}
		for _, c := range back {
			i, ok := at[c.Commit]
			if !ok {
				i = len(out)
				at[c.Commit] = i
				out = append(out, withheld{Target: target, Commit: c.Commit})
			}
			out[i].Removals++
		}
	}
	return out, nil
}
