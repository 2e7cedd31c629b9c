package main

import (
	"fmt"
	"os/user"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/internal/daemon"
)

var fullHash = regexp.MustCompile(`^[0-9a-f]{40}$`)

func (a *app) confirmCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "confirm COMMIT",
		Short: "Let through what a commit takes away, or a rewritten branch",
		Long: `Confirm one commit by its full hash:
  - removals that the guard withholds because the commit takes away too much
  - a commit that leaves no person or no request
  - the head of a branch that was rewritten or moved back

The confirmation is recorded with your name in the chain of events. A running
reconciler acts on it at once.`,
		Example: "  reconciler confirm 3f786850e387550fdab836ed7e6dc881de23001b",
		Args:    arguments("COMMIT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !fullHash.MatchString(args[0]) {
				return fmt.Errorf("%q is not a full commit hash: 40 lower-case hexadecimal digits", args[0])
			}
			cfg, err := a.loadConfig()
			if err != nil {
				return err
			}
			led, err := daemon.OperateLedger(cmd.Context(), cfg, a.now)
			if err != nil {
				return err
			}
			defer led.Close()
			who := "unknown"
			if u, err := user.Current(); err == nil {
				who = u.Username
			}
			if by, _ := a.env("SUDO_USER"); by != "" {
				who += " (sudo by " + safe(by) + ")"
			}
			if err := led.Confirm(cmd.Context(), args[0], who); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "confirmed %s as %s\n", args[0], who)
			return nil
		},
	}
	a.configFlag(cmd)
	return cmd
}
