package main

import (
	"context"
	"fmt"
	"maps"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// pausedTarget is a target on which nothing new is granted for now.
type pausedTarget struct {
	Target string    `json:"target"`
	Who    string    `json:"who"`
	Since  time.Time `json:"since"`
}

func (p pausedTarget) String() string {
	return fmt.Sprintf("%s: nothing is granted or prolonged since %s, by %s; what ends still ends (`reconciler resume %[1]s`)", p.Target, stamp(p.Since), safe(p.Who))
}

func (a *app) pauseCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause TARGET",
		Short: "Grant nothing on a target until it is resumed",
		Long: `Stop new access on one target: nothing is granted there, and no extension is
brought to it, until "resume". Use it while the target is under maintenance or
under attack.

A pause takes nothing away and keeps nothing alive: what ends, is deleted or is
deactivated is revoked as ever, and drift is still looked for. Requests go on to
be decided; what is still in its window at the resume is granted then, for the
rest of it. A target that ends access by itself does so at the end that it was
last told.

The pause is recorded with your name in the chain of events, and "status" shows
it. A running reconciler acts on it at once; an act that is under way is not
undone.`,
		Example: "  reconciler pause orders-db",
		Args:    arguments("TARGET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onTarget(cmd.Context(), args[0], func(led *ledger.Ledger, was ledger.Pause, paused bool, who string) error {
				if paused {
					fmt.Fprintf(a.out, "%s is paused already, since %s by %s\n", args[0], stamp(was.At), safe(was.Who))
					return nil
				}
				if err := led.Pause(cmd.Context(), args[0], who); err != nil {
					return err
				}
				fmt.Fprintf(a.out, "paused %s as %s\n", args[0], who)
				fmt.Fprintf(a.err, "Nothing new is granted there until `reconciler resume %s`; what ends still ends.\n", args[0])
				return nil
			})
		},
		ValidArgsFunction: a.completeTargets,
	}
	a.configFlag(cmd)
	return cmd
}

func (a *app) resumeCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume TARGET",
		Short: "End the pause of a target",
		Long: `End the pause of one target. What was approved meanwhile and is still in its
window is granted at once, for what is left of it.

It is recorded with your name in the chain of events.`,
		Example: "  reconciler resume orders-db",
		Args:    arguments("TARGET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onTarget(cmd.Context(), args[0], func(led *ledger.Ledger, _ ledger.Pause, paused bool, who string) error {
				if !paused {
					fmt.Fprintf(a.out, "%s is not paused\n", args[0])
					return nil
				}
				if err := led.Resume(cmd.Context(), args[0], who); err != nil {
					return err
				}
				fmt.Fprintf(a.out, "resumed %s as %s\n", args[0], who)
				return nil
			})
		},
		ValidArgsFunction: a.completeTargets,
	}
	a.configFlag(cmd)
	return cmd
}

// onTarget opens the ledger for an operator's word about a target that is
// configured or paused.
func (a *app) onTarget(ctx context.Context, target string, do func(led *ledger.Ledger, was ledger.Pause, paused bool, who string) error) error {
	cfg, led, err := a.operateLedger(ctx)
	if err != nil {
		return err
	}
	defer led.Close()
	paused, err := led.Paused(ctx)
	if err != nil {
		return err
	}
	was, is := paused[target]
	if _, known := cfg.Targets[target]; !known && !is {
		return unknownTarget(cfg, target)
	}
	return do(led, was, is, a.operator())
}

func unknownTarget(cfg *config.Config, target string) error {
	known := slices.Sorted(maps.Keys(cfg.Targets))
	hint := ""
	if n := nearest(target, known); n != "" {
		hint = fmt.Sprintf("; did you mean %q?", n)
	}
	return fmt.Errorf("no target %q is configured%s (targets: %s)", safe(target), hint, strings.Join(known, ", "))
}

// operator is who gives the word: the name that the chain of events records.
func (a *app) operator() string {
	who := "unknown"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	if by, _ := a.env("SUDO_USER"); by != "" {
		who += " (sudo by " + safe(by) + ")"
	}
	return who
}

func readPaused(ctx context.Context, led *ledger.Ledger) ([]pausedTarget, error) {
	out := []pausedTarget{}
	paused, err := led.Paused(ctx)
	for _, target := range slices.Sorted(maps.Keys(paused)) {
		out = append(out, pausedTarget{Target: target, Who: paused[target].Who, Since: paused[target].At})
	}
	return out, err
}
