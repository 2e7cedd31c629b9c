package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// withheld is what the guard holds back on one target because of one commit.
type withheld struct {
	Target   string `json:"target"`
	Commit   string `json:"commit"`
	Removals int    `json:"removals"`
}

func (w withheld) String() string {
	return fmt.Sprintf("%s: %s withheld, because commit %.12s takes away too much; look at it, then `reconciler confirm %[3]s`",
		w.Target, count(w.Removals, "removal is", "removals are"), w.Commit)
}

// readWithheld finds what the guard holds back now, from the ledger alone.
func readWithheld(ctx context.Context, cfg *config.Config, led *ledger.Ledger, holds []grants.Hold, now time.Time) ([]withheld, error) {
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
		_, back := grants.Guard(due, held, grants.GuardLimits{MaxRemovals: cfg.Guard.MaxRemovals, MaxRemovalRatio: cfg.Guard.MaxRemovalRatio}, confirmed)
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
