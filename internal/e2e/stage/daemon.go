package stage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/all"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/daemon"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/reconcile"
)

// configure writes the reconciler's configuration, as an operator would.
func (s *Stage) configure() {
	bot, _ := s.Hub.User(Bot)
	if s.o.Webhook && s.address == "" {
		s.address = freeAddress(s.T)
		s.must(s.Hub.AddWebhook(Repo, "http://"+s.address+"/webhook", hookSecret))
	}
	s.must(os.WriteFile(s.file("forge-token"), []byte(bot.Token), 0o600))
	or := func(v, otherwise string) string {
		if v == "" {
			return otherwise
		}
		return v
	}
	further := s.o.Config
	if s.o.Webhook {
		further += "\nwebhook: {secret: " + hookSecret + "}"
	}
	text := fmt.Sprintf(`repository: {url: %[1]s/%[2]s.git, branch: main}
trust: {from: %[3]s, group: admins, count: %[14]d, approvalsValid: %[6]s}
forge: {type: github, baseURL: %[1]s/api/v3/, tokenFile: %[4]s/forge-token%[11]s}
poll: %[12]s
resync: "@every 10m"
ledger: %[5]s
stateDir: %[4]s/state
reverts: %[7]s
guard: %[8]s
evidence: {file: %[4]s/evidence.jsonl}
listen: "%[13]s"
%[9]s
targets:
  bastion: {connector: file, path: %[4]s/targets/bastion, format: csv}
  wiki: {connector: file, path: %[4]s/targets/wiki, format: csv}
%[10]s`, s.URL, Repo, s.From, s.Dir, or(s.o.Ledger, "sqlite://"+s.Dir+"/ledger.db"), or(s.o.ApprovalsValid, "7d"),
		or(s.o.Reverts, "{group: 5m, merge: manual}"), or(s.o.Guard, "{maxRemovals: 50, maxRemovalRatio: 0.25}"), further, s.o.Targets, s.o.Forge,
		or(s.o.Poll, "1s"), s.address, max(s.o.TrustCount, 1))
	if s.o.Postgres != "" {
		s.must(os.WriteFile(s.file("postgres-dsn"), []byte(s.o.Postgres), 0o600))
		text += "\n  orders-db: {connector: postgres, dsnFile: " + s.file("postgres-dsn") + "}\n"
	}
	s.must(os.WriteFile(s.ConfigFile(), []byte(text), 0o600))
	if s.o.Ledger == "" {
		empty, err := emptyLedger()
		s.must(err)
		s.must(os.WriteFile(s.file("ledger.db"), empty, 0o600))
	}
}

// hookSecret signs the webhooks of a stage.
const hookSecret = "a-secret-of-the-stage-alone"

// freeAddress is one on the loopback interface that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *Stage) file(name string) string { return filepath.Join(s.Dir, name) }

// ConfigFile is the path of reconciler.yaml.
func (s *Stage) ConfigFile() string { return s.file("reconciler.yaml") }

func (s *Stage) clock() reconcile.Clock {
	if s.Clock == nil {
		return reconcile.SystemClock{}
	}
	return s.Clock
}

// emptyLedger is an SQLite ledger with its schema and nothing in it: making the
// schema anew takes a large part of a short test.
var emptyLedger = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "tenure-stage-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "ledger.db")
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	led, err := daemon.OpenLedger(ctx, &config.Config{Ledger: config.Ledger{Kind: config.SQLite, Path: file}}, time.Now)
	if err != nil {
		return nil, err
	}
	if err := led.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

// open builds the reconciler as cmd/reconciler does.
func (s *Stage) open() {
	s.T.Helper()
	cfg, err := config.Load(s.ConfigFile(), os.LookupEnv)
	s.must(err)
	reg, err := connectors.NewRegistry(all.Drivers()...)
	s.must(err)
	ctx, cancel := s.ctx()
	defer cancel()
	d, err := daemon.Open(ctx, cfg, daemon.Options{Registry: reg, Clock: s.clock(), Log: s.logger(), Version: "test"})
	s.must(err)
	s.Daemon = d
}

// close ends the reconciler and verifies the chain of events that it leaves.
func (s *Stage) close() {
	if s.stop != nil {
		s.stop()
	}
	if s.Daemon == nil {
		return
	}
	ctx, cancel := s.ctx()
	defer cancel()
	if err := s.Daemon.Ledger.Verify(ctx); err != nil {
		s.T.Errorf("the chain of events is broken: %v", err)
	}
	if err := s.Daemon.Close(); err != nil {
		s.T.Errorf("close: %v", err)
	}
	s.Daemon = nil
}

// Restart ends the reconciler and opens a new one on the same ledger and targets.
func (s *Stage) Restart() {
	s.T.Helper()
	s.close()
	s.open()
}

// Pass takes in the branch and passes over every target once. It fails the test on
// any error.
func (s *Stage) Pass() {
	s.T.Helper()
	if err := s.TryPass(); err != nil {
		s.T.Fatalf("pass at %s: %v", s.Now(), err)
	}
}

// TryPass is Pass that returns what went wrong.
func (s *Stage) TryPass() error {
	ctx, cancel := s.ctx()
	defer cancel()
	return s.Daemon.Once(ctx)
}

// Run runs the reconciler in the background, jobs and all, until the test ends or
// Halt.
func (s *Stage) Run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	d := s.Daemon
	go func() { done <- d.Run(ctx) }()
	s.stop = func() {
		cancel()
		if err := <-done; err != nil {
			s.T.Errorf("run: %v", err)
		}
		s.stop = nil
	}
}

// Halt ends Run.
func (s *Stage) Halt() { s.stop() }

// Confirm is the command confirm: something must wait for the commit.
func (s *Stage) Confirm(commit string) {
	s.T.Helper()
	ctx, cancel := s.ctx()
	defer cancel()
	withheld := slices.Contains(s.Daemon.Engine.Withheld(), commit)
	if withheld {
		s.must(s.Daemon.Ledger.ConfirmRemovals(ctx, commit, "an operator"))
	}
	_, err := s.Daemon.Ledger.Confirm(ctx, commit, "an operator")
	if withheld && errors.Is(err, ledger.ErrNothingWaits) {
		return
	}
	s.must(err)
}

// Tend looks after the open revert pull requests, as the schedule does.
func (s *Stage) Tend() {
	s.T.Helper()
	ctx, cancel := s.ctx()
	defer cancel()
	s.must(s.Daemon.Tend(ctx))
}

// Eventually waits until something that a running reconciler does on the machine's
// own time has happened. It is for Run only: everything else is over when Pass
// returns.
func (s *Stage) Eventually(what string, seen func() bool) {
	s.T.Helper()
	deadline := time.After(limit)
	for !seen() {
		select {
		case <-deadline:
			s.T.Fatalf("not seen within %s: %s", limit, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Jobs runs the reconciler until the revert pull requests in the ledger are as
// seen wants them, and goes on with a new reconciler that has not run.
func (s *Stage) Jobs(what string, seen func([]ledger.Revert) bool) []ledger.Revert {
	s.T.Helper()
	s.Run()
	s.Eventually(what, func() bool { return seen(s.Reverts()) })
	s.Halt()
	s.Restart()
	return s.Reverts()
}

// Reverts returns the revert pull requests that the ledger knows.
func (s *Stage) Reverts() []ledger.Revert {
	s.T.Helper()
	ctx, cancel := s.ctx()
	defer cancel()
	out, err := s.Daemon.Ledger.Reverts(ctx)
	s.must(err)
	return out
}
