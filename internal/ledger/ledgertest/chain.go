package ledgertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// fill writes n events in batches of two.
func fill(t testing.TB, l *ledger.Ledger, lease *ledger.Lease, n int) {
	t.Helper()
	for i := 0; i < n; i += 2 {
		ok(t, l.Commit(t.Context(), lease, ledger.Batch{Events: []ledger.Event{
			{Kind: ledger.EventGrantIntended, Target: "orders-db", Account: "alice", Request: "a@1", At: T0().Add(time.Duration(i)), Data: []byte(`{"until": 1.50, "a": [1, {"z":0, "b":"<&>"}]}`)},
			{Kind: ledger.EventGranted, Target: "billing-db", Account: "bob", Request: "b@1"},
		}}))
	}
}

func eventsFiltered(t *testing.T, b Backend) {
	l, _ := open(t, b)
	fill(t, l, acquire(t, l, "x"), 6)
	for _, c := range []struct {
		f    ledger.Filter
		want []int64
	}{
		{ledger.Filter{}, []int64{1, 2, 3, 4, 5, 6}},
		{ledger.Filter{AfterSeq: 4}, []int64{5, 6}},
		{ledger.Filter{Limit: 2}, []int64{1, 2}},
		{ledger.Filter{Kinds: []string{ledger.EventGranted}}, []int64{2, 4, 6}},
		{ledger.Filter{Kinds: []string{ledger.EventGranted, ledger.EventGrantIntended}, Limit: 3}, []int64{1, 2, 3}},
		{ledger.Filter{Target: "billing-db", Account: "bob", Request: "b@1", AfterSeq: 2, Limit: 1}, []int64{4}},
		{ledger.Filter{Target: "billing-db", Account: "alice"}, nil},
		{ledger.Filter{Request: "a@1"}, []int64{1, 3, 5}},
	} {
		var got []int64
		for _, e := range must(l.Events(t.Context(), c.f))(t) {
			got = append(got, e.Seq)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.f, got, c.want)
		}
	}
	e := must(l.Events(t.Context(), ledger.Filter{Limit: 1}))(t)[0]
	if !e.At.Equal(T0()) || string(e.Data) != `{"a":[1,{"b":"<&>","z":0}],"until":1.50}` {
		t.Errorf("first event: at %v, data %s", e.At, e.Data)
	}
}

func tampering(t *testing.T, b Backend) {
	for _, c := range []struct {
		name, sql string
		seq       int64
	}{
		{"untouched", ``, 0},
		{"changed account", `UPDATE events SET account = 'mallory' WHERE seq = 3`, 3},
		{"changed time", `UPDATE events SET at = at + 1 WHERE seq = 2`, 2},
		{"changed data", `UPDATE events SET data = '{}' WHERE seq = 5`, 5},
		{"removed", `DELETE FROM events WHERE seq = 4`, 4},
		{"cut off", `DELETE FROM events WHERE seq = 6`, 6},
		{"all removed", `DELETE FROM events`, 1},
		{"head moved back", `UPDATE head SET seq = 5`, 6},
	} {
		l, url := open(t, b)
		fill(t, l, acquire(t, l, "x"), 6)
		if c.sql != "" {
			b.Raw(t, url, c.sql)
		}
		err := l.Verify(t.Context())
		var broken *ledger.ChainError
		switch {
		case c.seq == 0:
			ok(t, err)
		case !errors.As(err, &broken) || broken.Seq != c.seq:
			t.Errorf("%s: %v, want a break at %d", c.name, err, c.seq)
		}
	}
	l, _ := open(t, b)
	fill(t, l, acquire(t, l, "x"), 4)
	// What is exported can be checked without the ledger, also when it was
	// written anew by somebody's JSON printer.
	var events []ledger.Event
	text := must(json.MarshalIndent(must(l.Events(t.Context(), ledger.Filter{}))(t), "", "  "))(t)
	ok(t, json.Unmarshal(text, &events))
	if seq, hash, err := ledger.VerifyEvents(0, "", events); err != nil || seq != 4 || hash != must(l.ChainHead(t.Context()))(t).Hash {
		t.Errorf("offline: %d %s %v", seq, hash, err)
	}
	events[1].Request = strings.ToUpper(events[1].Request)
	if _, _, err := ledger.VerifyEvents(0, "", events); err == nil {
		t.Error("offline: a changed entry was not noticed")
	}
}

func concurrentChain(t *testing.T, b Backend) {
	l, _ := open(t, b)
	const writers, each = 8, 10
	var wg sync.WaitGroup
	for i := range writers {
		lease := acquire(t, l, fmt.Sprint("target", i))
		wg.Go(func() {
			for n := range each {
				h := Hold(lease.Name(), n)
				err := l.Commit(t.Context(), lease, ledger.Batch{Put: []grants.Hold{h},
					Events: []ledger.Event{{Kind: ledger.EventGranted, Target: h.Target}}, Jobs: []ledger.Job{{Kind: "notice", Key: h.Target}}})
				if err != nil {
					t.Error(err)
				}
				if _, err := l.Holds(t.Context(), h.Target); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	ok(t, l.Verify(t.Context()))
	if h := must(l.ChainHead(t.Context()))(t); h.Seq != writers*each || h.Fence != writers {
		t.Errorf("head %+v", h)
	}
}
