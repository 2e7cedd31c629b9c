package config

import (
	"errors"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/tenure-dev/tenure/schema"
)

// Schedule says when something is due again. It is a [cron.Schedule].
type Schedule struct {
	Text string // as written
	next cron.Schedule
}

// Next returns the next time after t.
func (s Schedule) Next(t time.Time) time.Time { return s.next.Next(t) }

// String returns the schedule as written.
func (s Schedule) String() string { return s.Text }

// shortest is the smallest interval: less would only load the forge.
const shortest = time.Second

var errSchedule = errors.New(`must be a duration ("30s"), "@every 10m" or a cron expression of five fields; not under one second`)

// parseSchedule reads a duration or a cron expression; cron is in UTC unless the
// expression names a time zone itself (CRON_TZ=…).
func parseSchedule(text string) (Schedule, error) {
	text = strings.TrimSpace(text)
	if d, err := schema.ParseDuration(text); err == nil {
		if d < shortest {
			return Schedule{}, errSchedule
		}
		return Schedule{Text: text, next: every(d)}, nil
	}
	if rest, ok := strings.CutPrefix(text, "@every "); ok {
		// The cron parser would round what is too short up to a second in silence.
		d, err := time.ParseDuration(strings.TrimSpace(rest))
		if err != nil || d < shortest {
			return Schedule{}, errSchedule
		}
		return Schedule{Text: text, next: every(d)}, nil
	}
	s, err := cron.ParseStandard(text)
	if err != nil {
		return Schedule{}, errSchedule
	}
	if spec, ok := s.(*cron.SpecSchedule); ok && spec.Location == time.Local {
		spec.Location = time.UTC
	}
	// A schedule such as 31 February never comes.
	if s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Schedule{}, errors.New("never comes due")
	}
	return Schedule{Text: text, next: s}, nil
}

// every is a fixed distance from now.
type every time.Duration

func (e every) Next(t time.Time) time.Time { return t.Add(time.Duration(e)) }
