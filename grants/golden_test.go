package grants_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at the difference after running the test with -update\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// hour is a time of the golden cases: hours after midnight of a Monday.
func hour(h float64) time.Time {
	return time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(h * float64(time.Hour)))
}

func span(from, until float64) grants.Window {
	return grants.Window{From: hour(from), Until: hour(until)}
}

func item(account, role string) grants.Item {
	return grants.Item{
		Grant:   grants.Grant{Target: "orders-db", Account: account, Entitlement: "role=" + role},
		Subject: account, Role: "orders-" + role, Spec: fmt.Sprintf(`{"role":%q}`, role),
	}
}

func decision(name string, terms ...grants.Terms) grants.Decision {
	path := "requests/" + name + ".yaml"
	return grants.Decision{Request: path + "@0123456789ab", Path: path, Granted: true, Terms: terms}
}

func terms(w grants.Window, items ...grants.Item) grants.Terms {
	return grants.Terms{Span: w, Items: items}
}

func recurring(w grants.Window, cron, zone string, d time.Duration, items ...grants.Item) grants.Terms {
	return grants.Terms{Span: w, Schedule: &grants.Schedule{Cron: cron, Timezone: zone, Duration: d}, Items: items}
}

// A step of a timeline is something that happens besides time: it changes the
// decisions or the target.
type step struct {
	at   float64
	name string
	do   func(decisions []grants.Decision, w *world) []grants.Decision
}

func TestTimelines(t *testing.T) {
	write, read, bob := item("alice", "write"), item("alice", "read"), item("bob", "write")
	remove := func(item grants.Item) func([]grants.Decision, *world) []grants.Decision {
		return func(ds []grants.Decision, w *world) []grants.Decision {
			w.remove(item.Grant)
			return ds
		}
	}
	// change replaces the first decision and records what that takes away.
	change := func(next grants.Decision, at float64, cause grants.Cause) func([]grants.Decision, *world) []grants.Decision {
		return func(ds []grants.Decision, _ *world) []grants.Decision {
			next.Removals = grants.Removals(ds[0], next, "c0ffee0123456789c0ffee0123456789c0ffee01", hour(at), cause)
			return append([]grants.Decision{next}, ds[1:]...)
		}
	}
	ended := decision("alice", terms(span(9, 13), write))
	ended.EndedAt = hour(11)

	for _, c := range []struct {
		name      string
		decisions []grants.Decision
		before    []grants.Item
		steps     []step
	}{
		{name: "one-window", decisions: []grants.Decision{decision("alice", terms(span(9, 13), write))}},
		{name: "overlap", decisions: []grants.Decision{
			decision("alice-incident", terms(span(9, 13), write)),
			decision("alice-migration", terms(span(11, 15), write, read)),
		}},
		{name: "adjacent", decisions: []grants.Decision{
			decision("alice-morning", terms(span(9, 12), write)),
			decision("alice-afternoon", terms(span(12, 15), write)),
			decision("alice-evening", terms(span(15.5, 18), write)),
		}},
		{name: "contained", decisions: []grants.Decision{
			decision("alice-long", terms(span(9, 18), write)),
			decision("alice-short", terms(span(11, 12), write)),
		}},
		{
			name:      "extended",
			decisions: []grants.Decision{decision("alice", terms(span(9, 13), write))},
			steps:     []step{{12, "the request is extended", change(decision("alice", terms(span(9, 17), write)), 12, grants.CauseNarrowed)}},
		},
		{
			name:      "unproven-edit",
			decisions: []grants.Decision{decision("alice", terms(span(9, 13), write, read))},
			steps: []step{{10, "an unproven edit asks for longer, and for less", change(
				decision("alice", terms(span(9, 13), write, read), terms(span(9, 17), write)), 10, grants.CauseNarrowed)}},
		},
		{
			name:      "shortened-into-the-past",
			decisions: []grants.Decision{decision("alice", terms(span(9, 13), write))},
			steps:     []step{{12, "the window is shortened to end at eleven", change(decision("alice", terms(span(9, 11), write)), 12, grants.CauseShortened)}},
		},
		{
			name:      "deleted-early",
			decisions: []grants.Decision{decision("alice", terms(span(9, 13), write)), decision("bob", terms(span(9, 13), bob))},
			steps:     []step{{11, "the file is deleted", change(ended, 11, grants.CauseDeleted)}},
		},
		{
			name:      "pre-existing",
			decisions: []grants.Decision{decision("alice", terms(span(9, 13), write, read))},
			before:    []grants.Item{read},
		},
		{
			name:      "pre-existing-removed-by-somebody",
			decisions: []grants.Decision{decision("alice", terms(span(9, 13), read))},
			before:    []grants.Item{read},
			steps:     []step{{10, "somebody removes alice's read", remove(read)}},
		},
		{
			name:      "removed-by-somebody",
			decisions: []grants.Decision{decision("alice", terms(span(9, 13), write))},
			steps: []step{
				{10, "somebody removes alice's write", remove(write)},
				{12.5, "nothing happens", func(ds []grants.Decision, _ *world) []grants.Decision { return ds }},
			},
		},
		{
			name:      "drift",
			decisions: []grants.Decision{decision("alice", terms(span(9, 13), write))},
			before:    []grants.Item{bob},
		},
		{
			name: "schedule",
			decisions: []grants.Decision{
				decision("alice-office", recurring(span(0, 60), "0 9 * * MON-FRI", "Europe/Berlin", 8*time.Hour, write)),
				decision("alice-night", terms(span(15, 20), write)),
			},
		},
		{
			name:      "schedule-that-touches-itself",
			decisions: []grants.Decision{decision("alice", recurring(span(3, 40), "0 */6 * * *", "", 6*time.Hour, write))},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			golden(t, filepath.Join("timelines", c.name), timeline(c.decisions, c.before, c.steps))
		})
	}
}

