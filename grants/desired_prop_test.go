package grants_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"pgregory.net/rapid"
)

// A world is two days around a change of the clock, on a grid of minutes, with
// three grants to hold.
const worldMinutes = 2 * 24 * 60

func worldStart() time.Time { return time.Date(2026, time.March, 28, 6, 0, 0, 0, time.UTC) }

func minute(n int) time.Time { return worldStart().Add(time.Duration(n) * time.Minute) }

func worldItem(n int) grants.Item {
	return grants.Item{
		Grant:   grants.Grant{Target: "orders-db", Account: "alice", Entitlement: fmt.Sprintf("role-%d", n)},
		Subject: "alice", Role: "writer", Spec: fmt.Sprintf(`{"role":"role-%d"}`, n),
	}
}

// worldSchedules stay inside what the oracle walks: occurrences of a day at most.
func worldSchedules() []*grants.Schedule {
	return []*grants.Schedule{
		nil, nil, nil, nil,
		{Cron: "0 9 * * *", Timezone: "Europe/Berlin", Duration: 8 * time.Hour},
		{Cron: "30 2 * * *", Timezone: "Europe/Berlin", Duration: 3 * time.Hour},
		{Cron: "0 0-23/6 * * *", Timezone: "UTC", Duration: 6 * time.Hour},
		{Cron: "0 * * * *", Timezone: "America/New_York", Duration: 30 * time.Minute},
		{Cron: "30 * * * *", Timezone: "Asia/Beirut", Duration: 30 * time.Minute},
		{Cron: "*/20 8-17 * * 1-5", Timezone: "Europe/Berlin", Duration: 20 * time.Minute},
		{Cron: "0 0 31 2 *", Timezone: "UTC", Duration: time.Hour},
		{Cron: "not cron", Timezone: "UTC", Duration: time.Hour},
	}
}

func genMinute(t *rapid.T, name string) int {
	// A coarse grid, so that windows touch and coincide often.
	return rapid.IntRange(-2, worldMinutes/60+2).Draw(t, name) * 60
}

func genDecisions(t *rapid.T) []grants.Decision {
	schedules := worldSchedules()
	n := rapid.IntRange(0, 7).Draw(t, "decisions")
	var decisions []grants.Decision
	for i := range n {
		d := grants.Decision{
			Request: fmt.Sprintf("requests/r%d.yaml@%012d", i, i),
			Path:    fmt.Sprintf("requests/r%d.yaml", i),
			Granted: rapid.IntRange(0, 9).Draw(t, "granted") > 0,
		}
		for range rapid.SampledFrom([]int{1, 1, 1, 1, 2, 2, 3, 0}).Draw(t, "terms") {
			from := genMinute(t, "from")
			m := grants.Terms{
				Span:     grants.Window{From: minute(from), Until: minute(from + 60*rapid.IntRange(-1, 40).Draw(t, "hours"))},
				Schedule: rapid.SampledFrom(schedules).Draw(t, "schedule"),
			}
			for g := range 3 {
				if rapid.IntRange(0, 2).Draw(t, "item") > 0 {
					m.Items = append(m.Items, worldItem(g))
				}
			}
			d.Terms = append(d.Terms, m)
		}
		if rapid.IntRange(0, 4).Draw(t, "ends early") == 0 {
			d.EndedAt = minute(genMinute(t, "ended"))
		}
		decisions = append(decisions, d)
	}
	return decisions
}

// oracle says for each minute of the world, and a margin around it, whether each
// decision holds each grant.
type oracle struct {
	decisions []grants.Decision
	holds     [][3][]bool // decision, grant, minute from -margin
}

const margin = 3 * 24 * 60

func newOracle(decisions []grants.Decision, starts map[grants.Schedule][]time.Time) *oracle {
	o := &oracle{decisions: decisions}
	for _, d := range decisions {
		var holds [3][]bool
		for g := range holds {
			holds[g] = make([]bool, worldMinutes+2*margin)
			for n := range holds[g] {
				holds[g][n] = oracleHolds(d, worldItem(g).Grant, minute(n-margin), starts)
			}
		}
		o.holds = append(o.holds, holds)
	}
	return o
}

func oracleHolds(d grants.Decision, g grants.Grant, t time.Time, starts map[grants.Schedule][]time.Time) bool {
	if !d.Granted || len(d.Terms) == 0 || !d.EndedAt.IsZero() && !t.Before(d.EndedAt) {
		return false
	}
	for _, m := range d.Terms {
		if t.Before(m.Span.From) || !t.Before(m.Span.Until) {
			return false
		}
		if !slices.ContainsFunc(m.Items, func(i grants.Item) bool { return i.Grant == g }) {
			return false
		}
		if m.Schedule == nil {
			continue
		}
		open := func(start time.Time) bool { return !t.Before(start) && t.Before(start.Add(m.Schedule.Duration)) }
		if !slices.ContainsFunc(starts[*m.Schedule], open) {
			return false
		}
	}
	return true
}

// at returns the claims at minute n as text.
func (o *oracle) at(n int) string {
	var claims []grants.Claim
	for g := range 3 {
		c := grants.Claim{Item: worldItem(g)}
		for i, d := range o.decisions {
			if o.holds[i][g][n+margin] {
				end := n
				for end+margin < len(o.holds[i][g]) && o.holds[i][g][end+margin] {
					end++
				}
				c.Holders = append(c.Holders, grants.Holder{Request: d.Request, Path: d.Path, Until: minute(end)})
			}
		}
		if c.Holders == nil {
			continue
		}
		end := n
		for end+margin < worldMinutes+2*margin && slices.ContainsFunc(o.holds, func(h [3][]bool) bool { return h[g][end+margin] }) {
			end++
		}
		c.Until = minute(end)
		claims = append(claims, c)
	}
	return text(claims)
}

