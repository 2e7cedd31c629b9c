package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

var fullHash = regexp.MustCompile(`^[0-9a-f]{40}$`)

func (a *app) confirmCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "confirm COMMIT",
		Short: "Let through what a commit takes away, or a rewritten branch",
		Long: `Confirm one commit by its full hash. What of these waits for it is confirmed,
each by itself, and printed:
  - removals that the guard withholds because the commit takes away too much
  - access that nobody asked for, to what a role with exclusive: true owns
  - a commit that leaves no person or no request
  - the head of a branch that was rewritten or moved back
  - roles, groups, people, targets and policies in it that still wait for the
    forge's proof: they come into force by your word

Look at the whole commit first. A confirmation says nothing about what waits for
the commit later, or at another head of the branch: it is asked for again. It is
recorded with your name in the chain of events, and a running reconciler acts on
it at its next look.

Exit code 1: nothing waits for this commit.`,
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
			means, err := confirm(cmd.Context(), led, s.Withheld, args[0], who)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "confirmed %s as %s\n", args[0], who)
			for _, m := range means {
				fmt.Fprintln(a.out, "  "+m)
			}
			return nil
		},
	}
	a.configFlag(cmd)
	return cmd
}

// confirm confirms what waits for a commit, and says what each of it means.
func confirm(ctx context.Context, led *ledger.Ledger, back []withheld, commit, who string) (means []string, err error) {
	strangers := false
	for _, w := range back {
		switch {
		case w.Commit != commit:
		case w.Cause == grants.CauseExclusive:
			strangers = true
		default:
			means = append(means, fmt.Sprintf("removals: %s on %s, and what else the commit takes away there", count(w.Removals, "removal goes ahead", "removals go ahead"), w.Target))
		}
	}
	if len(means) > 0 {
		if err := led.ConfirmRemovals(ctx, commit, who); err != nil {
			return nil, err
		}
	}
	if strangers {
		if err := led.ConfirmStrangers(ctx, commit, who); err != nil {
			return nil, err
		}
		for _, w := range back {
			if w.Commit == commit && w.Cause == grants.CauseExclusive {
				means = append(means, fmt.Sprintf("strangers: %s on %s; from now on such access goes at once there, within the limits of the guard", count(w.Removals, "access that nobody asked for is taken away", "pieces of access that nobody asked for are taken away"), w.Target))
			}
		}
	}
	reasons, err := led.Confirm(ctx, commit, who)
	if errors.Is(err, ledger.ErrNothingWaits) {
		if len(means) > 0 {
			return means, nil
		}
		return nil, notFine{fmt.Errorf("nothing waits for a confirmation of %s, so nothing was recorded; `reconciler status` says what waits", commit)}
	}
	for _, r := range reasons {
		means = append(means, string(r)+": "+meaning[r])
	}
	return means, err
}

// meaning says what the confirmation of a commit does.
var meaning = map[ledger.Reason]string{
	ledger.Emptied:   "the commit is taken in although it leaves no person or no request; the guard still counts what that takes away",
	ledger.Rewritten: "the branch is followed to it, and the configuration there is trusted; new bytes of requests prove nothing, and the guard still counts what is taken away",
	ledger.Trusted:   "its roles, groups, people, targets and policies that wait for proof come into force by your word",
}
