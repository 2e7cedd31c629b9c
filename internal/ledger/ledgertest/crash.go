package ledgertest

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

func reopen(t *testing.T, b Backend) {
	url := b.NewURL(t)
	l := must(b.Open(t.Context(), url, T0))(t)
	lease := acquire(t, l, "x")
	fill(t, l, lease, 4)
	ok(t, l.Commit(t.Context(), lease, ledger.Batch{Put: []grants.Hold{Hold("orders-db", 1)}}))
	ok(t, l.Pause(t.Context(), "orders-db", "bob"))
	head, version := must(l.ChainHead(t.Context()))(t), must(l.Version(t.Context()))(t)
	ok(t, l.Close())
	if _, err := l.Version(t.Context()); err == nil {
		t.Error("a closed ledger answers")
	}
	l = openAt(t, b, url)
	if got := must(l.ChainHead(t.Context()))(t); got != head {
		t.Errorf("head %+v, want %+v", got, head)
	}
	if got := must(l.Version(t.Context()))(t); got != version {
		t.Errorf("version %d, want %d", got, version)
	}
	if got := must(l.Holds(t.Context(), ""))(t); len(got) != 1 {
		t.Errorf("%d holds", len(got))
	}
	if again := acquire(t, l, "x"); again.Fence() <= head.Fence {
		t.Errorf("fence %d after %d", again.Fence(), head.Fence)
	}
	ok(t, l.Verify(t.Context()))
	ok(t, l.Check(t.Context()))
	ok(t, l.Ping(t.Context()))
}

// childURL tells the test binary to be the process that is killed.
const childURL = "TENURE_LEDGERTEST_CHILD"

const childHolds = 7

// Child is called by TestMain of a dialect: in the process that the suite starts
// to kill it, it writes batches until that happens, and reports each one that
// was committed. Elsewhere it returns at once.
func Child(open func(ctx context.Context, url string) (*ledger.Ledger, error)) {
	url := os.Getenv(childURL)
	if url == "" {
		return
	}
	fmt.Fprintln(os.Stderr, child(context.Background(), url, open))
	os.Exit(1)
}

// child writes until it is killed; it returns only with an error.
func child(ctx context.Context, url string, open func(context.Context, string) (*ledger.Ledger, error)) error {
	l, err := open(ctx, url)
	if err != nil {
		return err
	}
	lease, err := l.Acquire(ctx, "orders-db")
	if err != nil {
		return err
	}
	for i := 1; ; i++ {
		b := ledger.Batch{Jobs: []ledger.Job{{Kind: "notice", Args: []byte(`{}`)}}}
		for n := range childHolds {
			h := Hold(fmt.Sprint("target", i), n)
			b.Put = append(b.Put, h)
			b.Events = append(b.Events, ledger.Event{Kind: ledger.EventGrantIntended, Target: h.Target, Account: h.Account})
		}
		if err := l.Commit(ctx, lease, b); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

func killed(t *testing.T, b Backend) {
	url := b.NewURL(t)
	for range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), childURL+"="+url)
		out := must(cmd.StdoutPipe())(t)
		cmd.Stderr = os.Stderr
		ok(t, cmd.Start())
		reported, kill := 0, 3+rand.IntN(20)
		for s := bufio.NewScanner(out); s.Scan(); {
			reported = must(strconv.Atoi(s.Text()))(t)
			if reported == kill {
				ok(t, cmd.Process.Kill()) // while it writes the next one
			}
		}
		if err := cmd.Wait(); err == nil || reported < kill {
			t.Fatalf("the child ended by itself after %d batches: %v", reported, err)
		}
		l := must(b.Open(t.Context(), url, T0))(t)
		ok(t, l.Verify(t.Context()))
		count := map[string]int{}
		for _, h := range must(l.Holds(t.Context(), ""))(t) {
			count[h.Target]++
		}
		for target, n := range count {
			if n != childHolds {
				t.Errorf("%s has %d holds: a part of a batch", target, n)
			}
		}
		for i := 1; i <= reported; i++ {
			if count[fmt.Sprint("target", i)] != childHolds {
				t.Errorf("batch %d was reported and is not there", i)
			}
		}
		ok(t, l.Close())
	}
}
