package ledger

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The form that is hashed is a promise: chains that were written must verify for
// ever, also by programs that are not this one.
func TestHashedFormNeverChanges(t *testing.T) {
	for _, c := range []struct {
		e    Event
		want string
	}{
		// printf '\n{"account":"","at":"2026-11-23T09:00:00Z","data":null,"kind":"head.accepted","request":"","seq":1,"target":""}' | sha256sum
		{Event{Seq: 1, At: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), Kind: EventHead}, "82a84b2ad346ceb236c14c019e27c59e83be753136895dd200e6802c93105684"},
		// printf 'abc\n{"account":"alice","at":"2026-11-23T09:00:00.000000001Z","data":{"a":"<&>","b":[1.50,{"y":1,"z":null}]},"kind":"grant.done","request":"requests/a.yaml@1","seq":2,"target":"orders-db"}' | sha256sum
		{Event{
			Seq: 2, At: time.Date(2026, 11, 23, 10, 0, 0, 1, time.FixedZone("", 3600)), Kind: EventGranted,
			Target: "orders-db", Account: "alice", Request: "requests/a.yaml@1", Prev: "abc", Hash: "not part of it",
			Data: json.RawMessage(` {"b": [1.50, {"z": null, "y": 1}], "a": "\u003c&>"} `),
		}, "abd22aa1db45498bdf2d1083b5d1f69ea71718ddc59f325c51f5af3acb3875d0"},
	} {
		if got, err := c.e.Sum(); err != nil || got != c.want {
			t.Errorf("event %d: %s, %v, want %s", c.e.Seq, got, err, c.want)
		}
	}
	for _, bad := range []string{`{`, `1 2`, `{"a":}`, "\x00"} {
		if _, err := (Event{Data: json.RawMessage(bad)}).Sum(); err == nil {
			t.Errorf("%q was hashed", bad)
		}
	}
}

func TestCanonicalFormIsAFixedPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.OneOf(
			rapid.String().AsAny(), rapid.Float64Range(-1e300, 1e300).AsAny(), rapid.Int64().AsAny(), rapid.Bool().AsAny(),
		))).Draw(t, "value")
		raw, err := json.MarshalIndent(value, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		once, err := canonical(raw)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := canonical(once)
		if err != nil || string(once) != string(twice) {
			t.Fatalf("%s became %s (%v)", once, twice, err)
		}
		// Through a Go program that exports and imports it.
		out, err := json.Marshal(Event{Data: once})
		if err != nil {
			t.Fatal(err)
		}
		var back Event
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatal(err)
		}
		a, _ := Event{Data: once}.Sum()
		b, _ := back.Sum()
		if a != b {
			t.Fatalf("%s hashes differently after an export as %s", once, back.Data)
		}
	})
}

func TestTimesSurviveOrAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Filter(func(n int64) bool { return n != 0 }).Draw(t, "n")
		at := time.Unix(0, n)
		if got := instant(nanos(at)); !got.Equal(at) || got.Location() != time.UTC {
			t.Fatalf("%v became %v", at, got)
		}
	})
	if got := instant(nanos(time.Time{})); !got.IsZero() {
		t.Errorf("no time became %v", got)
	}
	far := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	if got := instant(nanos(far)); !got.Equal(latest()) {
		t.Errorf("%v became %v", far, got)
	}
	if got := instant(nanos(time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC))); !got.Equal(earliest()) {
		t.Errorf("the first days became %v", got)
	}
}
