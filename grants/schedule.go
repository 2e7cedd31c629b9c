package grants

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// maxRun bounds one occurrence, and how far a merged run is followed.
const maxRun = 366 * 24 * time.Hour

// Schedule is a recurring window: each start that Cron names in Timezone opens
// an occurrence that lasts Duration of elapsed time.
//
// Starts are wall-clock times. One that the zone skips happens at the first
// valid instant after the gap; one that the zone repeats happens once, the first
// time. Occurrences that overlap or touch are one run.
type Schedule struct {
	Cron     string        `json:"cron"`     // five fields, no @ and no TZ inside
	Timezone string        `json:"timezone"` // IANA name; empty: UTC
	Duration time.Duration `json:"duration"` // nanoseconds
}

// ParseSchedule checks a schedule and returns it with single spaces between the
// fields of the cron expression. One that can never happen (the 31st of
// February) is accepted: its Next is the zero time.
func ParseSchedule(cronExpr, timezone string, d time.Duration) (Schedule, error) {
	if _, err := parseCron(cronExpr); err != nil {
		return Schedule{}, err
	}
	if _, err := loadZone(timezone); err != nil {
		return Schedule{}, err
	}
	if err := checkDuration(d); err != nil {
		return Schedule{}, err
	}
	return Schedule{Cron: strings.Join(strings.Fields(cronExpr), " "), Timezone: timezone, Duration: d}, nil
}

// At returns the run that contains t: occurrences that overlap or touch are
// merged. A run that does not break within 366 days of t, on either side, is
// followed no further, so that the window then shows only a part of it. False
// means that no occurrence contains t, or that the schedule is not valid.
func (s Schedule) At(t time.Time) (Window, bool) {
	r, err := newCompiler().recurrence(s)
	if err != nil {
		return Window{}, false
	}
	until, active := r.cover(t, t.Add(maxRun))
	if !active {
		return Window{}, false
	}
	return Window{From: r.runStart(t), Until: until}, true
}

// Next returns the first start of an occurrence strictly after t. The zero time
// means that there is none, or that the schedule is not valid.
func (s Schedule) Next(t time.Time) time.Time {
	r, err := newCompiler().recurrence(s)
	if err != nil {
		return time.Time{}
	}
	o, ok := r.after(t)
	if !ok {
		return time.Time{}
	}
	return o.start
}

func checkDuration(d time.Duration) error {
	switch {
	case d <= 0:
		return fmt.Errorf("schedule duration %s: must be longer than nothing", d)
	case d > maxRun:
		return fmt.Errorf("schedule duration %s: one occurrence may last 366 days at most", d)
	}
	return nil
}

// parseCron compiles five fields. It is stricter than the cron package, which
// reads "*-5" as "*", takes "," for a field that never matches, and panics on
// "TZ=" without a space.
func parseCron(expr string) (*cron.SpecSchedule, error) {
	if err := checkCron(expr); err != nil {
		return nil, fmt.Errorf("cron %q: %w", expr, err)
	}
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(expr)
	if err != nil {
		return nil, fmt.Errorf("cron %q: %w", expr, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("cron %q: not five plain fields", expr)
	}
	spec.Location = time.UTC // the wall clock is applied by zone, not by cron
	return spec, nil
}

func checkCron(expr string) error {
	if strings.HasPrefix(strings.TrimSpace(expr), "@") {
		return errors.New("shorthands with @ are not allowed; write five fields")
	}
	if strings.Contains(expr, "=") {
		return errors.New("a time zone inside the expression is not allowed; use timezone")
	}
	for _, c := range expr {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
		case strings.ContainsRune("*?,/- \t", c):
		default:
			return fmt.Errorf("character %q is not allowed", c)
		}
	}
	fields := strings.Fields(expr)
	if len(fields) != 5 {
		return fmt.Errorf("has %d fields; write five: minute, hour, day of month, month, day of week", len(fields))
	}
	for _, f := range fields {
		for part := range strings.SplitSeq(f, ",") {
			values, _, _ := strings.Cut(part, "/")
			if values == "" {
				return fmt.Errorf("field %q has an empty item", f)
			}
			if strings.ContainsAny(values, "*?") && len(values) != 1 {
				return fmt.Errorf("field %q: * and ? stand alone", f)
			}
		}
	}
	return nil
}

// loadZone loads an IANA zone. Names whose meaning depends on the machine are
// refused: two replicas must agree on when a window opens.
func loadZone(name string) (*time.Location, error) {
	switch {
	case strings.EqualFold(name, "local"), strings.EqualFold(name, "localtime"), name == "posixrules",
		strings.HasPrefix(name, "right/"), strings.HasPrefix(name, "posix/"):
		return nil, fmt.Errorf("timezone %q: depends on the machine; use a name such as Europe/Berlin", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("timezone %q: %w; use a name such as Europe/Berlin", name, err)
	}
	return loc, nil
}
