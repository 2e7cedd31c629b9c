// Package reconcile makes the targets agree with the decisions in the ledger: it
// observes, compares, grants and revokes, one worker a target, each on time.
//
// It needs the ledger and the target and nothing else. Git, the forge and every
// notification may be down: what has to end still ends. It knows interfaces
// only, no driver.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/robfig/cron/v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// Config is what an Engine needs.
type Config struct {
	Ledger  Ledger
	Targets map[string]connectors.Connector // by name; opened by the caller and closed by it
	Clock   Clock
	Log     *slog.Logger
	Metrics Recorder
	Guard   grants.GuardLimits
	Resync  cron.Schedule // when every target is looked at again, for drift

	ActTimeout     time.Duration // of one act on a target, or one batch of them; its hard deadline
	ObserveTimeout time.Duration

	// Deactivated reports whether a person was deactivated or removed, so that the
	// guard never keeps what they hold. Nil: only what decisions say counts.
	Deactivated func(subject string) bool

	// RevertKey names the group of revert pull requests that a request ended at
	// a time belongs to, and when that group is due.
	RevertKey func(ended time.Time) (key string, due time.Time)
	// SecondOpinion asks another clock, such as the forge's, when the wall clock
	// jumped. Nil: there is none, and nothing is granted until it is right again.
	SecondOpinion func(ctx context.Context) (time.Time, error)
}

// Recorder receives the engine's figures. Implementations are safe for
// concurrent use.
type Recorder interface {
	Pass(target string, took time.Duration, err error)
	Granted(target string, lag time.Duration) // lag: from the start of the window to the target's yes
	Revoked(target string, lag time.Duration) // lag: from the end of the window to the target's yes
	Failed(target, op string)
	Overdue(target string, n int)  // holds past their end that the target still has not given up
	Withheld(target string, n int) // removals that wait for an operator
	Drift(target string, n int)
}

// Engine runs one worker for each target.
type Engine struct {
	cfg     Config
	time    *timekeeper
	workers []*worker

	mu       sync.Mutex
	withheld map[string][]string // by target, the commits of what the guard withholds
}

// New checks the configuration and returns an engine that does nothing yet.
func New(cfg Config) (*Engine, error) {
	if cfg.Ledger == nil || cfg.Clock == nil || cfg.Metrics == nil || cfg.Log == nil {
		return nil, errors.New("reconcile: ledger, clock, metrics and log are needed")
	}
	if cfg.ActTimeout <= 0 || cfg.ObserveTimeout <= 0 || cfg.Resync == nil || cfg.RevertKey == nil {
		return nil, errors.New("reconcile: time-outs, resync schedule and revert key are needed")
	}
	e := &Engine{cfg: cfg, time: newTimekeeper(cfg.Clock), withheld: map[string][]string{}}
	for name, c := range cfg.Targets {
		e.workers = append(e.workers, newWorker(e, name, c))
	}
	slices.SortFunc(e.workers, func(a, b *worker) int { return strings.Compare(a.target, b.target) })
	return e, nil
}

// Check fails when the ledger has holds on targets that are not configured:
// access that nobody can end any more. It names each of them.
func (e *Engine) Check(ctx context.Context) error {
	holds, err := e.cfg.Ledger.Holds(ctx, "")
	if err != nil {
		return err
	}
	lost := map[string]int{}
	for _, h := range holds {
		if _, ok := e.cfg.Targets[h.Target]; !ok && !h.PreExisting {
			lost[h.Target]++
		}
	}
	var errs *multierror.Error
	for _, name := range sortedKeys(lost) {
		errs = multierror.Append(errs, fmt.Errorf(
			"target %s is not in the configuration, but the ledger holds %d grants on it that can no longer be ended; put it back", name, lost[name]))
	}
	return errs.ErrorOrNil()
}

// Wake makes every worker look at its target now.
func (e *Engine) Wake() {
	for _, w := range e.workers {
		w.poke()
	}
}

// Run reconciles until ctx ends, and returns when every worker has stopped. It
// finishes the step it is in first.
func (e *Engine) Run(ctx context.Context) error {
	if last, err := e.cfg.Ledger.LastEventAt(ctx); err == nil {
		e.time.before(last)
	}
	var wg sync.WaitGroup
	for _, w := range e.workers {
		wg.Go(func() { w.run(ctx) })
	}
	wg.Go(func() { e.watch(ctx) })
	wg.Wait()
	return nil
}

// Once makes one pass over every target, all at the same time, and returns what
// went wrong on each.
func (e *Engine) Once(ctx context.Context) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var errs *multierror.Error
	for _, w := range e.workers {
		wg.Go(func() {
			err := w.once(ctx)
			w.release()
			if err != nil {
				mu.Lock()
				errs = multierror.Append(errs, fmt.Errorf("%s: %w", w.target, err))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if errs != nil {
		slices.SortFunc(errs.Errors, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	}
	return errs.ErrorOrNil()
}

// once passes until nothing is left that is due now, but not for ever.
func (w *worker) once(ctx context.Context) error {
	for range 100 {
		next, err := w.pass(ctx)
		if err != nil || next.IsZero() || next.After(w.cfg.Clock.Now()) {
			return err
		}
	}
	return errors.New("there was more to do after every one of a hundred passes")
}

// watchEvery is how often another process's writes to the ledger are looked for.
// Our own wake the workers at once.
const watchEvery = time.Second

func (e *Engine) watch(ctx context.Context) {
	last := int64(-1)
	var asked time.Duration
	lost := false
	var off time.Duration // of the time to act by, against the wall clock
	for ctx.Err() == nil {
		v, err := e.version(ctx)
		if err == nil && (v != last || lost) {
			// Also when the ledger is back: workers pause after failed passes.
			if last >= 0 || lost {
				e.Wake()
			}
			last = v
		}
		lost = err != nil
		r := e.time.read()
		if now := r.now.Sub(e.cfg.Clock.Now()); (now - off).Abs() > jumpTolerance {
			off = now
			e.Wake() // something may have to end by the new time
		}
		if r.jumped {
			if asked -= watchEvery; asked <= 0 {
				asked = opinionEvery
				e.ask(ctx)
			}
		} else {
			asked = 0
		}
		e.cfg.Clock.Sleep(ctx, e.cfg.Clock.Now().Add(watchEvery), nil)
	}
}

func (e *Engine) version(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	return e.cfg.Ledger.Version(ctx)
}

const (
	opinionEvery   = 15 * time.Second
	opinionTimeout = 10 * time.Second
)

// ask gets a second opinion on a wall clock that jumped.
func (e *Engine) ask(ctx context.Context) {
	e.cfg.Log.Error("the wall clock jumped against the monotonic clock; nothing new is granted until another clock agrees with one of them")
	if e.cfg.SecondOpinion == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, opinionTimeout)
	defer cancel()
	other, err := e.cfg.SecondOpinion(ctx)
	if err != nil {
		e.cfg.Log.Warn("no second opinion on the time", "error", err)
		return
	}
	e.time.opinion(other)
	e.Wake()
}

// hold notes the commits of what the guard withholds on a target.
func (e *Engine) hold(target string, withheld []grants.Change) {
	commits := map[string]bool{}
	for _, c := range withheld {
		if c.Commit != "" {
			commits[c.Commit] = true
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.withheld[target] = sortedKeys(commits)
}

// Withheld returns the commits that take away too much and wait for somebody to
// confirm them, sorted.
func (e *Engine) Withheld() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := map[string]bool{}
	for _, commits := range e.withheld {
		for _, c := range commits {
			all[c] = true
		}
	}
	return sortedKeys(all)
}
