// Package jobs runs the ledger's durable side effects on River: revert pull
// requests, notices, evidence pushes, resyncs. It knows when and how often to run
// a job and nothing of what it does; and it is never the clock of an expiry,
// because River's scheduler is seconds late.
package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/robfig/cron/v3"

	"github.com/tenure-dev/tenure/internal/ledger"
)

// Handler does one kind of job. It is called at least once, possibly again after
// it succeeded (a crash), and never twice at a time for the same job. An error
// means: again later, with growing pauses. The context ends with the timeout or
// with the runner.
type Handler func(ctx context.Context, args json.RawMessage) error

// Periodic is a job that a schedule inserts. In a cluster only one replica does. One
// that fails is not tried again before the schedule says so.
type Periodic struct {
	Name     string        // unique
	Schedule cron.Schedule // in UTC
	Kind     string
	Args     json.RawMessage
}

// Counters are told what happens to jobs. Methods must not block.
type Counters interface {
	Done(kind string, took time.Duration)
	Failed(kind string, took time.Duration) // will be tried again
}

// Config says what a runner runs.
type Config struct {
	Handlers map[string]Handler // by kind; a job of another kind waits for a program that knows it
	Periodic []Periodic
	Workers  int           // jobs at a time; 0: 4
	Timeout  time.Duration // of one run; 0: 2 minutes
	Log      *slog.Logger
	Counters Counters // nil: none
}

// Runner runs the jobs of a ledger.
type Runner struct{ client Client }

// Client is River's client, whatever its driver.
type Client interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
}

// Host is a ledger database that can run jobs; both dialects are one.
type Host interface {
	RiverClient(cfg *river.Config) (Client, error)
}

const (
	// maxAttempts times maxPause is far beyond a year: a job is not given up.
	maxAttempts = 32000
	maxPause    = 30 * time.Minute

	// poll is how late a job can be when nothing announced it: a scheduled one, or
	// one of another replica. Inserts in this process are announced at once.
	poll = time.Second
	// cooldown bounds how often the queue is asked while it is busy.
	cooldown = 50 * time.Millisecond
	// rescueMargin after the timeout, a job whose process died is run again.
	rescueMargin = time.Minute
	// stopGrace is how long running jobs may finish before their context ends.
	stopGrace = 10 * time.Second
)

// New returns a runner for the ledger's jobs; nothing runs before Start.
func New(l *ledger.Ledger, cfg Config) (*Runner, error) {
	host, ok := l.Database().(Host)
	if !ok {
		return nil, errors.New("jobs: this ledger cannot run jobs")
	}
	if cfg.Log == nil {
		return nil, errors.New("jobs: no log given")
	}
	if cfg.Workers == 0 {
		cfg.Workers = 4
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Minute
	}
	workers := river.NewWorkers()
	for kind, h := range cfg.Handlers {
		river.AddWorkerArgs(workers, args{kind: kind}, &worker{ledger: l, run: h, log: cfg.Log, counters: cfg.Counters})
	}
	periodic, err := schedules(cfg)
	if err != nil {
		return nil, err
	}
	client, err := host.RiverClient(&river.Config{
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: cfg.Workers}},
		Workers:              workers,
		PeriodicJobs:         periodic,
		FetchOnlyKnownKinds:  true,
		FetchPollInterval:    poll,
		FetchCooldown:        cooldown,
		JobTimeout:           cfg.Timeout,
		RescueStuckJobsAfter: cfg.Timeout + rescueMargin,
		MaxAttempts:          maxAttempts,
		SoftStopTimeout:      stopGrace,
		ReindexerSchedule:    river.NeverSchedule(), // locks tables for nothing at this size
		Logger:               slog.New(quieter{cfg.Log.Handler()}),
	})
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return &Runner{client: client}, nil
}

// schedules refuses a periodic job that nobody would run.
func schedules(cfg Config) ([]*river.PeriodicJob, error) {
	var out []*river.PeriodicJob
	seen := map[string]bool{}
	for _, p := range cfg.Periodic {
		if p.Name == "" || p.Schedule == nil || seen[p.Name] {
			return nil, fmt.Errorf("jobs: periodic job %q needs a schedule and a name of its own", p.Name)
		}
		if cfg.Handlers[p.Kind] == nil {
			return nil, fmt.Errorf("jobs: periodic job %q: no handler for kind %q", p.Name, p.Kind)
		}
		seen[p.Name] = true
		a := args{kind: p.Kind, Args: p.Args}
		out = append(out, river.NewPeriodicJob(utc{p.Schedule}, func() (river.JobArgs, *river.InsertOpts) {
			// One attempt: the next tick is the next try, and they do not pile up.
			return a, &river.InsertOpts{MaxAttempts: 1}
		}, &river.PeriodicJobOpts{ID: p.Name}))
	}
	return out, nil
}

// utc keeps a schedule independent of the machine's time zone.
type utc struct{ cron.Schedule }

func (s utc) Next(t time.Time) time.Time { return s.Schedule.Next(t.UTC()) }

// Start runs jobs until Stop or until ctx ends.
func (r *Runner) Start(ctx context.Context) error {
	if err := r.client.Start(ctx); err != nil {
		return fmt.Errorf("jobs: start: %w", err)
	}
	return nil
}

// Stop waits until running jobs have finished; after ten seconds their context
// ends, and they are run again later. No goroutine of the runner is left when it
// returns nil. Stop before the ledger is closed.
func (r *Runner) Stop(ctx context.Context) error {
	if err := r.client.Stop(ctx); err != nil {
		return fmt.Errorf("jobs: stop: %w", err)
	}
	return nil
}
