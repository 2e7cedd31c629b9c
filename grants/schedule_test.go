package grants_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/tenure-dev/tenure/grants"
)

func at(t testing.TB, s string) time.Time {
	t.Helper()
	got, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return got.UTC()
}

func schedule(t testing.TB, cron, zone string, d time.Duration) grants.Schedule {
	t.Helper()
	s, err := grants.ParseSchedule(cron, zone, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseScheduleAcceptsFiveFieldsInAZone(t *testing.T) {
	for _, c := range []struct{ cron, zone, want string }{
		{"0 9 * * MON-FRI", "Europe/Berlin", "0 9 * * MON-FRI"},
		{"  0   9 *\t* mon-fri ", "UTC", "0 9 * * mon-fri"},
		{"*/15 0-6/2,22 ? jan,dec *", "", "*/15 0-6/2,22 ? jan,dec *"},
		{"0 0 31 2 *", "Australia/Lord_Howe", "0 0 31 2 *"},
	} {
		s, err := grants.ParseSchedule(c.cron, c.zone, time.Hour)
		if err != nil {
			t.Errorf("%q in %q: %v", c.cron, c.zone, err)
		}
		if want := (grants.Schedule{Cron: c.want, Timezone: c.zone, Duration: time.Hour}); s != want {
			t.Errorf("%q in %q: got %+v, want %+v", c.cron, c.zone, s, want)
		}
	}
}

func TestParseScheduleRefuses(t *testing.T) {
	for _, c := range []struct {
		name, cron, zone string
		d                time.Duration
		says             string
	}{
		{"nothing", "", "UTC", time.Hour, "five"},
		{"four fields", "0 9 * *", "UTC", time.Hour, "five"},
		{"six fields", "0 0 9 * * *", "UTC", time.Hour, "five"},
		{"a shorthand", "@daily", "UTC", time.Hour, "@"},
		{"a shorthand in five fields", "@every 1h 2 3 4", "UTC", time.Hour, "@"},
		{"a zone inside", "TZ=Asia/Tokyo 0 9 * * *", "UTC", time.Hour, "time zone"},
		{"a zone inside, long form", "CRON_TZ=Asia/Tokyo 0 9 * * *", "UTC", time.Hour, "time zone"},
		{"a zone inside and nothing else", "TZ=UTC", "UTC", time.Hour, "time zone"},
		{"a minute that does not exist", "60 9 * * *", "UTC", time.Hour, "60"},
		{"an hour that does not exist", "0 24 * * *", "UTC", time.Hour, "24"},
		{"a weekday that does not exist", "0 9 * * 8", "UTC", time.Hour, "8"},
		{"step zero", "*/0 9 * * *", "UTC", time.Hour, "step"},
		{"a backward range", "0 9 * * 5-1", "UTC", time.Hour, "5-1"},
		{"an empty list", ", 9 * * *", "UTC", time.Hour, "empty"},
		{"a list with an empty item", "1,,2 9 * * *", "UTC", time.Hour, "empty"},
		{"a star with a range", "*-5 9 * * *", "UTC", time.Hour, "alone"},
		{"a signed number", "+5 9 * * *", "UTC", time.Hour, "'+'"},
		{"a line break", "0 9 * *\n*", "UTC", time.Hour, "not allowed"},
		{"look-alike digits", "0 ٩ * * *", "UTC", time.Hour, "not allowed"},
		{"an unknown zone", "0 9 * * *", "Europe/Nowhere", time.Hour, "Europe/Nowhere"},
		{"the machine's zone", "0 9 * * *", "Local", time.Hour, "machine"},
		{"the machine's zone by file name", "0 9 * * *", "localtime", time.Hour, "machine"},
		{"a zone with leap seconds", "0 9 * * *", "right/Europe/Berlin", time.Hour, "machine"},
		{"a path", "0 9 * * *", "../etc/passwd", time.Hour, "timezone"},
		{"no duration", "0 9 * * *", "UTC", 0, "longer"},
		{"a negative duration", "0 9 * * *", "UTC", -time.Hour, "longer"},
		{"an endless duration", "0 9 * * *", "UTC", 367 * 24 * time.Hour, "366"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := grants.ParseSchedule(c.cron, c.zone, c.d)
			if err == nil {
				t.Fatalf("accepted as %+v", s)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q does not say %q", err, c.says)
			}
			bad := grants.Schedule{Cron: c.cron, Timezone: c.zone, Duration: c.d}
			if w, ok := bad.At(at(t, "2026-06-01T09:30:00Z")); ok {
				t.Errorf("an invalid schedule is active: %v", w)
			}
			if n := bad.Next(at(t, "2026-06-01T09:30:00Z")); !n.IsZero() {
				t.Errorf("an invalid schedule starts at %v", n)
			}
		})
	}
}

func TestStartsFollowTheWallClockAcrossClockChanges(t *testing.T) {
	for _, c := range []struct {
		name, cron, zone, after string
		want                    []string
	}{
		{"Berlin skips half past two", "30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z",
			[]string{"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"Berlin repeats half past two", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"Berlin at the end of the gap", "0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"}},
		{"Berlin at the end of the repeated hour", "0 3 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T02:00:00Z"}},
		{"every half hour has none in the second of the repeated hours", "*/30 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z",
			[]string{"2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"}},
		{"all starts of a gap are one", "*/20 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z",
			[]string{"2026-03-29T00:40:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z"}},
		{"New York skips half past two", "30 2 * * SUN", "America/New_York", "2026-03-07T00:00:00Z",
			[]string{"2026-03-08T07:00:00Z", "2026-03-15T06:30:00Z"}},
		{"New York repeats half past one", "30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z",
			[]string{"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
		{"Lord Howe skips half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z",
			[]string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
		{"Lord Howe repeats half an hour", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z",
			[]string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
		{"Sao Paulo skips midnight", "0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z",
			[]string{"2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}},
		{"Sao Paulo repeats the hour before midnight", "30 23 * * *", "America/Sao_Paulo", "2018-02-17T12:00:00Z",
			[]string{"2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z"}},
		{"Beirut skips midnight", "0 0 29 3 *", "Asia/Beirut", "2026-01-01T00:00:00Z",
			[]string{"2026-03-28T22:00:00Z", "2027-03-28T21:00:00Z"}},
		{"Beirut repeats the hour before midnight", "30 23 24 10 *", "Asia/Beirut", "2026-01-01T00:00:00Z",
			[]string{"2026-10-24T20:30:00Z"}},
		{"Apia skips a whole day", "0 9 30 12 *", "Pacific/Apia", "2011-01-01T00:00:00Z",
			[]string{"2011-12-30T10:00:00Z", "2012-12-29T19:00:00Z"}},
		{"the 29th of February eight years away", "0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z",
			[]string{"2104-02-29T00:00:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := schedule(t, c.cron, c.zone, time.Minute)
			now := at(t, c.after)
			for _, want := range c.want {
				now = s.Next(now)
				if got := now.Format(time.RFC3339); got != want {
					t.Fatalf("got %s, want %s", got, want)
				}
			}
		})
	}
}

func TestAScheduleThatNeverHappensIsNeverActive(t *testing.T) {
	for _, cron := range []string{"0 0 31 2 *", "0 0 30 2 *", "59 23 31 4,6,9,11 ?"} {
		s := schedule(t, cron, "Europe/Berlin", 24*time.Hour)
		now := at(t, "2026-01-01T00:00:00Z")
		if n := s.Next(now); !n.IsZero() {
			t.Errorf("%s: starts at %v", cron, n)
		}
		if w, ok := s.At(now); ok {
			t.Errorf("%s: active in %v", cron, w)
		}
	}
}

func TestAtMergesOccurrencesThatOverlapOrTouch(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name, cron, zone string
		d                time.Duration
		now, from, until string // from empty: not active
	}{
		{"inside", "0 9 * * *", "UTC", 8 * time.Hour, "2026-06-01T12:00:00Z", "2026-06-01T09:00:00Z", "2026-06-01T17:00:00Z"},
		{"the first instant is in", "0 9 * * *", "UTC", 8 * time.Hour, "2026-06-01T09:00:00Z", "2026-06-01T09:00:00Z", "2026-06-01T17:00:00Z"},
		{"the last instant is in", "0 9 * * *", "UTC", 8 * time.Hour, "2026-06-01T16:59:59.999999999Z", "2026-06-01T09:00:00Z", "2026-06-01T17:00:00Z"},
		{"the end is out", "0 9 * * *", "UTC", 8 * time.Hour, "2026-06-01T17:00:00Z", "", ""},
		{"just before the start is out", "0 9 * * *", "UTC", 8 * time.Hour, "2026-06-01T08:59:59.999999999Z", "", ""},
		{"overlapping", "0 9,12 * * *", "UTC", 4 * time.Hour, "2026-06-01T10:00:00Z", "2026-06-01T09:00:00Z", "2026-06-01T16:00:00Z"},
		{"overlapping, seen from the second", "0 9,12 * * *", "UTC", 4 * time.Hour, "2026-06-01T15:00:00Z", "2026-06-01T09:00:00Z", "2026-06-01T16:00:00Z"},
		{"touching", "0 9,13 * * *", "UTC", 4 * time.Hour, "2026-06-01T13:00:00Z", "2026-06-01T09:00:00Z", "2026-06-01T17:00:00Z"},
		{"weekdays touch around midnight", "0 0 * * MON-FRI", "UTC", day, "2026-06-03T10:00:00Z", "2026-06-01T00:00:00Z", "2026-06-06T00:00:00Z"},
		{"every minute of office hours", "* 9-16 * * *", "UTC", time.Minute, "2026-06-01T16:30:30Z", "2026-06-01T09:00:00Z", "2026-06-01T17:00:00Z"},
		{"elapsed time over the longer night", "0 22 * * SAT", "Europe/Berlin", 8 * time.Hour, "2026-10-25T03:30:00Z", "2026-10-24T20:00:00Z", "2026-10-25T04:00:00Z"},
		{"elapsed time over the shorter night", "0 22 * * SAT", "Europe/Berlin", 8 * time.Hour, "2026-03-29T00:30:00Z", "2026-03-28T21:00:00Z", "2026-03-29T05:00:00Z"},
		{"the longer day leaves an hour between daily windows", "0 4 * * *", "Europe/Berlin", day, "2026-10-25T02:30:00Z", "", ""},
		{"until the longer day", "0 4 * * SAT,SUN,MON", "Europe/Berlin", day, "2026-10-24T12:00:00Z", "2026-10-24T02:00:00Z", "2026-10-25T02:00:00Z"},
		{"the shorter day makes daily windows overlap", "0 4 * * SAT,SUN", "Europe/Berlin", day, "2026-03-29T12:00:00Z", "2026-03-28T03:00:00Z", "2026-03-30T02:00:00Z"},
		{"longer than a year's step back", "0 0 1 1 *", "UTC", 300 * day, "2026-08-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-10-28T00:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, ok := schedule(t, c.cron, c.zone, c.d).At(at(t, c.now))
			if ok != (c.from != "") {
				t.Fatalf("active %v, window %v", ok, w)
			}
			if ok && (!w.From.Equal(at(t, c.from)) || !w.Until.Equal(at(t, c.until))) {
				t.Errorf("got %v, want %s to %s", w, c.from, c.until)
			}
		})
	}
}

func TestAnUnbrokenScheduleIsFollowedAYear(t *testing.T) {
	const year = 366 * 24 * time.Hour
	now := at(t, "2026-06-01T10:30:17.5Z")
	for _, cron := range []string{"* * * * *", "*/7 * * * *", "0 0 * * *"} {
		w, ok := schedule(t, cron, "UTC", 24*time.Hour).At(now)
		if !ok || w.Until.Sub(now) < year || now.Sub(w.From) < year {
			t.Errorf("%s: %v %v", cron, w, ok)
		}
		if w.Until.Sub(now) > 2*year+48*time.Hour || now.Sub(w.From) > 3*year {
			t.Errorf("%s: followed too far: %v", cron, w)
		}
	}
}

func FuzzParseSchedule(f *testing.F) {
	f.Add("0 9 * * MON-FRI", "Europe/Berlin", int64(8*time.Hour))
	f.Add("*/5,*/7 1-20/3 29 2 ?", "Australia/Lord_Howe", int64(time.Minute))
	f.Add("TZ=UTC", "", int64(1))
	f.Add("@every 1s", "Local", int64(-1))
	f.Add(", , , , ,", "America/Sao_Paulo", int64(time.Hour))
	f.Add("*/9223372036854775807 * * * *", "Asia/Beirut", int64(366*24*time.Hour))
	f.Fuzz(func(t *testing.T, cron, zone string, d int64) {
		s, err := grants.ParseSchedule(cron, zone, time.Duration(d))
		if err != nil {
			if s != (grants.Schedule{}) {
				t.Fatalf("refused, but returned %+v", s)
			}
			return
		}
		again, err := grants.ParseSchedule(s.Cron, s.Timezone, s.Duration)
		if err != nil || again != s {
			t.Fatalf("%+v does not parse to itself: %+v, %v", s, again, err)
		}
		now := time.Date(2026, time.March, 28, 22, 30, 0, 0, time.UTC)
		next := s.Next(now)
		if next.IsZero() {
			return
		}
		if !next.After(now) {
			t.Fatalf("%+v: next %v is not after %v", s, next, now)
		}
		if w, ok := s.At(next); !ok || !w.Contains(next) || w.From.After(next) {
			t.Fatalf("%+v: not active at its start %v: %v %v", s, next, w, ok)
		}
	})
}
