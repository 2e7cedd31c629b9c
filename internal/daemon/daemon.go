// Package daemon puts the reconciler together from its configuration and runs it:
// the intake loop, the engine, the durable jobs and the listener. It is assembly;
// every rule lives in the rooms that it connects.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/robfig/cron/v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/intake"
	"github.com/tenure-dev/tenure/internal/jobs"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/pulls"
	"github.com/tenure-dev/tenure/internal/reconcile"
	"github.com/tenure-dev/tenure/internal/revert"
	"github.com/tenure-dev/tenure/internal/web"
)

// Options are what a daemon needs beside its configuration.
type Options struct {
	Registry *connectors.Registry
	Clock    reconcile.Clock
	Log      *slog.Logger
	Version  string
}

// Daemon is one reconciler.
type Daemon struct {
	cfg  *config.Config
	opts Options
	log  *slog.Logger

	Ledger   *ledger.Ledger
	Engine   *reconcile.Engine
	Metrics  *web.Metrics
	source   closer
	forge    atomic.Pointer[forgeSide]     // nil: its client could not be made yet
	intake   atomic.Pointer[intake.Intake] // nil: openGit has not worked yet
	desk     atomic.Pointer[pulls.Desk]    // nil: the same
	runner   *jobs.Runner
	targets  map[string]connectors.Connector
	notifier *http.Client

	evidence chan struct{} // full while the evidence log is written
	wake     chan struct{}
	// wakePulls is full when open pull requests are to be looked at now.
	wakePulls chan struct{}
	// unreviewed are withheld commits that no approved pull request brought; only
	// the loop that follows the branch uses it.
	unreviewed map[string]bool
	lastPoll   atomic.Int64 // Unix nanoseconds of the last look at the branch that succeeded
	result     atomic.Pointer[intake.Result]
}

type closer interface{ Close() error }

// LedgerError says that the ledger could not be opened: it is down, or another
// process has it. The configuration may be right.
type LedgerError struct{ error }

func (e LedgerError) Unwrap() error { return e.error }

