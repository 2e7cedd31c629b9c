package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/daemon"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/source"
	"github.com/tenure-dev/tenure/schema"
)

type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func (a *app) doctorCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check configuration, credentials and rights before the first grant",
		Long: `Check the configuration, the ledger, the repository, the forge, and every target:
can each be reached, and do the credentials have the rights that the job needs.
Nothing is changed.

Exit code 1: something is not as it must be.`,
		Example: "  reconciler doctor --config /etc/tenure/reconciler.yaml",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.loadConfig()
			if err != nil {
				return err
			}
			var findings []finding
			bad := 0
			a.examine(cmd.Context(), cfg, func(f finding) {
				findings = append(findings, f)
				if !f.OK {
					bad++
				}
				if a.people() { // at once: a check may take its time
					fmt.Fprintf(a.out, "%s %s: %s\n", a.mark(f.OK), f.Check, safe(f.Detail))
				}
			})
			if !a.people() {
				if err := a.print(findings, nil); err != nil {
					return err
				}
			}
			if bad > 0 {
				if a.people() {
					fmt.Fprintf(a.err, "%s failed.\n", count(bad, "check has", "checks have"))
				}
				return errNotFine
			}
			return nil
		},
	}
	a.configFlag(cmd)
	a.outputFlag(cmd)
	return cmd
}

// doctorTimeout bounds each check.
const doctorTimeout = 30 * time.Second

func (a *app) examine(ctx context.Context, cfg *config.Config, tell func(finding)) {
	note := func(check, good string, errs ...error) {
		bad := false
		for _, err := range errs {
			if err != nil {
				tell(finding{check, false, strings.TrimPrefix(err.Error(), check+": ")})
				bad = true
			}
		}
		if !bad {
			tell(finding{check, true, good})
		}
	}
	note("configuration", "can be read; it names "+count(len(cfg.Targets), "target", "targets"))
	led := a.examineLedger(ctx, cfg, note)
	if led != nil {
		defer led.Close()
	}
	a.examineGit(ctx, cfg, note)
	a.examineTargets(ctx, cfg, led, note)
}

type noter func(check, good string, errs ...error)

func (a *app) examineLedger(ctx context.Context, cfg *config.Config, note noter) *ledger.Ledger {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	if cfg.Ledger.Kind == config.SQLite {
		if _, err := os.Stat(cfg.Ledger.Path); os.IsNotExist(err) {
			note("ledger", "not there yet; `run` makes it")
			return nil
		}
	}
	led, err := daemon.ReadLedger(ctx, cfg, a.now)
	if err != nil {
		note("ledger", "", err)
		return nil
	}
	note("ledger", "reachable", led.Check(ctx))
	note("chain of events", "unbroken", led.Verify(ctx))
	return led
}

func (a *app) examineGit(ctx context.Context, cfg *config.Config, note noter) {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	client, err := daemon.OpenForge(cfg, a.now)
	if err != nil {
		note("forge", "", err)
		return
	}
	note("forge", "reachable, with the rights that are needed", client.Check(ctx)...)
	if p, ok := client.(interface{ Preview() string }); ok {
		note("forge", p.Preview())
	}
	dir, err := os.MkdirTemp("", "tenure-doctor-")
	if err != nil {
		note("repository", "", err)
		return
	}
	defer os.RemoveAll(dir)
	scratch := *cfg
	scratch.StateDir = dir
	repo, err := daemon.OpenSource(ctx, &scratch, client)
	if err != nil {
		note("repository", "", err)
		return
	}
	defer repo.Close()
	head, _, err := repo.Poll(ctx)
	note("repository", fmt.Sprintf("branch %s is at %.12s", cfg.Repository.Branch, head), err)
	if err == nil {
		_, err = repo.FirstParents(cfg.Trust.From, head)
		note("trust.from", "is on the branch's first-parent history", err)
		connectors, err := documentedTargets(repo, head)
		note("target documents", "name the connectors of the configuration", append(daemon.MismatchedTargets(cfg, connectors), err)...)
	}
}

// documentedTargets reads which connector each target document of a commit names.
func documentedTargets(repo *source.Repo, commit string) (map[string]string, error) {
	entries, err := repo.Files(commit)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, e := range entries {
		if !schema.IsDocument(e.Path) || e.Mode != source.Regular {
			continue
		}
		text, err := repo.Read(e.Blob, schema.MaxFileBytes)
		if err != nil {
			continue // `validate` reports it
		}
		for _, doc := range schema.ParseFile(e.Path, text).Docs {
			if t, ok := doc.(*schema.Target); ok {
				out[t.Name] = t.Connector
			}
		}
	}
	return out, nil
}

func (a *app) examineTargets(ctx context.Context, cfg *config.Config, led *ledger.Ledger, note noter) {
	reg, err := registry()
	if err != nil {
		note("connectors", "", err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Targets)) {
		one := *cfg
		one.Targets = map[string]config.Target{name: cfg.Targets[name]}
		a.examineTarget(ctx, &one, name, reg, led, note)
	}
	if led == nil {
		return
	}
	holds, err := led.Holds(ctx, "")
	if err != nil {
		note("holds", "", err)
		return
	}
	for _, h := range holds {
		if _, ok := cfg.Targets[h.Target]; !ok && !h.PreExisting {
			note("holds", "", fmt.Errorf("%s can no longer be ended: its target is not in the configuration; put it back", h.Grant))
		}
	}
}

func (a *app) examineTarget(ctx context.Context, cfg *config.Config, name string, reg *connectors.Registry, led *ledger.Ledger, note noter) {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	check := "target " + name
	open, err := daemon.OpenTargets(ctx, cfg, reg)
	if err != nil {
		note(check, "", errorList(err)...)
		return
	}
	defer open[name].Close()
	var scope []string
	if led != nil {
		if scope, err = led.Scope(ctx, name); err != nil {
			note(check, "", err)
			return
		}
	}
	if c, ok := connectors.AsChecker(open[name]); ok {
		if errs := c.Check(ctx, scope); len(errs) > 0 {
			note(check, "", errs...)
			return
		}
	}
	_, err = open[name].Observe(ctx, scope)
	note(check, "reachable, with the rights that are needed"+ending(open[name])+preview(reg, cfg.Targets[name].Connector), err)
}

// ending says what the target does by itself when access ends.
func ending(c connectors.Connector) string {
	out := "; live sessions stay"
	if _, ok := connectors.AsSessionEnder(c); ok {
		out = "; live sessions are ended"
	}
	if n, ok := connectors.AsNativeExpirer(c); ok {
		out += "; " + n.NativeExpiry()
	}
	return out
}

// preview repeats what a connector says of itself while it is not yet proven.
func preview(reg *connectors.Registry, connector string) string {
	driver, err := reg.Lookup(connector)
	if err != nil {
		return ""
	}
	if d, ok := connectors.Describe(driver); ok && d.Preview != "" {
		return "; preview: " + d.Preview
	}
	return ""
}
