package grants_test

import (
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

// FuzzSchedule holds, for every schedule that is accepted: the next start is ahead,
// an occurrence is open from its start for its whole duration and its window says so,
// and nothing of this takes long or depends on what was asked before.
func FuzzSchedule(f *testing.F) {
	for _, cron := range []string{"0 9 * * MON-FRI", "* * * * *", "0 0 29 2 *", "0 0 31 2 *", "*/15 0-6/2,22 ? jan,dec *", "30 2 * * *", "0 0 1 1 0", "59 23 31 12 ?", "1-59/58 * * * 7", "@every 1h", "TZ=UTC 0 9 * * *"} {
		for _, zone := range []string{"", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Local", "../UTC"} {
			f.Add(cron, zone, int64(8*time.Hour), int64(1_774_746_000))
		}
	}
	f.Add("0 0 * * *", "Pacific/Apia", int64(30*time.Hour), int64(1_325_239_200))
	f.Add("* * * * *", "UTC", int64(1), int64(-1))
	f.Add("0 0 1 * *", "Africa/Casablanca", int64(366*24*time.Hour), int64(1_700_000_000))
	f.Fuzz(func(t *testing.T, cron, zone string, duration, at int64) {
		began := time.Now()
		s, err := grants.ParseSchedule(cron, zone, time.Duration(duration))
		if err != nil {
			bad := grants.Schedule{Cron: cron, Timezone: zone, Duration: time.Duration(duration)}
			if _, open := bad.At(time.Unix(at, 0)); open {
				t.Fatalf("%+v is refused (%v) and opens a window", bad, err)
			}
			return
		}
		from := time.Unix(at%(1<<33), 0).UTC() // some 270 years around 1970
		next := s.Next(from)
		if next.IsZero() {
			return
		}
		if !next.After(from) || !next.Equal(s.Next(from)) || next.Location() != time.UTC {
			t.Fatalf("%+v: after %s comes %s", s, from, next)
		}
		if second := s.Next(next); !second.IsZero() && !second.After(next) {
			t.Fatalf("%+v: after its start at %s comes %s", s, next, second)
		}
		for _, x := range []time.Time{next, next.Add(s.Duration - 1)} {
			w, open := s.At(x)
			if !open || x.Before(w.From) || !x.Before(w.Until) {
				t.Fatalf("%+v: at %s the window is %s (%v)", s, x, w, open)
			}
			if w.Until.Before(next.Add(s.Duration)) {
				t.Fatalf("%+v: the window %s is cut before the end of the occurrence at %s", s, w, next)
			}
		}
		if w, open := s.At(next.Add(-1)); open && w.Until.Before(next) {
			t.Fatalf("%+v: %s is open before %s, and ends before", s, w, next)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("%+v took %s", s, took)
		}
	})
}
