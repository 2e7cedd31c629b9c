package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/daemon"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// loadConfig reads the reconciler's configuration and prints its warnings.
func (a *app) loadConfig() (*config.Config, error) {
	cfg, err := config.Load(a.configFile, a.env)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no configuration at %s; name it with --config", a.configFile)
		}
		return nil, err
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(a.err, a.tint(a.err, yellow, "warning:"), safe(w.Error()))
	}
	return cfg, nil
}

// readLedger opens the ledger for looking.
func (a *app) readLedger(ctx context.Context) (*config.Config, *ledger.Ledger, error) {
	return a.openLedger(ctx, daemon.ReadLedger)
}

// operateLedger opens the ledger for an operator's word, beside a running
// reconciler.
func (a *app) operateLedger(ctx context.Context) (*config.Config, *ledger.Ledger, error) {
	return a.openLedger(ctx, daemon.OperateLedger)
}

type ledgerOpener func(context.Context, *config.Config, func() time.Time) (*ledger.Ledger, error)

func (a *app) openLedger(ctx context.Context, open ledgerOpener) (*config.Config, *ledger.Ledger, error) {
	cfg, err := a.loadConfig()
	if err != nil {
		return nil, nil, err
	}
	led, err := open(ctx, cfg, a.now)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("there is no ledger at %s; has `reconciler run` been started with this configuration? (%w)", cfg.Ledger.Path, fs.ErrNotExist)
		}
		return nil, nil, notFine{err}
	}
	return cfg, led, nil
}

// logFlags adds the log's level and form to a command.
func logFlags(cmd *cobra.Command, level, form *string) {
	cmd.Flags().StringVar(level, "log-level", "info", "debug, info, warn or error")
	cmd.Flags().StringVar(form, "log-format", "text", "text or json")
}

func (a *app) logger(level, form string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: allowed are debug, info, warn and error", level)
	}
	o := &slog.HandlerOptions{Level: l}
	switch form {
	case "text":
		return slog.New(slog.NewTextHandler(a.err, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.err, o)), nil
	}
	return nil, fmt.Errorf("--log-format %q: allowed are text and json", form)
}
