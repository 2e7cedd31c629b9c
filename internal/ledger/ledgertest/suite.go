// Package ledgertest is the suite that every dialect of the ledger passes, on the
// real database. It is for tests only.
package ledgertest

import (
	"context"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// Backend is a dialect under test.
type Backend struct {
	// NewURL returns the URL of a new, empty ledger.
	NewURL func(t testing.TB) string
	// Open opens a ledger.
	Open func(ctx context.Context, url string, now func() time.Time) (*ledger.Ledger, error)
	// Raw runs statements beside the ledger, as somebody who tampers with it would.
	Raw func(t testing.TB, url string, statements ...string)
	// Shared says that two processes may have the same ledger open.
	Shared bool
}

// Run runs the suite.
func Run(t *testing.T, b Backend) {
	for name, f := range map[string]func(*testing.T, Backend){
		"holds come back as they were put":                  holdsRoundTrip,
		"a batch is written whole or not at all":            batchIsAtomic,
		"text of targets that no database stores is mended": oddText,
		"drift keeps since when it is known":                driftSince,
		"requests come back as they were taken in":          requestsRoundTrip,
		"what ended stays ended":                            endedStaysEnded,
		"a decision keeps its own end":                      endedByDecision,
		"finish writes for the newly ended only":            finishIdempotent,
		"configuration states are stored once":              configStates,
		"a commit taken in again has another state":         statesAgain,
		"floors only rise":                                  floorsRise,
		"scopes are replaced":                               scopes,
		"what is exclusive keeps since when":                exclusive,
		"strangers are confirmed by their own word":         strangersConfirmed,
		"a word on strangers covers its own list":           strangersOfOneHead,
		"the head is kept":                                  headKept,
		"the repository is pinned once":                     repositoryPinned,
		"version changes with what workers react to":        versionChanges,
		"operators confirm, pause and resume":               operators,
		"a confirmation is for what waits, once":            confirmations,
		"files that are not in force are kept":              notInForce,
		"reverts are kept by key":                           reverts,
		"events are filtered":                               eventsFiltered,
		"a lease excludes":                                  leaseExcludes,
		"a lost lease writes nothing":                       leaseFences,
		"the chain shows tampering":                         tampering,
		"concurrent writers make one chain":                 concurrentChain,
		"a job waits once for each key":                     jobsByKey,
		"jobs are rolled back with their batch":             jobsRolledBack,
		"everything is there after reopening":               reopen,
		"a kill loses nothing that was reported":            killed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, b)
		})
	}
}

// T0 is when the tests begin.
func T0() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 123456789, time.UTC) }

// open opens a new ledger that is closed when the test ends.
func open(t testing.TB, b Backend) (*ledger.Ledger, string) {
	t.Helper()
	url := b.NewURL(t)
	return openAt(t, b, url), url
}

func openAt(t testing.TB, b Backend, url string) *ledger.Ledger {
	t.Helper()
	l, err := b.Open(t.Context(), url, T0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

func acquire(t testing.TB, l *ledger.Ledger, name string) *ledger.Lease {
	t.Helper()
	lease, err := l.Acquire(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// ok fails the test on an error.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must returns the value or fails the test.
func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

// Hold is an ordinary hold, different for each number.
func Hold(target string, n int) grants.Hold {
	account := "user" + string(rune('a'+n%26)) + time.Duration(n).String()
	return grants.Hold{
		Item: grants.Item{
			Grant:   grants.Grant{Target: target, Account: account, Entitlement: "role=orders_rw"},
			Subject: "alice", Role: "orders-db-writer", Spec: `{"role":"orders_rw"}`,
		},
		State: grants.StateHeld, Since: T0(), Until: T0().Add(4 * time.Hour),
		Holders: []grants.Holder{{Request: "requests/a.yaml@0123456789ab", Path: "requests/a.yaml", Until: T0().Add(4 * time.Hour)}},
	}
}

func request(id, path string) ledger.Request {
	return ledger.Request{
		ID: id, Path: path, Live: true, Body: []byte(`{"id":"` + id + `"}`),
		Decision: grants.Decision{
			Request: id, Path: path, Author: "alice", Reason: "refund", Granted: true,
			Terms: []grants.Terms{{
				Span:  grants.Window{From: T0(), Until: T0().Add(time.Hour)},
				Items: []grants.Item{Hold("orders-db", 1).Item},
			}},
			Checks: []grants.Check{{Rule: "approval", OK: true, Detail: "bob"}},
		},
	}
}