func text(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(err)
	}
	return string(b)
}

func walkedStarts() map[grants.Schedule][]time.Time {
	starts := map[grants.Schedule][]time.Time{}
	for _, s := range worldSchedules() {
		if s != nil && s.Cron != "not cron" {
			starts[*s] = oracleStarts(*s, minute(-margin-24*60), minute(worldMinutes+margin))
		}
	}
	return starts
}

func TestAGrantIsDesiredExactlyWhileADecisionHoldsIt(t *testing.T) {
	starts := walkedStarts()
	rapid.Check(t, func(t *rapid.T) {
		decisions := genDecisions(t)
		o := newOracle(decisions, starts)
		for range 25 {
			n := rapid.IntRange(0, worldMinutes-1).Draw(t, "minute")
			if rapid.Bool().Draw(t, "on the hour") {
				n -= n % 60
			}
			claims, _ := grants.Desired(decisions, minute(n))
			if got, want := text(claims), o.at(n); got != want {
				t.Fatalf("at %v:\n%s\nwant:\n%s", minute(n), got, want)
			}
			// The whole minute belongs to its start: intervals are half-open.
			claims, _ = grants.Desired(decisions, minute(n+1).Add(-1))
			if got, want := text(claims), o.at(n); got != want {
				t.Fatalf("just before %v:\n%s\nwant:\n%s", minute(n+1), got, want)
			}
		}
	})
}

func TestNextIsWhenTheAnswerChangesAndNotLater(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		decisions := genDecisions(t)
		n := rapid.IntRange(0, worldMinutes-1).Draw(t, "minute")
		claims, next := grants.Desired(decisions, minute(n))
		now := text(claims)
		for i := n + 1; i < worldMinutes+margin && (next.IsZero() || minute(i).Before(next)); i++ {
			got, later := grants.Desired(decisions, minute(i))
			if text(got) != now {
				t.Fatalf("at %v next was %v, but the answer changed at %v", minute(n), next, minute(i))
			}
			if !later.Equal(next) {
				t.Fatalf("at %v next was %v, at %v it is %v", minute(n), next, minute(i), later)
			}
		}
		if next.IsZero() {
			return
		}
		if !next.After(minute(n)) {
			t.Fatalf("next %v is not after %v", next, minute(n))
		}
		if before, _ := grants.Desired(decisions, next.Add(-1)); text(before) != now {
			t.Fatalf("the answer changed before %v", next)
		}
		if after, _ := grants.Desired(decisions, next); text(after) == now {
			t.Fatalf("nothing changed at %v:\n%s", next, now)
		}
	})
}

func TestDesiredDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		decisions := genDecisions(t)
		now := minute(rapid.IntRange(0, worldMinutes-1).Draw(t, "minute"))
		claims, next := grants.Desired(decisions, now)
		shuffled := rapid.Permutation(decisions).Draw(t, "order")
		for i := range shuffled {
			shuffled[i].Terms = slices.Clone(shuffled[i].Terms)
			for j := range shuffled[i].Terms {
				items := slices.Clone(shuffled[i].Terms[j].Items)
				slices.Reverse(items)
				shuffled[i].Terms[j].Items = append(items, items...)
			}
		}
		before := text(shuffled)
		again, nextAgain := grants.Desired(shuffled, now.In(time.FixedZone("elsewhere", 5*3600)))
		if text(claims) != text(again) || !next.Equal(nextAgain) {
			t.Fatalf("%s\n%v\nin another order:\n%s\n%v", text(claims), next, text(again), nextAgain)
		}
		if text(shuffled) != before {
			t.Fatal("Desired changed its input")
		}
	})
}

func TestADecisionAnswersForItselfAsDesiredDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := minute(rapid.IntRange(0, worldMinutes-1).Draw(t, "minute"))
		for _, d := range genDecisions(t) {
			claims, next := grants.Desired([]grants.Decision{d}, now)
			items, until := d.At(now)
			if len(items) != len(claims) {
				t.Fatalf("holds %v, claims %v", items, claims)
			}
			for i := range items {
				if items[i] != claims[i].Item || !until.Equal(claims[i].Holders[0].Until) {
					t.Fatalf("holds %v until %v, claims %v", items, until, claims)
				}
			}
			if !d.Next(now).Equal(next) {
				t.Fatalf("next %v, Desired says %v", d.Next(now), next)
			}
			if len(items) > 0 && !now.Before(d.Ends()) {
				t.Fatalf("holds %v after its end %v", items, d.Ends())
			}
		}
	})
}

func TestTermsChangeAtTheirNextBoundaryOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := minute(rapid.IntRange(0, worldMinutes-1).Draw(t, "minute"))
		for _, d := range genDecisions(t) {
			for _, m := range d.Terms {
				until, active := m.ActiveAt(now)
				next := m.Next(now)
				if active && !next.Equal(until) {
					t.Fatalf("%s\nactive until %v, next %v", text(m), until, next)
				}
				for x := now; !next.IsZero() && x.Before(next); x = x.Add(7 * time.Minute) {
					if u, a := m.ActiveAt(x); a != active || !u.Equal(until) {
						t.Fatalf("%s\nchanged at %v, before %v", text(m), x, next)
					}
				}
				if next.IsZero() {
					continue
				}
				if _, a := m.ActiveAt(next); a == active {
					t.Fatalf("%s\nnothing changes at %v", text(m), next)
				}
			}
		}
	})
}
