package grants_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

// manyDecisions are n requests of a grant each, every tenth of them scheduled, on
// as many different schedules as people write.
func manyDecisions(n int) []grants.Decision {
	zones := []string{"Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC", "Australia/Sydney"}
	decisions := make([]grants.Decision, 0, n)
	for i := range n {
		it := item(fmt.Sprintf("person-%05d", i), "write")
		m := terms(span(float64(i%48-24), float64(i%48+24)), it)
		if i%10 == 0 {
			cron := fmt.Sprintf("%d %d * * MON-FRI", i%60, 6+i/60%6)
			m = recurring(span(-24*30, 24*60), cron, zones[i/10%len(zones)], time.Duration(6+i%5)*time.Hour, it)
		}
		decisions = append(decisions, decision(fmt.Sprintf("r%05d", i), m))
	}
	return decisions
}

func BenchmarkDesired(b *testing.B) {
	everyMinute := make([]grants.Decision, 100)
	for i := range everyMinute {
		it := item(fmt.Sprintf("person-%05d", i), "write")
		cron := fmt.Sprintf("%d-59,0-%d * * * *", i%60, i%60) // all different, all unbroken
		everyMinute[i] = decision(fmt.Sprintf("r%05d", i), recurring(span(0, 24*90), cron, "Europe/Berlin", time.Hour+time.Minute, it))
	}
	shared := manyDecisions(10_000)
	for i := range shared {
		shared[i].Terms[0].Items = []grants.Item{item("shared", fmt.Sprint(i%10))}
	}
	for _, c := range []struct {
		name      string
		decisions []grants.Decision
	}{
		{"10000 requests, 1000 scheduled", manyDecisions(10_000)},
		{"10000 requests for 10 grants", shared},
		{"100 unbroken schedules over 90 days", everyMinute},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				grants.Desired(c.decisions, hour(12))
			}
		})
	}
}

func BenchmarkPlan(b *testing.B) {
	decisions := manyDecisions(10_000)
	for i := range decisions {
		decisions[i].Terms[0] = terms(span(0, 24), decisions[i].Terms[0].Items...)
	}
	claims, _ := grants.Desired(decisions, hour(12))
	var w world
	for _, c := range claims {
		w.on = append(w.on, c.Grant)
		w.holds = append(w.holds, grants.Hold{Item: c.Item, State: grants.StateHeld, Until: c.Until, Holders: c.Holders})
	}
	n := len(claims)
	for _, c := range []struct {
		name     string
		claims   []grants.Claim
		observed []grants.Grant
		holds    []grants.Hold
	}{
		{fmt.Sprintf("%d grants, nothing to do", n), claims, w.on, w.holds},
		{fmt.Sprintf("%d grants, all to grant", n), claims, nil, nil},
		{fmt.Sprintf("%d grants, all to revoke", n), nil, w.on, w.holds},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				grants.Plan(c.claims, c.observed, c.holds)
			}
		})
	}
}
