package grants

import "time"

// ActiveAt reports whether the terms allow anything at t, and until when without
// a break: the end of the span, or of the schedule's run in it. The end of a run
// that goes on for more than a year is given as a time at least 366 days ahead.
// A schedule that is not valid is never active.
func (m Terms) ActiveAt(t time.Time) (until time.Time, active bool) {
	return newCompiler().active(&m, t)
}

// Next returns the next instant strictly after t at which ActiveAt changes; zero
// if there is none.
func (m Terms) Next(t time.Time) time.Time { return newCompiler().boundary(&m, t) }

func (c *compiler) active(m *Terms, t time.Time) (until time.Time, active bool) {
	if !m.Span.Contains(t) {
		return time.Time{}, false
	}
	if m.Schedule == nil {
		return m.Span.Until.UTC(), true
	}
	r, err := c.recurrence(*m.Schedule)
	if err != nil {
		return time.Time{}, false
	}
	limit := earlier(m.Span.Until, horizon(t))
	until, active = r.cover(t, limit)
	if !active {
		return time.Time{}, false
	}
	return earlier(until, limit).UTC(), true
}

func (c *compiler) boundary(m *Terms, t time.Time) time.Time {
	if m.Span.Empty() || !t.Before(m.Span.Until) {
		return time.Time{}
	}
	if until, active := c.active(m, t); active {
		return moves(m, t, until)
	}
	if t.Before(m.Span.From) {
		if _, active := c.active(m, m.Span.From); active {
			return m.Span.From.UTC()
		}
		t = m.Span.From
	}
	if m.Schedule == nil {
		return time.Time{}
	}
	r, err := c.recurrence(*m.Schedule)
	if err != nil {
		return time.Time{}
	}
	o, ok := r.after(t)
	if !ok || !o.start.Before(m.Span.Until) {
		return time.Time{}
	}
	return o.start
}

// moves returns when an answer of active, given at t, is no longer right: at its
// end, or earlier if the end was only the horizon.
func moves(m *Terms, t, until time.Time) time.Time {
	if m.Schedule != nil && until.Equal(horizon(t)) {
		return t.UTC().Truncate(maxRun).Add(maxRun)
	}
	return until
}

// horizon is how far runs are followed from t. It moves in steps of 366 days, so
// that an end that is given by it holds still in between.
func horizon(t time.Time) time.Time { return t.UTC().Truncate(maxRun).Add(2 * maxRun) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
