package jobs_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/jobs"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/ledgertest"
	"github.com/tenure-dev/tenure/internal/ledger/open"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// both runs a test on both dialects; newURL returns a new ledger's URL.
func both(t *testing.T, f func(t *testing.T, newURL func() string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, func() string {
			return (&url.URL{Scheme: "sqlite", Path: filepath.Join(t.TempDir(), "ledger.db")}).String()
		})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		s := pgtest.Start(t)
		n := 0
		f(t, func() string { n++; return s.CreateDatabase(t, fmt.Sprint("ledger", n)) })
	})
}

func openLedger(t *testing.T, url string) *ledger.Ledger {
	t.Helper()
	l, err := open.Open(t.Context(), url, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// writer commits batches by one lease.
func writer(t *testing.T, l *ledger.Ledger, name string) func(b ledger.Batch) {
	t.Helper()
	lease, err := l.Acquire(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return func(b ledger.Batch) {
		t.Helper()
		if err := l.Commit(t.Context(), lease, b); err != nil {
			t.Error(err)
		}
	}
}

// run starts a runner that is stopped when the test ends.
func run(t *testing.T, l *ledger.Ledger, cfg jobs.Config) {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r, err := jobs.New(l, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		if err := r.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
}

// next waits for what must come. The limit is for a machine whose disk is busy: every
// write of a ledger waits for it.
func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(3 * time.Minute):
		t.Fatal("nothing happened")
	}
	panic("unreachable")
}

type counts struct{ done, failed atomic.Int64 }

func (c *counts) Done(string, time.Duration)   { c.done.Add(1) }
func (c *counts) Failed(string, time.Duration) { c.failed.Add(1) }

func TestFailedJobsRunAgainAndOthersGoOn(t *testing.T) {
	both(t, func(t *testing.T, newURL func() string) {
		l := openLedger(t, newURL())
		write := writer(t, l, "x")
		var log strings.Builder
		var tries, panics, naps atomic.Int64
		done := make(chan string, 10)
		c := &counts{}
		write(ledger.Batch{Jobs: []ledger.Job{
			{Kind: "fails", Key: "k"}, {Kind: "panics"}, {Kind: "snoozes"}, {Kind: "unknown"}, {Kind: "fine", Args: []byte(`{"a":1}`)},
		}})
		run(t, l, jobs.Config{
			Counters: c, Log: slog.New(slog.NewTextHandler(&locked{w: &log}, nil)),
			Handlers: map[string]jobs.Handler{
				"fails": func(context.Context, json.RawMessage) error {
					if tries.Add(1) < 3 {
						return errors.New("not yet")
					}
					done <- "fails"
					return nil
				},
				"panics": func(context.Context, json.RawMessage) error {
					if panics.Add(1) == 1 {
						panic("oops")
					}
					done <- "panics"
					return nil
				},
				"snoozes": func(context.Context, json.RawMessage) error {
					if naps.Add(1) == 1 {
						return fmt.Errorf("too early: %w", jobs.Snooze(10*time.Millisecond))
					}
					done <- "snoozes"
					return nil
				},
				"fine": func(_ context.Context, args json.RawMessage) error {
					var a struct{ A int }
					if err := json.Unmarshal(args, &a); err != nil || a.A != 1 {
						t.Errorf("args %s", args)
					}
					done <- "fine"
					return nil
				},
			},
		})
		seen := map[string]bool{}
		for range 4 {
			seen[next(t, done)] = true
		}
		if len(seen) != 4 {
			t.Errorf("done: %v", seen)
		}
		if n := c.failed.Load(); n != 3 {
			t.Errorf("%d failures counted, want two and a panic", n)
		}
	})
}

// locked lets several goroutines write to a builder.
type locked struct {
	mu sync.Mutex
	w  *strings.Builder
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func TestJobInsertedWhileItsKeyRunsIsNotLost(t *testing.T) {
	both(t, func(t *testing.T, newURL func() string) {
		l := openLedger(t, newURL())
		write := writer(t, l, "x")
		started, proceed := make(chan string), make(chan struct{})
		run(t, l, jobs.Config{Handlers: map[string]jobs.Handler{
			"revert": func(_ context.Context, args json.RawMessage) error {
				started <- string(args)
				<-proceed
				return nil
			},
		}})
		write(ledger.Batch{Jobs: []ledger.Job{{Kind: "revert", Key: "k", Args: []byte(`1`)}}})
		if got := next(t, started); got != "1" {
			t.Fatalf("started %s", got)
		}
		// The first one has read what it works on: what comes now is for another run.
		write(ledger.Batch{Jobs: []ledger.Job{{Kind: "revert", Key: "k", Args: []byte(`2`)}}})
		proceed <- struct{}{}
		if got := next(t, started); got != "2" {
			t.Fatalf("started %s", got)
		}
		proceed <- struct{}{}
	})
}

func TestInsertedJobStartsAtOnce(t *testing.T) {
	both(t, func(t *testing.T, newURL func() string) {
		l := openLedger(t, newURL())
		write := writer(t, l, "x")
		done := make(chan struct{}, 100)
		run(t, l, jobs.Config{Handlers: map[string]jobs.Handler{
			"notice": func(context.Context, json.RawMessage) error { done <- struct{}{}; return nil },
		}})
		write(ledger.Batch{Jobs: []ledger.Job{{Kind: "notice"}}})
		next(t, done) // the runner is up
		best := time.Hour
		for range 5 {
			begin := time.Now()
			write(ledger.Batch{Jobs: []ledger.Job{{Kind: "notice"}}})
			next(t, done)
			best = min(best, time.Since(begin))
		}
		// Without an announcement it would wait for the poll, a second.
		if best > 500*time.Millisecond {
			t.Errorf("from the commit to the handler: %v", best)
		}
	})
}

func TestScheduleInsertsOnceInACluster(t *testing.T) {
	both(t, func(t *testing.T, newURL func() string) {
		url := newURL()
		l := openLedger(t, url)
		var ran atomic.Int64
		tick := make(chan struct{}, 100)
		cfg := jobs.Config{
			Periodic: []jobs.Periodic{{Name: "resync", Schedule: cron.ConstantDelaySchedule{Delay: time.Second}, Kind: "resync", Args: []byte(`{"all":true}`)}},
			Handlers: map[string]jobs.Handler{"resync": func(_ context.Context, args json.RawMessage) error {
				if string(args) != `{"all": true}` && string(args) != `{"all":true}` {
					t.Errorf("args %s", args)
				}
				ran.Add(1)
				tick <- struct{}{}
				return nil
			}},
		}
		begin := time.Now()
		run(t, l, cfg)
		if strings.HasPrefix(url, "postgres") {
			run(t, openLedger(t, url), cfg)
		}
		for range 3 {
			next(t, tick)
		}
		if took := time.Since(begin); ran.Load() > int64(took/time.Second)+1 {
			t.Errorf("%d runs in %v", ran.Load(), took)
		}
	})
}

// A forge that is down for a day must not leave a day of jobs that are all tried
// again: the next tick is the next try.
func TestScheduledJobsThatFailDoNotPileUp(t *testing.T) {
	both(t, func(t *testing.T, newURL func() string) {
		url := newURL()
		l := openLedger(t, url)
		tick := make(chan struct{}, 100)
		run(t, l, jobs.Config{
			Periodic: []jobs.Periodic{{Name: "tend", Schedule: cron.ConstantDelaySchedule{Delay: time.Second}, Kind: "tend"}},
			Handlers: map[string]jobs.Handler{"tend": func(context.Context, json.RawMessage) error {
				tick <- struct{}{}
				return errors.New("forge is down")
			}},
		})
		for range 6 {
			next(t, tick)
		}
		driver, name := "pgx", url
		if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
			driver, name = "sqlite", path
		}
		db, err := sql.Open(driver, name)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var waiting int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM river_job WHERE state IN ('available', 'retryable', 'scheduled')`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		if waiting > 1 {
			t.Errorf("%d jobs wait to be tried again", waiting)
		}
	})
}

func TestWritersAndWorkersDoNotBlockEachOther(t *testing.T) {
	both(t, func(t *testing.T, newURL func() string) {
		l := openLedger(t, newURL())
		const writers, batches, each = 8, 20, 5
		var ran sync.Map
		var n atomic.Int64
		all := make(chan struct{})
		run(t, l, jobs.Config{Workers: 8, Handlers: map[string]jobs.Handler{
			"notice": func(ctx context.Context, args json.RawMessage) error {
				// Handlers use the ledger too.
				if _, err := l.Version(ctx); err != nil {
					return err
				}
				if err := l.PutRevert(ctx, ledger.Revert{Key: string(args), State: "due"}); err != nil {
					return err
				}
				if _, again := ran.LoadOrStore(string(args), true); !again && n.Add(1) == writers*batches*each {
					close(all)
				}
				return nil
			},
		}})
		var wg sync.WaitGroup
		for i := range writers {
			target := fmt.Sprint("target", i)
			write := writer(t, l, target)
			wg.Go(func() {
				for k := range batches {
					var b ledger.Batch
					for j := range each {
						h := ledgertest.Hold(target, k*each+j)
						name := fmt.Sprintf("%q", fmt.Sprint(target, "/", k, "/", j))
						b.Put = append(b.Put, h)
						b.Events = append(b.Events, ledger.Event{Kind: ledger.EventGranted, Target: target, Account: h.Account})
						b.Jobs = append(b.Jobs, ledger.Job{Kind: "notice", Key: name, Args: []byte(name)})
					}
					b.Delete = []grants.Grant{{Target: target, Account: "nobody", Entitlement: "x"}}
					write(b)
				}
			})
		}
		wg.Wait()
		next(t, all)
		if err := l.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestJobOfADeadProcessRunsAgain(t *testing.T) {
	both(t, func(t *testing.T, newURL func() string) {
		url := newURL()
		l := openLedger(t, url)
		write := writer(t, l, "x")
		write(ledger.Batch{Jobs: []ledger.Job{{Kind: "notice", Key: "k"}}})
		// As a process leaves it that dies in the middle of a job.
		dead := []string{`DELETE FROM job_keys`, `UPDATE river_job SET state = 'running', attempt = 1, attempted_at = '2026-01-01 00:00:00'`}
		if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
			exec(t, "sqlite", path, dead...)
		} else {
			exec(t, "pgx", url, dead...)
		}
		done := make(chan struct{}, 1)
		run(t, l, jobs.Config{Handlers: map[string]jobs.Handler{
			"notice": func(context.Context, json.RawMessage) error { done <- struct{}{}; return nil },
		}})
		next(t, done)
	})
}

func exec(t *testing.T, driver, name string, statements ...string) {
	t.Helper()
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStopWaitsForRunningJobs(t *testing.T) {
	both(t, func(t *testing.T, newURL func() string) {
		l := openLedger(t, newURL())
		write := writer(t, l, "x")
		started, proceed := make(chan struct{}), make(chan struct{})
		var finished atomic.Bool
		r, err := jobs.New(l, jobs.Config{Log: slog.New(slog.DiscardHandler), Handlers: map[string]jobs.Handler{
			"notice": func(context.Context, json.RawMessage) error {
				close(started)
				<-proceed
				finished.Store(true)
				return nil
			},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		write(ledger.Batch{Jobs: []ledger.Job{{Kind: "notice"}}})
		next(t, started)
		stopped := make(chan error, 1)
		go func() { stopped <- r.Stop(t.Context()) }()
		select {
		case <-stopped:
			t.Error("stopped while a job ran")
		case <-time.After(100 * time.Millisecond):
		}
		close(proceed)
		if err := next(t, stopped); err != nil || !finished.Load() {
			t.Errorf("stop: %v, finished: %v", err, finished.Load())
		}
	})
}

func TestConfigurationIsChecked(t *testing.T) {
	l := openLedger(t, (&url.URL{Scheme: "sqlite", Path: filepath.Join(t.TempDir(), "l.db")}).String())
	every := cron.ConstantDelaySchedule{Delay: time.Second}
	noop := map[string]jobs.Handler{"a": func(context.Context, json.RawMessage) error { return nil }}
	for name, cfg := range map[string]jobs.Config{
		"no log":            {Handlers: noop},
		"unhandled kind":    {Handlers: noop, Log: slog.New(slog.DiscardHandler), Periodic: []jobs.Periodic{{Name: "x", Schedule: every, Kind: "b"}}},
		"no schedule":       {Handlers: noop, Log: slog.New(slog.DiscardHandler), Periodic: []jobs.Periodic{{Name: "x", Kind: "a"}}},
		"two of one name":   {Handlers: noop, Log: slog.New(slog.DiscardHandler), Periodic: []jobs.Periodic{{Name: "x", Schedule: every, Kind: "a"}, {Name: "x", Schedule: every, Kind: "a"}}},
		"kind not storable": {Handlers: map[string]jobs.Handler{"": noop["a"]}, Log: slog.New(slog.DiscardHandler)},
	} {
		if _, err := jobs.New(l, cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
