package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/daemon"
	"github.com/tenure-dev/tenure/internal/intake"
	"github.com/tenure-dev/tenure/internal/reconcile"
)

func (a *app) runCmd() *cobra.Command {
	var once bool
	var level, form string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Reconcile: grant what is approved, revoke what has ended",
		Long: `Follow the watched branch, prove each request's approval, grant it on its
targets, revoke it the second its window closes, and open the pull request that
removes its file. Runs until it is told to stop (SIGINT, SIGTERM) and finishes the
step it is in.

With --once it takes in the branch, makes one pass over every target and ends:
exit code 1 when anything failed.`,
		Example: `  reconciler run --config /etc/tenure/reconciler.yaml
  reconciler run --once --log-format json`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			cfg, err := a.loadConfig()
			if err != nil {
				return err
			}
			log, err := a.logger(level, form)
			if err != nil {
				return err
			}
			reg, err := registry()
			if err != nil {
				return err
			}
			release, _ := build()
			d, err := daemon.Open(cmd.Context(), cfg, daemon.Options{Registry: reg, Clock: reconcile.NewSystemClock(), Log: log, Version: release})
			if errors.As(err, new(daemon.LedgerError)) {
				return notFine{err} // it may come back, so a supervisor shall try again
			}
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.Close()) }()
			if once {
				if err := d.Once(cmd.Context()); err != nil {
					return notFine{errors.Join(err, a.passDone(d.Status(), cfg, log))}
				}
				return a.passDone(d.Status(), cfg, log)
			}
			log.Info("reconciling", "repository", cfg.Repository.URL, "branch", cfg.Repository.Branch, "targets", len(cfg.Targets), "version", release)
			if err := d.Run(cmd.Context()); err != nil {
				return notFine{fmt.Errorf("the reconciler stopped: %w", err)}
			}
			log.Info("stopped; access ends on time only while a reconciler runs")
			return nil
		},
	}
	a.configFlag(cmd)
	cmd.Flags().BoolVar(&once, "once", false, "one pass, then end")
	logFlags(cmd, &level, &form)
	return cmd
}

// passDone says how one pass ended. What it had to leave open is not fine.
func (a *app) passDone(seen *intake.Result, cfg *config.Config, log *slog.Logger) error {
	if seen == nil {
		return notFine{errors.New("the branch was not read; another replica may be at it")}
	}
	log.Info("one pass is done", "branch", cfg.Repository.Branch, "head", seen.Head, "targets", len(cfg.Targets), "waiting", seen.Pending)
	switch {
	case seen.Diverged != "":
		return notFine{fmt.Errorf("the branch was rewritten or moved back to %s; nothing new is granted until `reconciler confirm %[1]s`", seen.Diverged)}
	case seen.Pending > 0:
		return notFine{fmt.Errorf("%s for the forge's evidence; `reconciler status` says why", count(seen.Pending, "request waits", "requests wait"))}
	}
	return nil
}