// timeline goes from boundary to boundary and from step to step, and writes down
// what is desired and what is done.
func timeline(decisions []grants.Decision, before []grants.Item, steps []step) string {
	var out strings.Builder
	var w world
	for _, i := range before {
		fmt.Fprintf(&out, "there before: %v\n", i.Grant)
		w.on = append(w.on, i.Grant)
	}
	for now := hour(8); ; {
		fmt.Fprintf(&out, "\n%s\n", short(now))
		if len(steps) > 0 && !now.Before(hour(steps[0].at)) {
			fmt.Fprintf(&out, "  -- %s\n", steps[0].name)
			decisions = steps[0].do(decisions, &w)
			steps = steps[1:]
		}
		claims, next := grants.Desired(decisions, now)
		for _, c := range claims {
			fmt.Fprintf(&out, "  must exist  %v, until %s\n", c.Grant, short(c.Until))
			for _, h := range c.Holders {
				fmt.Fprintf(&out, "                held by %s until %s\n", h.Path, short(h.Until))
			}
		}
		changes := grants.Attribute(grants.Plan(claims, w.on, w.holds), w.holds, decisions, now)
		for _, ch := range changes {
			fmt.Fprintf(&out, "  %-11s %v\n                %s\n", ch.Op, ch.Item.Grant, ch.Reason)
			if ch.Cause != "" {
				fmt.Fprintf(&out, "                cause %s, commit %q\n", ch.Cause, ch.Commit)
			}
		}
		w.apply(changes, now)
		if len(steps) > 0 && (next.IsZero() || !hour(steps[0].at).After(next)) {
			next = hour(steps[0].at)
		}
		if next.IsZero() {
			fmt.Fprintf(&out, "  nothing changes any more\n")
			return out.String()
		}
		now = next
	}
}

func short(t time.Time) string { return t.Format("Mon 15:04") }

// TestPlanOfEveryCase is the table of what Plan does, complete: each row is one
// combination of asked for, there, and owned.
func TestPlanOfEveryCase(t *testing.T) {
	holders := []grants.Holder{{Request: "requests/alice.yaml@0123456789ab", Path: "requests/alice.yaml", Until: hour(13)}}
	others := []grants.Holder{{Request: "requests/other.yaml@0123456789ab", Path: "requests/other.yaml", Until: hour(13)}}
	write := item("alice", "write")
	claim := grants.Claim{Item: write, Until: hour(13), Holders: holders}
	hold := func(state grants.HoldState, until float64, holders []grants.Holder) *grants.Hold {
		return &grants.Hold{Item: write, State: state, Until: hour(until), Holders: holders}
	}
	preExisting := hold(grants.StateHeld, 13, holders)
	preExisting.PreExisting = true

	var out strings.Builder
	for _, h := range []struct {
		name string
		hold *grants.Hold
	}{
		{"no hold", nil},
		{"held", hold(grants.StateHeld, 13, holders)},
		{"held with another end", hold(grants.StateHeld, 12, holders)},
		{"held by another request", hold(grants.StateHeld, 13, others)},
		{"being granted", hold(grants.StateGranting, 13, holders)},
		{"being revoked", hold(grants.StateRevoking, 13, holders)},
		{"pre-existing", preExisting},
	} {
		for _, asked := range []bool{true, false} {
			for _, seen := range []bool{true, false} {
				var claims []grants.Claim
				var observed []grants.Grant
				var holds []grants.Hold
				if asked {
					claims = append(claims, claim)
				}
				if seen {
					observed = append(observed, write.Grant)
				}
				if h.hold != nil {
					holds = append(holds, *h.hold)
				}
				fmt.Fprintf(&out, "%s, asked for: %v, there: %v\n", h.name, asked, seen)
				plan := grants.Plan(claims, observed, holds)
				if len(plan) == 0 {
					fmt.Fprintf(&out, "    nothing\n")
				}
				for _, ch := range plan {
					fmt.Fprintf(&out, "    %s: %s\n", ch.Op, ch.Reason)
				}
				for _, ch := range grants.PlanBlind(claims, holds) {
					fmt.Fprintf(&out, "    blind %s: %s\n", ch.Op, ch.Reason)
				}
			}
		}
	}
	golden(t, "plan", out.String())
}

func TestPlanTakesAwayFirst(t *testing.T) {
	accounts := []string{"a", "b", "c", "d", "e", "f"}
	slot := func(i int) grants.Item { return item(accounts[i], "write") }
	claims := []grants.Claim{{Item: slot(0), Until: hour(1)}, {Item: slot(1), Until: hour(1)}, {Item: slot(2), Until: hour(1)}}
	observed := []grants.Grant{slot(1).Grant, slot(2).Grant, slot(3).Grant, slot(5).Grant}
	holds := []grants.Hold{
		{Item: slot(2), State: grants.StateHeld}, {Item: slot(4), State: grants.StateHeld}, {Item: slot(5), State: grants.StateHeld},
	}
	var got []string
	for _, ch := range grants.Plan(claims, observed, holds) {
		got = append(got, fmt.Sprintf("%s %s", ch.Op, ch.Item.Account))
	}
	if want := "revoke f, release e, renew c, adopt b, grant a, leave d"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
}
