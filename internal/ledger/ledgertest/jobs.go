package ledgertest

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/jobs"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// collect runs the ledger's jobs until the one with the args "last" ran, and
// returns the args of all.
func collect(t *testing.T, l *ledger.Ledger, lease *ledger.Lease) []string {
	t.Helper()
	ran := make(chan string, 100)
	handler := func(_ context.Context, args json.RawMessage) error {
		ran <- string(args)
		return nil
	}
	r := must(jobs.New(l, jobs.Config{
		Handlers: map[string]jobs.Handler{"notice": handler, "other": handler},
		Workers:  1, Log: slog.New(slog.DiscardHandler),
	}))(t)
	ok(t, r.Start(t.Context()))
	ok(t, l.Commit(t.Context(), lease, ledger.Batch{Jobs: []ledger.Job{{Kind: "notice", Args: []byte(`"last"`)}}}))
	var got []string
	timeout := time.After(30 * time.Second)
	for {
		select {
		case a := <-ran:
			if a == `"last"` {
				ok(t, r.Stop(t.Context()))
				slices.Sort(got)
				return got
			}
			got = append(got, a)
		case <-timeout:
			t.Fatalf("jobs did not run; only %v did", got)
		}
	}
}

func jobsByKey(t *testing.T, b Backend) {
	l, _ := open(t, b)
	lease := acquire(t, l, "x")
	commit := func(jobs ...ledger.Job) {
		t.Helper()
		ok(t, l.Commit(t.Context(), lease, ledger.Batch{Jobs: jobs}))
	}
	past := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	later := time.Now().Add(24 * time.Hour)
	commit(ledger.Job{Kind: "notice", Key: "k", Args: []byte(`"first"`), RunAt: past},
		ledger.Job{Kind: "notice", Key: "k", Args: []byte(`"in one batch"`), RunAt: past})
	commit(ledger.Job{Kind: "notice", Key: "k", Args: []byte(`"again"`), RunAt: past})
	commit(ledger.Job{Kind: "other", Key: "k", Args: []byte(`"other kind"`), RunAt: past})
	commit(ledger.Job{Kind: "notice", Args: []byte(`"no key"`)}, ledger.Job{Kind: "notice", Args: []byte(`"no key"`)})
	commit(ledger.Job{Kind: "notice", Key: "late", Args: []byte(`"tomorrow"`), RunAt: later})
	commit(ledger.Job{Kind: "notice", Key: "late", Args: []byte(`"earlier"`), RunAt: past})
	want := []string{`"earlier"`, `"first"`, `"no key"`, `"no key"`, `"other kind"`}
	if got := collect(t, l, lease); !slices.Equal(got, want) {
		t.Errorf("jobs that ran: %v, want %v", got, want)
	}
	// What ran does not wait any more: the key is free.
	commit(ledger.Job{Kind: "notice", Key: "k", Args: []byte(`"new"`)})
	if got, want := collect(t, l, lease), []string{`"new"`}; !slices.Equal(got, want) {
		t.Errorf("jobs that ran afterwards: %v, want %v", got, want)
	}
}

func jobsRolledBack(t *testing.T, b Backend) {
	l, url := open(t, b)
	lease := acquire(t, l, "x")
	if err := l.Commit(t.Context(), lease, ledger.Batch{Jobs: []ledger.Job{{Kind: "notice", Key: "k"}, {}}}); err == nil {
		t.Fatal("a job without a kind was accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Commit(ctx, lease, ledger.Batch{Jobs: []ledger.Job{{Kind: "notice", Key: "k"}}}); err == nil {
		t.Fatal("a write with an ended context succeeded")
	}
	// The job goes in, then the last write of the transaction fails.
	b.Raw(t, url, `UPDATE leases SET fence = fence + 1`)
	if err := l.Commit(t.Context(), lease, ledger.Batch{Jobs: []ledger.Job{{Kind: "notice", Key: "k"}}}); err == nil {
		t.Fatal("a lost lease wrote")
	}
	if got := collect(t, l, acquire(t, l, "y")); len(got) != 0 {
		t.Errorf("jobs of batches that were not written: %v", got)
	}
}
