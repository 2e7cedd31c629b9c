package grants_test

import (
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

func TestAnUnbrokenScheduleOfYearsKeepsItsEnd(t *testing.T) {
	const day = 24 * time.Hour
	w := grants.Window{From: hour(0), Until: hour(4 * 366 * 24)}
	d := decision("alice", grants.Terms{
		Span:     w,
		Schedule: &grants.Schedule{Cron: "0 0 * * *", Timezone: "UTC", Duration: day},
		Items:    []grants.Item{item("alice", "write")},
	})
	passes := 0
	for now := hour(1); ; passes++ {
		claims, next := grants.Desired([]grants.Decision{d}, now)
		if !now.Before(w.Until) {
			if len(claims) != 0 || !next.IsZero() {
				t.Fatalf("over, but %v, next %v", claims, next)
			}
			break
		}
		if len(claims) != 1 || !claims[0].Until.Equal(w.Until) {
			t.Fatalf("at %v: %v, want an end at %v", now, claims, w.Until)
		}
		if until := claims[0].Holders[0].Until; until.Before(w.Until) && until.Sub(now) < 366*day {
			t.Fatalf("at %v the holder's end %v is near, and is not the end", now, until)
		}
		if !next.After(now) {
			t.Fatalf("at %v next is %v", now, next)
		}
		now = next
	}
	if passes > 6 {
		t.Errorf("%d passes in four years in which nothing happens", passes)
	}
}

// Two requests take turns by the minute for months: the end of the run is too far
// to be followed, but it never comes early.
func TestAnEndTooFarToFollowMovesOnBeforeItComes(t *testing.T) {
	write := item("alice", "write")
	decisions := []grants.Decision{
		decision("even", recurring(span(0, 24*90), "*/2 * * * *", "", time.Minute, write)),
		decision("odd", recurring(span(0, 24*90), "1-59/2 * * * *", "", time.Minute, write)),
	}
	now := hour(0)
	for range 3000 {
		claims, next := grants.Desired(decisions, now)
		if len(claims) != 1 || claims[0].Until.Sub(now) < 12*time.Hour {
			t.Fatalf("at %v: %v", now, claims)
		}
		if next.Sub(now) != time.Minute {
			t.Fatalf("at %v next is %v", now, next)
		}
		now = next
	}
}

func TestTermsThatNeverOverlapHoldNothing(t *testing.T) {
	write := item("alice", "write")
	d := decision("alice",
		recurring(span(0, 24*300), "0 9 * * *", "UTC", time.Hour, write),
		recurring(span(0, 24*300), "0 11 * * *", "UTC", time.Hour, write),
	)
	for passes, now := 0, hour(0); !now.IsZero(); passes++ {
		claims, next := grants.Desired([]grants.Decision{d}, now)
		if len(claims) != 0 || passes > 10 {
			t.Fatalf("at %v, pass %d: %v", now, passes, claims)
		}
		now = next
	}
}

func TestADecisionWithoutTermsIsOver(t *testing.T) {
	d := grants.Decision{Request: "r", Granted: true}
	if !d.Ends().IsZero() {
		t.Errorf("ends %v", d.Ends())
	}
	if claims, next := grants.Desired([]grants.Decision{d}, hour(0)); len(claims) != 0 || !next.IsZero() {
		t.Errorf("got %v, %v", claims, next)
	}
}

func TestEndsIsTheEarliestEnd(t *testing.T) {
	d := decision("alice", terms(span(0, 9)), terms(span(0, 7)), terms(span(0, 8)))
	if got := d.Ends(); !got.Equal(hour(7)) {
		t.Errorf("ends %v", got)
	}
	d.EndedAt = hour(5)
	if got := d.Ends(); !got.Equal(hour(5)) {
		t.Errorf("ends %v", got)
	}
}
