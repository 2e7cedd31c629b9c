package reconcile

import (
	"fmt"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

// BenchmarkPassNothingChanged is one pass over a target with 10,000 grants of as
// many requests, all as they should be. The limit is what it takes to read the same
// rows from the ledger and the target and to do nothing with them: the metric
// x-of-reading is the pass divided by that.
func BenchmarkPassNothingChanged(b *testing.B) {
	const n = 10_000
	w := newWorld(b)
	decisions := make([]grants.Decision, 0, n)
	for i := range n {
		decisions = append(decisions, asks(fmt.Sprintf("requests/%05d.yaml@000000000000", i), fmt.Sprintf("user%05d", i), "rw", 0, 60*24))
	}
	w.decide(decisions...)
	w.mustPass()
	if len(w.holds()) != n {
		b.Fatalf("%d holds", len(w.holds()))
	}
	var passes, reads time.Duration
	for b.Loop() {
		at := time.Now()
		w.mustPass()
		passes += time.Since(at)

		b.StopTimer()
		at = time.Now()
		d, err := w.led.Decisions(b.Context())
		if err != nil || len(d) != n {
			b.Fatal(len(d), err)
		}
		if h, err := w.led.Holds(b.Context(), "db"); err != nil || len(h) != n {
			b.Fatal(len(h), err)
		}
		if g, err := w.target.Observe(b.Context(), []string{"rw"}); err != nil || len(g) != n {
			b.Fatal(len(g), err)
		}
		reads += time.Since(at)
		b.StartTimer()
	}
	b.ReportMetric(float64(passes)/float64(reads), "x-of-reading")
}
