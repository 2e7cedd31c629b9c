package schema

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

var (
	timeForm = regexp.MustCompile(`^2[01][0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$`)
	dateForm = regexp.MustCompile(`^2[01][0-9]{2}-[0-9]{2}-[0-9]{2}$`)
	zoneForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*)*$`)
	cronForm = regexp.MustCompile(`^[0-9A-Za-z*/,?-]+( +[0-9A-Za-z*/,?-]+){4}$`)
)

// parseTime reads an RFC 3339 time with a zone and whole seconds, of the years
// 2000 to 2199 (so that differences never overflow), and returns it in UTC.
func parseTime(s string) (time.Time, error) {
	if timeForm.MatchString(s) {
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			return t.UTC(), nil
		}
		return time.Time{}, errors.New("is not a time that exists; check month, day, hour and zone")
	}
	return time.Time{}, errors.New("is not a time; write RFC 3339 with a zone and whole seconds, such as 2026-11-24T20:00:00Z or 2026-11-24T21:00:00+01:00")
}

// parseDay reads a time, or a date, which means 00:00 UTC of that day.
func parseDay(s string) (time.Time, error) {
	if dateForm.MatchString(s) {
		if t, err := time.Parse(time.DateOnly, s); err == nil {
			return t.UTC(), nil
		}
		return time.Time{}, errors.New("is not a day that exists; check month and day")
	}
	t, err := parseTime(s)
	if err != nil && !timeForm.MatchString(s) {
		err = errors.New("is not a date; write a day such as 2027-02-01, or RFC 3339 with a zone such as 2027-02-01T09:00:00Z")
	}
	return t, err
}

// checkCron reports what is wrong with a cron expression of five fields. An
// expression that never comes due is wrong as well.
func checkCron(s string) error {
	const allowed = "; write five fields: minute hour day-of-month month day-of-week, such as 0 9 * * MON-FRI"
	switch {
	case strings.HasPrefix(s, "@"):
		return errors.New("begins with @, which is not allowed" + allowed)
	case strings.Contains(s, "TZ="):
		return errors.New("names a time zone; use the key timezone beside cron")
	case len(s) > 200:
		return errors.New("is longer than 200 characters" + allowed)
	}
	if n := len(strings.Fields(s)); n != 5 {
		return fmt.Errorf("has %d fields%s", n, allowed)
	}
	if !cronForm.MatchString(s) {
		return errors.New("has characters that no cron field knows" + allowed)
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	schedule, err := parser.Parse(s)
	if err != nil {
		return fmt.Errorf("is not a cron expression (%w)%s", err, allowed)
	}
	// The parser looks five years ahead, so that any start finds a leap day.
	if schedule.Next(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return errors.New("never comes due: no such day exists; check day-of-month and month")
	}
	return nil
}

// checkZone reports what is wrong with the name of a time zone. Empty is UTC;
// Local is refused, because it depends on the machine.
func checkZone(s string) error {
	const allowed = "; write an IANA name such as Europe/Berlin, or leave timezone out for UTC"
	if s == "" {
		return nil
	}
	if s == "Local" {
		return errors.New("depends on the machine" + allowed)
	}
	if len(s) > 64 || !zoneForm.MatchString(s) {
		return errors.New("is not the name of a time zone" + allowed)
	}
	if _, err := time.LoadLocation(s); err != nil {
		return errors.New("is not a known time zone" + allowed)
	}
	return nil
}
