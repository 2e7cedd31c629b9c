package main

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/spf13/cobra"
)

var fullHash = regexp.MustCompile(`^[0-9a-f]{40}$`)

// waitsFor reports whether the ledger shows something that waits for a commit.
func (s status) waitsFor(commit string) bool {
	return s.Diverged == commit || slices.ContainsFunc(s.Withheld, func(w withheld) bool { return w.Commit == commit })
}

func (a *app) confirmCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "confirm COMMIT",
		Short: "Let through what a commit takes away, or a rewritten branch",
		Long: `Confirm one commit by its full hash:
  - removals that the guard withholds because the commit takes away too much
  - a commit that leaves no person or no request
  - the head of a branch that was rewritten or moved back
  - roles, groups, people, targets and policies in it that still wait for the
    forge's proof: they come into force by your word

Look at the whole commit first: one word covers all of it. The confirmation is
recorded with your name in the chain of events. A running reconciler acts on it at
once.`,
		Example: "  reconciler confirm 3f786850e387550fdab836ed7e6dc881de23001b",
		Args:    arguments("COMMIT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !fullHash.MatchString(args[0]) {
				return fmt.Errorf("%q is not a full commit hash: 40 lower-case hexadecimal digits", args[0])
			}
			cfg, led, err := a.operateLedger(cmd.Context())
			if err != nil {
				return err
			}
			defer led.Close()
			s, err := readStatus(cmd.Context(), cfg, led, a.now())
			if err != nil {
				return err
			}
			who := a.operator()
			if err := led.Confirm(cmd.Context(), args[0], who); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "confirmed %s as %s\n", args[0], who)
			if !s.waitsFor(args[0]) {
				fmt.Fprintln(a.err, "Neither a withheld removal nor a rewritten branch waits for this commit; it counts if it leaves no person or no request.")
			}
			return nil
		},
	}
	a.configFlag(cmd)
	return cmd
}
