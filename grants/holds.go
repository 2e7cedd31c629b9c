package grants

import (
	"cmp"
	"slices"
	"time"
)

// maxSteps bounds how many windows are looked at to find where several overlap,
// or how long they follow on each other.
const maxSteps = 1024

// Allowed returns the items that every one of the terms lists, whatever the
// time: sorted by grant, each grant once. Nothing, if the decision grants nothing.
func (d Decision) Allowed() []Item {
	if !d.Granted || len(d.Terms) == 0 {
		return nil
	}
	items := sortedItems(d.Terms[0].Items)
	for _, m := range d.Terms[1:] {
		other := sortedItems(m.Items)
		items = slices.DeleteFunc(items, func(i Item) bool {
			_, found := slices.BinarySearchFunc(other, i, compareGrants)
			return !found
		})
	}
	return items
}

// At returns what the decision holds at t and the end of its current window;
// nothing and the zero time if it holds nothing.
func (d Decision) At(t time.Time) ([]Item, time.Time) {
	d = d.floored()
	until, active := newCompiler().holding(&d, t)
	if !active {
		return nil, time.Time{}
	}
	items := d.Allowed()
	if len(items) == 0 {
		return nil, time.Time{}
	}
	return items, until
}

// Next returns the next instant strictly after t at which the answer of At
// changes; zero if there is none.
func (d Decision) Next(t time.Time) time.Time {
	if len(d.Allowed()) == 0 {
		return time.Time{}
	}
	d = d.floored()
	return newCompiler().change(&d, t)
}

// Ends returns the instant from which on the decision can never hold anything:
// the earliest end of its terms' spans, or EndedAt. It is zero, thus past, when
// there are no terms.
func (d Decision) Ends() time.Time {
	if len(d.Terms) == 0 {
		return time.Time{}
	}
	ends := d.Terms[0].Span.Until
	for _, m := range d.Terms[1:] {
		ends = earlier(ends, m.Span.Until)
	}
	if !d.EndedAt.IsZero() {
		ends = earlier(ends, d.EndedAt)
	}
	return ends.UTC()
}

// begins returns the instant before which the decision holds nothing.
func (d *Decision) begins() time.Time {
	var from time.Time
	for i := range d.Terms {
		from = later(from, d.Terms[i].Span.From)
	}
	return from
}

// holding reports whether every one of the terms is active at t, and until when.
func (c *compiler) holding(d *Decision, t time.Time) (until time.Time, active bool) {
	if !d.Granted || len(d.Terms) == 0 || d.ended(t) {
		return time.Time{}, false
	}
	for i := range d.Terms {
		end, active := c.active(&d.Terms[i], t)
		if !active {
			return time.Time{}, false
		}
		if i == 0 || end.Before(until) {
			until = end
		}
	}
	if !d.EndedAt.IsZero() {
		until = earlier(until, d.EndedAt)
	}
	return until.UTC(), true
}

// change returns the next instant strictly after t at which the answer of holding
// changes; zero if there is none. If the terms take turns for very long without
// ever overlapping, it may be an instant at which nothing changes yet.
func (c *compiler) change(d *Decision, t time.Time) time.Time {
	if !d.Granted || !t.Before(d.Ends()) {
		return time.Time{}
	}
	if until, active := c.holding(d, t); active {
		next := until
		for i := range d.Terms {
			next = earlier(next, moves(&d.Terms[i], t, until))
		}
		return next
	}
	at := t
	for range maxSteps {
		waiting := false
		for i := range d.Terms {
			if _, active := c.active(&d.Terms[i], at); active {
				continue
			}
			if at = c.boundary(&d.Terms[i], at); at.IsZero() || d.ended(at) {
				return time.Time{}
			}
			waiting = true
		}
		if !waiting {
			break
		}
	}
	return at
}

func (d *Decision) ended(t time.Time) bool { return !d.EndedAt.IsZero() && !t.Before(d.EndedAt) }

// sortedItems returns a sorted copy with each grant once.
func sortedItems(items []Item) []Item {
	items = slices.Clone(items)
	slices.SortFunc(items, compareItems)
	return slices.CompactFunc(items, func(a, b Item) bool { return a.Grant == b.Grant })
}

func compareGrants(a, b Item) int { return a.Grant.Compare(b.Grant) }

func compareItems(a, b Item) int {
	return cmp.Or(
		a.Grant.Compare(b.Grant),
		cmp.Compare(a.Subject, b.Subject),
		cmp.Compare(a.Role, b.Role),
		cmp.Compare(a.Spec, b.Spec),
	)
}
