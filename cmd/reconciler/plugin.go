package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/plugin/check"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/daemon"
)

func (a *app) pluginCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "plugin COMMAND",
		Short:   "Work on plug-ins: try one",
		Long:    "Work on the plug-ins behind targets of the connectors exec and http.",
		Example: "  reconciler plugin test wiki --account test1 --account test2 --entitlement role=editor",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.pluginTestCmd())
	return cmd
}

// pluginTestTime bounds the whole test; its grants end then, where the target can.
const pluginTestTime = 10 * time.Minute

func (a *app) pluginTestCmd() *cobra.Command {
	var accounts, entitlements []string
	cmd := &cobra.Command{
		Use:   "test TARGET",
		Short: "Try whether a plug-in keeps the rules",
		Long: `Try the plug-in behind a target of the configuration: does it show what it
granted, all of it and nothing else; take away what it should and leave the rest;
say which account it does not know; keep its promises when two write at once?

The test grants and revokes. Give it accounts that exist on the target for this
alone and hold none of the entitlements; it refuses others before it changes
anything, and takes back what it granted. Use a target for tests, and no
reconciler beside it.

Exit code 1: the plug-in breaks a rule, or the test could not be made.`,
		Example: `  reconciler plugin test wiki --account test1 --account test2 --entitlement role=editor
  reconciler plugin test wiki --account test1 --account test2 \
      --entitlement 'resource=space/Orders role=editor' -o json`,
		Args: arguments("TARGET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.loadConfig()
			if err != nil {
				return err
			}
			for _, e := range entitlements {
				if _, err := connectors.Parse(e); err != nil {
					return fmt.Errorf("--entitlement: %w", err)
				}
			}
			findings, err := a.tryPlugin(cmd.Context(), cfg, args[0], accounts, entitlements)
			if err != nil {
				return err
			}
			return a.tell(findings)
		},
	}
	cmd.Flags().StringArrayVar(&accounts, "account", nil, "an account that exists and holds nothing; at least two")
	cmd.Flags().StringArrayVar(&entitlements, "entitlement", nil, "an entitlement that exists, as role=NAME or \"resource=NAME role=NAME\"; at least one")
	a.configFlag(cmd)
	a.outputFlag(cmd)
	return cmd
}

func (a *app) tryPlugin(ctx context.Context, cfg *config.Config, target string, accounts, entitlements []string) ([]finding, error) {
	t, ok := cfg.Targets[target]
	if !ok {
		return nil, fmt.Errorf("%s has no target %q", a.configFile, target)
	}
	if t.Connector != "exec" && t.Connector != "http" {
		return nil, fmt.Errorf("target %s is of connector %s, which is no plug-in; exec and http are", target, t.Connector)
	}
	reg, err := registry()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, pluginTestTime)
	defer cancel()
	one := *cfg
	one.Targets = map[string]config.Target{target: t}
	open, err := daemon.OpenTargets(ctx, &one, reg)
	if err != nil {
		return nil, err
	}
	defer open[target].Close()
	results, err := check.Run(ctx, check.Subject{
		Target: target, Connector: open[target], Accounts: accounts, Entitlements: entitlements, Until: a.now().Add(pluginTestTime),
	})
	if err != nil {
		return nil, notFine{err}
	}
	findings := make([]finding, len(results))
	for i, r := range results {
		findings[i] = finding{Check: r.Case, OK: r.Err == nil}
		if r.Err != nil {
			findings[i].Detail = r.Err.Error()
		}
	}
	return findings, nil
}

// tell prints what was found; anything that is not fine is the command's end.
func (a *app) tell(findings []finding) error {
	bad := 0
	for _, f := range findings {
		if !f.OK {
			bad++
		}
		if a.people() {
			line := a.mark(f.OK) + " " + f.Check
			if f.Detail != "" {
				line += ": " + safe(f.Detail)
			}
			fmt.Fprintln(a.out, line)
		}
	}
	if !a.people() {
		if err := a.print(findings, nil); err != nil {
			return err
		}
	}
	if bad > 0 {
		return errNotFine
	}
	return nil
}
