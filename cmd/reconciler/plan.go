package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/daemon"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/reconcile"
)

type planned struct {
	At      time.Time       `json:"at"`
	Next    time.Time       `json:"next,omitzero"` // when the answer changes next
	Changes []grants.Change `json:"changes"`
	// Withheld are revokes among the changes that a pass would not carry out.
	Withheld []withheld `json:"withheld,omitempty"`
	Errors   []string   `json:"errors,omitempty"`
}

func (a *app) planCmd() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "What would change on the targets, and why",
		Long: `Compare the decisions in the ledger with what each target shows now, and print
what a pass would do. Nothing is changed.

With --at it shows what a pass at another time would do, given what is known now.
Exit code 1: a target could not be read.`,
		Example: `  reconciler plan
  reconciler plan --at 2026-11-24T20:00:00Z -o json`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			when := a.now()
			if at != "" {
				t, err := time.Parse(time.RFC3339, at)
				if err != nil {
					return fmt.Errorf("--at %q is not a time such as 2026-11-24T20:00:00Z", at)
				}
				when = t.UTC()
			}
			p, err := a.makePlan(cmd.Context(), when)
			if err != nil {
				return err
			}
			if err := a.print(p, func(w io.Writer) error { return a.planTable(w, p) }); err != nil {
				return err
			}
			if len(p.Errors) > 0 {
				return errNotFine
			}
			return nil
		},
	}
	a.configFlag(cmd)
	a.outputFlag(cmd)
	cmd.Flags().StringVar(&at, "at", "", "plan for this time (RFC 3339) instead of now")
	return cmd
}

func (a *app) makePlan(ctx context.Context, at time.Time) (planned, error) {
	p := planned{At: at, Changes: []grants.Change{}}
	cfg, led, err := a.readLedger(ctx)
	if err != nil {
		return p, err
	}
	defer led.Close()
	reg, err := registry()
	if err != nil {
		return p, err
	}
	targets, err := daemon.OpenTargets(ctx, cfg, reg)
	defer func() {
		for _, c := range targets {
			_ = c.Close()
		}
	}()
	for _, e := range errorList(err) {
		p.Errors = append(p.Errors, e.Error())
	}
	decisions, err := led.Decisions(ctx)
	if err != nil {
		return p, err
	}
	var claims []grants.Claim
	claims, p.Next = grants.Desired(decisions, at)
	names := make([]string, 0, len(targets))
	for name := range targets {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		changes, owned, err := planTarget(ctx, led, name, connectors.WithTimeout(connectors.ReadOnly(targets[name]), cfg.Timeouts.Observe), decisions, claims, at)
		if err != nil { // what could be seen of the target is planned all the same
			p.Errors = append(p.Errors, fmt.Sprintf("target %s: %v", name, err))
		}
		p.Changes = append(p.Changes, changes...)
		back, err := withheldStrangers(ctx, cfg, led, name, changes, owned)
		if err != nil {
			return p, err
		}
		p.Withheld = append(p.Withheld, back...)
	}
	holds, err := led.Holds(ctx, "")
	if err != nil {
		return p, err
	}
	back, err := withheldRemovals(ctx, cfg, led, holds, at)
	p.Withheld = append(back, p.Withheld...)
	return p, err
}

// planTarget compares what must be with what the target shows. An error beside changes is
// of the parts of the target that could not be seen, for which nothing is planned.
func planTarget(ctx context.Context, led *ledger.Ledger, name string, c connectors.Connector, decisions []grants.Decision, all []grants.Claim, at time.Time) ([]grants.Change, []grants.Exclusive, error) {
	holds, err := led.Holds(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	scope, err := led.Scope(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	owned, err := exclusiveNow(ctx, led, name)
	if err != nil {
		return nil, nil, err
	}
	var claims []grants.Claim
	for _, cl := range all {
		if cl.Target == name {
			claims = append(claims, cl)
			scope = append(scope, cl.Entitlement)
		}
	}
	for _, h := range holds {
		scope = append(scope, h.Entitlement)
	}
	slices.Sort(scope)
	observed, unseen, err := reconcile.Look(ctx, c, slices.Compact(scope))
	changes := grants.Attribute(reconcile.Plan(claims, observed, holds, unseen), holds, decisions, at)
	return grants.Reclaim(changes, owned), owned, err
}

func (a *app) planTable(w io.Writer, p planned) error {
	var rows [][]string
	for _, c := range p.Changes {
		rows = append(rows, []string{string(c.Op), c.Item.Target, safe(c.Item.Account), safe(c.Item.Entitlement), stamp(c.Until), safe(c.Reason)})
	}
	if err := a.table(w, []string{"CHANGE", "TARGET", "ACCOUNT", "ENTITLEMENT", "UNTIL", "REASON"}, rows); err != nil {
		return err
	}
	for _, x := range p.Withheld {
		fmt.Fprintf(a.err, "%s: %s\n", a.tint(a.err, yellow, "withheld"), x)
	}
	for _, e := range p.Errors {
		fmt.Fprintln(a.err, a.tint(a.err, red, "error")+": "+safe(e))
	}
	if len(rows) == 0 && len(p.Errors) == 0 {
		fmt.Fprintln(a.err, "Nothing would change.")
	}
	if !p.Next.IsZero() {
		fmt.Fprintln(a.err, "The answer changes next at "+stamp(p.Next)+".")
	}
	return nil
}