// Open builds a daemon. It fails only without the ledger, for a connector that this
// build does not know, and for holds on targets that are not configured. Targets are
// opened, and so are the copy of the repository and the forge's client, but what of
// them is down or missing is tried again while the daemon runs.
func Open(ctx context.Context, cfg *config.Config, opts Options) (_ *Daemon, err error) {
	d := &Daemon{
		cfg: cfg, opts: opts, log: opts.Log,
		Metrics:  web.NewMetrics(opts.Version),
		notifier: &http.Client{Timeout: noticeTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		evidence: make(chan struct{}, 1), wake: make(chan struct{}, 1), wakePulls: make(chan struct{}, 1), unreviewed: map[string]bool{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if d.Ledger, err = OpenLedger(ctx, cfg, opts.Clock.Now); err != nil {
		return d, LedgerError{err}
	}
	if d.targets, err = d.startTargets(ctx); err != nil {
		return d, err
	}
	if d.Engine, err = d.engine(); err != nil {
		return d, err
	}
	if err = d.Engine.Check(ctx); err != nil {
		return d, err
	}
	if gitErr := d.openGit(ctx); gitErr != nil {
		d.log.Error("Git and the forge cannot be used yet; access that has to end still ends", "error", gitErr)
	}
	d.runner, err = jobs.New(d.Ledger, jobs.Config{Handlers: d.sideEffects(), Periodic: d.periodic(), Log: opts.Log})
	return d, err
}

func (d *Daemon) engine() (*reconcile.Engine, error) {
	wrapped := make(map[string]connectors.Connector, len(d.targets))
	for name, c := range d.targets {
		d.Metrics.Watch(name)
		wrapped[name] = d.decorate(name, c)
	}
	return reconcile.New(reconcile.Config{
		Ledger: d.Ledger, Targets: wrapped, Clock: d.opts.Clock, Log: d.log, Metrics: d.Metrics,
		Guard:      grants.GuardLimits{MaxRemovals: d.cfg.Guard.MaxRemovals, MaxRemovalRatio: d.cfg.Guard.MaxRemovalRatio},
		Resync:     d.cfg.Resync,
		ActTimeout: d.cfg.Timeouts.Act, ObserveTimeout: d.cfg.Timeouts.Observe,
		Deactivated:   d.deactivated,
		SecondOpinion: d.forgeTime,
		RevertKey:     func(at time.Time) (string, time.Time) { return revert.Key(at, d.cfg.Reverts.Group) },
	})
}

func (d *Daemon) periodic() []jobs.Periodic {
	return []jobs.Periodic{
		{Name: jobTend, Schedule: cron.Every(time.Minute), Kind: jobTend},
		{Name: jobReview, Schedule: cron.Every(time.Hour), Kind: jobReview},
		// What happened without an act, such as a judgement, is copied here.
		{Name: reconcile.JobEvidence, Schedule: cron.Every(time.Minute), Kind: reconcile.JobEvidence},
	}
}

// Wake makes the daemon look at the branch now.
func (d *Daemon) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Status is the result of the last look at the branch; nil: none yet.
func (d *Daemon) Status() *intake.Result { return d.result.Load() }

// Run reconciles until ctx ends. Access that has to end still ends when Git, the
// forge and every notification are down.
func (d *Daemon) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var errs multierror.Group
	wg.Go(func() { _ = d.Engine.Run(ctx) })
	wg.Go(func() { d.follow(ctx) })
	wg.Go(func() { d.followPulls(ctx) })
	errs.Go(func() error { return d.runJobs(ctx) })
	if d.cfg.Listen != "" {
		errs.Go(func() error { return d.serve(ctx) })
	}
	wg.Wait()
	return errs.Wait().ErrorOrNil()
}

// runJobs starts the durable jobs. They are never in the way of a revoke: when
// they cannot start, that is tried again beside everything else.
func (d *Daemon) runJobs(ctx context.Context) error {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		// River ends its jobs itself in Stop, so that they can finish.
		if err := d.runner.Start(context.WithoutCancel(ctx)); err == nil {
			break
		} else if ctx.Err() == nil {
			d.log.Error("durable jobs could not be started; trying again", "error", err)
		}
		d.opts.Clock.Sleep(ctx, d.opts.Clock.Now().Add(wait), nil)
		if ctx.Err() != nil {
			return nil
		}
	}
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return d.runner.Stop(stop)
}

// follow looks at the branch whenever the schedule, a wake or a retry says so.
func (d *Daemon) follow(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		res, err := d.look(ctx)
		now := d.opts.Clock.Now()
		next := d.cfg.Poll.Next(now)
		switch {
		case errors.Is(err, ledger.ErrLeased):
			failures = 0 // another replica reads the branch
		case err != nil && ctx.Err() == nil:
			failures++
			d.log.Error("taking in the branch failed; access that has to end still ends", "error", err)
			if retry := now.Add(min(time.Second<<min(failures, 6), time.Minute)); retry.After(next) {
				next = retry
			}
		default:
			failures = 0
			d.confirmReviewed(ctx)
		}
		if !res.RetryAt.IsZero() && res.RetryAt.Before(next) {
			next = res.RetryAt
		}
		d.opts.Clock.Sleep(ctx, next, d.wake)
	}
	in := d.intake.Load()
	if in == nil {
		return
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := in.Close(stop); err != nil {
		d.log.Warn("giving the intake's lease back failed", "error", err)
	}
}

// look takes in the branch once.
func (d *Daemon) look(ctx context.Context) (intake.Result, error) {
	var res intake.Result
	err := d.openGit(ctx)
	if err == nil {
		res, err = d.intake.Load().Pass(ctx)
	}
	if !errors.Is(err, ledger.ErrLeased) {
		d.Metrics.Polled(d.opts.Clock.Now(), err)
	}
	if err == nil {
		d.lastPoll.Store(d.opts.Clock.Now().UnixNano())
	}
	if res.Head != "" {
		d.report(d.result.Swap(&res), res)
		d.Metrics.NotInForce(len(res.Problems))
	}
	if res.Changed {
		d.Metrics.HeadAccepted(d.opts.Clock.Now())
		d.Engine.Wake()
		d.WakePulls()
	}
	return res, err
}

// report logs what is new in the result of a look at the branch: files that are
// not in force, and targets that the configuration opens with another connector.
func (d *Daemon) report(before *intake.Result, res intake.Result) {
	known := map[string]bool{}
	if before != nil {
		for _, p := range before.Problems {
			known[p.Error()] = true
		}
	}
	for _, p := range res.Problems {
		if !known[p.Error()] {
			d.log.Error("a file of the branch is not in force; what it replaced stays", "file", p.Pos.File, "problem", p.Message)
		}
	}
	if before != nil && maps.Equal(before.Targets, res.Targets) {
		return
	}
	for _, err := range MismatchedTargets(d.cfg, res.Targets) {
		d.log.Error("wrong target", "error", err)
	}
}

// MismatchedTargets names the targets that the configuration opens with another
// connector than their documents name. Documents are given as connector by target.
func MismatchedTargets(cfg *config.Config, documents map[string]string) []error {
	var out []error
	for _, name := range slices.Sorted(maps.Keys(cfg.Targets)) {
		if c := cfg.Targets[name].Connector; documents[name] != "" && documents[name] != c {
			out = append(out, fmt.Errorf("target %s: the configuration says connector %s, its document says %s", name, c, documents[name]))
		}
	}
	return out
}

// Once takes in the branch and makes one pass over every target.
func (d *Daemon) Once(ctx context.Context) error {
	var errs *multierror.Error
	if _, err := d.look(ctx); err != nil {
		errs = multierror.Append(errs, err)
	}
	if _, err := d.lookAtPulls(ctx); err != nil {
		errs = multierror.Append(errs, err)
	}
	if err := d.Engine.Once(ctx); err != nil {
		errs = multierror.Append(errs, err)
	}
	if d.confirmReviewed(ctx) {
		errs = multierror.Append(errs, d.Engine.Once(ctx))
	}
	return errs.ErrorOrNil()
}

// Close releases everything; the daemon must not be running.
func (d *Daemon) Close() error {
	var errs *multierror.Error
	if in := d.intake.Load(); in != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		errs = multierror.Append(errs, in.Close(ctx))
	}
	if desk := d.desk.Load(); desk != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		errs = multierror.Append(errs, desk.Close(ctx))
	}
	for name, c := range d.targets {
		if err := c.Close(); err != nil {
			errs = multierror.Append(errs, fmt.Errorf("target %s: %w", name, err))
		}
	}
	if d.source != nil {
		errs = multierror.Append(errs, d.source.Close())
	}
	if d.Ledger != nil {
		errs = multierror.Append(errs, d.Ledger.Close())
	}
	return errs.ErrorOrNil()
}
