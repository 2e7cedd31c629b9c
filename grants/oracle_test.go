package grants_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"pgregory.net/rapid"
)

// The oracle walks real time minute by minute and keeps to the words of the
// design: a start happens when the clock on the wall first reaches it. It shares
// no code with the package: it matches cron fields by itself.

// oracleStarts returns the starts of a schedule in [from, to).
func oracleStarts(s grants.Schedule, from, to time.Time) []time.Time {
	loc, err := time.LoadLocation(s.Timezone)
	if err != nil {
		panic(err)
	}
	wall := func(x time.Time) time.Time {
		l := x.In(loc)
		return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
	}
	x := from.Add(-48 * time.Hour) // far enough to know what was reached before
	reached := wall(x)
	var starts []time.Time
	match := oracleMatcher(s.Cron)
	for ; x.Before(to); x = x.Add(time.Minute) {
		for now := wall(x); reached.Before(now); {
			reached = reached.Add(time.Minute)
			if match(reached) && !x.Before(from) && (len(starts) == 0 || !starts[len(starts)-1].Equal(x)) {
				starts = append(starts, x)
			}
		}
	}
	return starts
}

// oracleMatcher reads numbers, lists, ranges, steps and stars.
func oracleMatcher(expr string) func(time.Time) bool {
	f := strings.Fields(expr)
	set := func(field string, low, high int) map[int]bool {
		out := map[int]bool{}
		for _, part := range strings.Split(field, ",") {
			values, step, stepped := strings.Cut(part, "/")
			a, b := low, high
			if values != "*" {
				first, last, ranged := strings.Cut(values, "-")
				a = number(first)
				switch {
				case ranged:
					b = number(last)
				case !stepped:
					b = a
				}
			}
			by := 1
			if stepped {
				by = number(step)
			}
			for v := a; v <= b; v += by {
				out[v] = true
			}
		}
		return out
	}
	minutes, hours, doms, months, dows := set(f[0], 0, 59), set(f[1], 0, 23), set(f[2], 1, 31), set(f[3], 1, 12), set(f[4], 0, 6)
	return func(w time.Time) bool {
		dom, dow := doms[w.Day()], dows[int(w.Weekday())]
		day := dom && dow
		if f[2] != "*" && f[4] != "*" {
			day = dom || dow
		}
		return minutes[w.Minute()] && hours[w.Hour()] && months[int(w.Month())] && day
	}
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// clockChanges are mornings on which clocks are changed, one a zone.
var clockChanges = []struct{ zone, around string }{
	{"Europe/Berlin", "2026-03-29T01:00:00Z"},
	{"Europe/Berlin", "2026-10-25T01:00:00Z"},
	{"America/New_York", "2026-03-08T07:00:00Z"},
	{"America/New_York", "2026-11-01T06:00:00Z"},
	{"Australia/Lord_Howe", "2026-10-03T15:30:00Z"},
	{"Australia/Lord_Howe", "2026-04-04T15:00:00Z"},
	{"America/Sao_Paulo", "2018-11-04T03:00:00Z"},
	{"America/Sao_Paulo", "2018-02-18T02:00:00Z"},
	{"Asia/Beirut", "2026-03-28T22:00:00Z"},
	{"Asia/Beirut", "2026-10-24T21:00:00Z"},
	{"Pacific/Apia", "2011-12-30T10:00:00Z"},
	{"Africa/Casablanca", "2026-02-15T02:00:00Z"},
	{"UTC", "2026-06-01T00:00:00Z"},
}

func genCron(t *rapid.T) string {
	field := func(name string, low, high int) string {
		n := func(s string) int { return rapid.IntRange(low, high).Draw(t, name+s) }
		switch rapid.IntRange(0, 4).Draw(t, name) {
		case 0:
			return fmt.Sprint(n("a"))
		case 1:
			return fmt.Sprintf("%d,%d", n("a"), n("b"))
		case 2:
			a, b := n("a"), n("b")
			return fmt.Sprintf("%d-%d", min(a, b), max(a, b))
		case 3:
			return fmt.Sprintf("%d-%d/%d", low, n("b"), rapid.IntRange(1, 30).Draw(t, name+"step"))
		default:
			return "*"
		}
	}
	day := rapid.SampledFrom([]string{"* * *", "* * *", "* * 0,6", "* * 0-5", "28 * 0", "*  2-11 *", "29,30 * *"})
	return field("minute", 0, 59) + " " + field("hour", 0, 23) + " " + day.Draw(t, "day")
}

func TestSchedulesAgreeWithWalkingTheMinutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		change := rapid.SampledFrom(clockChanges).Draw(t, "change")
		around, _ := time.Parse(time.RFC3339, change.around)
		d := time.Duration(rapid.SampledFrom([]int{1, 7, 20, 30, 59, 60, 61, 90, 240, 480, 1380, 1440, 1500}).Draw(t, "minutes")) * time.Minute
		s, err := grants.ParseSchedule(genCron(t), change.zone, d)
		if err != nil {
			t.Fatal(err)
		}
		from, to := around.Add(-30*time.Hour), around.Add(30*time.Hour)
		starts := oracleStarts(s, from.Add(-72*time.Hour), to.Add(72*time.Hour))

		for range 40 {
			now := from.Add(time.Duration(rapid.IntRange(0, int(to.Sub(from)/(30*time.Second))).Draw(t, "now")) * 30 * time.Second)
			i, found := slices.BinarySearchFunc(starts, now, time.Time.Compare)
			if found {
				i++
			}
			if next := s.Next(now); i < len(starts) && !next.Equal(starts[i]) {
				t.Fatalf("%+v: next after %v is %v, want %v", s, now, next, starts[i])
			} else if i == len(starts) && !next.IsZero() && next.Before(to) {
				t.Fatalf("%+v: next after %v is %v, want none near", s, now, next)
			}
			want, active := oracleRun(starts, d, now)
			got, ok := s.At(now)
			if ok != active {
				t.Fatalf("%+v: active at %v: %v, want %v", s, now, ok, active)
			}
			if !active {
				continue
			}
			// A run that leaves the walked stretch is known only as far as that.
			first, last := starts[0], starts[len(starts)-1].Add(d)
			if want.From.After(first) && !got.From.Equal(want.From) || want.Until.Before(last) && !got.Until.Equal(want.Until) {
				t.Fatalf("%+v: at %v %v, want %v", s, now, got, want)
			}
		}
	})
}

// oracleRun merges sorted starts and returns the run that contains t.
func oracleRun(starts []time.Time, d time.Duration, t time.Time) (grants.Window, bool) {
	var run grants.Window
	for _, start := range starts {
		if run.Until.IsZero() || start.After(run.Until) {
			if run.Contains(t) {
				break
			}
			run.From = start
		}
		run.Until = start.Add(d)
	}
	return run, run.Contains(t)
}
