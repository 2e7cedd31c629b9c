package grants

import (
	"time"

	"github.com/robfig/cron/v3"
)

// compiler parses each schedule and loads each zone once. It lives as long as
// one call of the core, so that there is no state between calls.
type compiler struct {
	zones map[string]*time.Location
	recur map[Schedule]compiled
}

type compiled struct {
	r   *recurrence
	err error
}

func newCompiler() *compiler {
	return &compiler{zones: map[string]*time.Location{}, recur: map[Schedule]compiled{}}
}

func (c *compiler) recurrence(s Schedule) (*recurrence, error) {
	if got, ok := c.recur[s]; ok {
		return got.r, got.err
	}
	r, err := c.compile(s)
	c.recur[s] = compiled{r, err}
	return r, err
}

func (c *compiler) compile(s Schedule) (*recurrence, error) {
	spec, err := parseCron(s.Cron)
	if err != nil {
		return nil, err
	}
	if err := checkDuration(s.Duration); err != nil {
		return nil, err
	}
	loc, ok := c.zones[s.Timezone]
	if !ok {
		if loc, err = loadZone(s.Timezone); err != nil {
			return nil, err
		}
		c.zones[s.Timezone] = loc
	}
	return &recurrence{spec: spec, zone: zone{loc: loc}, duration: s.Duration}, nil
}

// recurrence is a compiled schedule. Cron expressions are evaluated on wall-clock
// readings (see zone), because the cron package drops or moves starts around a
// change of the clock. It is not safe for concurrent use.
type recurrence struct {
	spec     *cron.SpecSchedule // evaluated in UTC, where every reading exists once
	zone     zone
	duration time.Duration
	never    bool      // a search found that nothing ever matches
	spans    []daySpan // built when first needed
}

// occurrence is one start: the reading on the wall, and the instant.
type occurrence struct {
	reading int64
	start   time.Time
}

// daySpan is a row of starts of one day, in minutes after midnight, each of
// which begins before the one before it has ended, or as it ends.
type daySpan struct{ first, last int }

// following returns the first matching reading strictly after one.
func (r *recurrence) following(reading int64) (int64, bool) {
	if r.never {
		return 0, false
	}
	// Starts lie on whole minutes; from second 59 the search has no seconds to count.
	minute := reading - mod(reading, 60)
	t := time.Unix(minute+59, 0).UTC()
	next := r.spec.Next(t)
	if next.IsZero() {
		// The search covers five years; the 29th of February can be eight away.
		next = r.spec.Next(time.Date(t.Year()+5, time.December, 31, 23, 59, 59, 0, time.UTC))
	}
	if next.IsZero() {
		r.never = true
		return 0, false
	}
	return next.Unix(), true
}

// after returns the first occurrence that starts strictly after t.
func (r *recurrence) after(t time.Time) (occurrence, bool) {
	x := t.Unix()
	reading := r.zone.wall(x)
	for {
		var ok bool
		if reading, ok = r.following(reading); !ok {
			return occurrence{}, false
		}
		// Not so in a repeated hour: its readings were reached the first time.
		if at := r.zone.instant(reading); at > x {
			return occurrence{reading, time.Unix(at, 0).UTC()}, true
		}
	}
}

// cover returns the end of the run that contains t, or else the next start and
// false; the zero time and false if there is none. A run is followed until its
// end has reached limit, and no further.
func (r *recurrence) cover(t, limit time.Time) (time.Time, bool) {
	o, ok := r.after(t.Add(-r.duration))
	switch {
	case !ok:
		return time.Time{}, false
	case o.start.After(t):
		return o.start, false
	}
	return r.extend(o, limit), true
}

// extend follows the run from one of its occurrences.
func (r *recurrence) extend(o occurrence, limit time.Time) time.Time {
	end := o.start.Add(r.duration)
	for end.Before(limit) {
		reading, ok := r.following(o.reading)
		if !ok {
			break
		}
		start := time.Unix(r.zone.instant(reading), 0).UTC()
		if start.After(end) {
			break
		}
		o = r.leap(occurrence{reading, start})
		end = o.start.Add(r.duration)
	}
	return end
}

// leap goes to the last start of the same day in an unbroken row, where no change
// of the clock comes between; else it stays. It makes following a schedule of
// every minute cost a step a day.
func (r *recurrence) leap(o occurrence) occurrence {
	const day = 24 * 60 * 60
	if r.spans == nil {
		r.spans = daySpans(r.spec, r.duration)
	}
	x := o.start.Unix()
	r.zone.seek(x)
	if x != o.reading-r.zone.offset {
		return o // moved by a gap
	}
	midnight := o.reading - mod(o.reading, day)
	minute := int((o.reading - midnight) / 60)
	for _, s := range r.spans {
		if minute < s.first || minute > s.last {
			continue
		}
		last := midnight + int64(s.last)*60
		if last-r.zone.offset < r.zone.end {
			return occurrence{last, time.Unix(last-r.zone.offset, 0).UTC()}
		}
	}
	return o
}

func daySpans(spec *cron.SpecSchedule, d time.Duration) []daySpan {
	spans := []daySpan{}
	for minute := range 24 * 60 {
		if spec.Hour&(1<<(minute/60)) == 0 || spec.Minute&(1<<(minute%60)) == 0 {
			continue
		}
		if n := len(spans); n > 0 && time.Duration(minute-spans[n-1].last)*time.Minute <= d {
			spans[n-1].last = minute
		} else {
			spans = append(spans, daySpan{minute, minute})
		}
	}
	return spans
}

// runStart returns the start of the run that contains t, of which cover has said
// that there is one. It looks back ever further, until the run's first start
// cannot be touched by an earlier occurrence, or maxRun is reached.
func (r *recurrence) runStart(t time.Time) time.Time {
	for back := r.duration; ; back *= 2 {
		edge := t.Add(-back)
		o, _ := r.after(edge)
		for {
			end := r.extend(o, t.Add(1))
			if end.After(t) {
				break
			}
			o, _ = r.after(end)
		}
		if o.start.Sub(edge) > r.duration || back > maxRun {
			return o.start
		}
	}
}

// mod is the remainder that is never negative.
func mod(a, b int64) int64 { return ((a % b) + b) % b }
