package policy

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/schema"
)

// Bounds of how many starts and ends of schedules are followed. Where one goes on for
// longer it is taken to hold from there to the end, so that a rule denies rather than
// allows. All together are a second or two of work.
const (
	maxLooks    = 1000   // of one schedule: enough for a daily one of a year
	maxAllLooks = 50_000 // of all schedules that one request is compared with
)

// across is what rules see beyond the request itself: who holds what at an instant at
// which the request would hold something, too.
type across struct {
	own       []grants.Window // when the request holds something, in order
	subjects  []string
	roles     []string // of the request
	standing  []holding
	decisions []*neighbour
	left      int // of maxAllLooks

	answered map[string][]string // roles by person: an expression may ask in a loop
	counted  map[string]int      // holders by role
}

// holding is one person in one role.
type holding struct{ subject, role string }

// neighbour is the decision of another request.
type neighbour struct {
	decision grants.Decision
	holds    []holding
	windows  []grants.Window // within the request's own
	looked   bool
}

// newAcross prepares the questions. Nothing is followed before it is asked for.
func newAcross(a *asking, from, until time.Time) *across {
	x := &across{left: maxAllLooks, answered: map[string][]string{}, counted: map[string]int{}}
	for _, s := range a.subjects {
		x.subjects = append(x.subjects, s.Name)
	}
	for _, use := range a.request.Roles {
		x.roles = append(x.roles, use.Role)
	}
	for _, h := range a.held {
		for _, name := range a.tree.SubjectsOf(&schema.AccessRequest{Subjects: []string{h.Subject}}) {
			x.standing = append(x.standing, holding{name, h.Role})
		}
	}
	if len(a.others) == 0 {
		return x
	}
	span := grants.Window{From: from, Until: until}
	x.own, _ = windowsOf(grants.Decision{Granted: true, Terms: []grants.Terms{{Span: span, Schedule: scheduleOf(a.request)}}}, span, maxLooks)
	for _, d := range a.others {
		if holds := holdingsOf(d); len(holds) > 0 {
			x.decisions = append(x.decisions, &neighbour{decision: d, holds: holds})
		}
	}
	return x
}

// rolesOf returns the roles that a person would hold at some instant of the request,
// sorted.
func (x *across) rolesOf(person string) []string {
	if roles, ok := x.answered[person]; ok {
		return roles
	}
	found := map[string]bool{}
	if slices.Contains(x.subjects, person) {
		for _, r := range x.roles {
			found[r] = true
		}
	}
	for _, h := range x.standing {
		if h.subject == person {
			found[h.role] = true
		}
	}
	for _, n := range x.decisions {
		for _, h := range n.holds {
			if h.subject == person && !found[h.role] && len(x.within(n)) > 0 {
				found[h.role] = true
			}
		}
	}
	x.answered[person] = slices.Sorted(maps.Keys(found))
	return x.answered[person]
}

// holdersOf returns the largest number of people who would hold a role at one instant
// of the request. Its subjects are counted.
func (x *across) holdersOf(role string) int {
	if n, ok := x.counted[role]; ok {
		return n
	}
	always := map[string]bool{}
	for _, s := range x.subjects {
		always[s] = true
	}
	for _, h := range x.standing {
		if h.role == role {
			always[h.subject] = true
		}
	}
	times := map[string][]grants.Window{}
	for _, n := range x.decisions {
		for _, h := range n.holds {
			if h.role == role && !always[h.subject] {
				times[h.subject] = append(times[h.subject], x.within(n)...)
			}
		}
	}
	x.counted[role] = len(always) + most(times)
	return x.counted[role]
}

// within returns when a decision holds something at the same time as the request.
func (x *across) within(n *neighbour) []grants.Window {
	if n.looked || len(x.own) == 0 {
		return n.windows
	}
	n.looked = true
	span := grants.Window{From: x.own[0].From, Until: x.own[len(x.own)-1].Until}
	recurs := slices.ContainsFunc(n.decision.Terms, func(t grants.Terms) bool { return t.Schedule != nil })
	looks := maxLooks
	if recurs {
		looks = min(looks, x.left)
	}
	windows, looked := windowsOf(n.decision, span, looks)
	if recurs {
		x.left -= looked
	}
	n.windows = overlap(windows, x.own)
	return n.windows
}

// holdingsOf returns who would hold which role by a decision, at the times at which it
// holds anything. A grant that two roles bring is held in both.
func holdingsOf(d grants.Decision) []holding {
	if len(d.Terms) == 0 {
		return nil
	}
	seen := map[holding]bool{}
	var out []holding
	for _, it := range d.Terms[0].Items {
		h := holding{it.Subject, it.Role}
		if seen[h] || slices.ContainsFunc(d.Terms[1:], func(t grants.Terms) bool {
			return !slices.ContainsFunc(t.Items, func(o grants.Item) bool { return o.Grant == it.Grant })
		}) {
			continue
		}
		seen[h] = true
		out = append(out, h)
	}
	return out
}

// windowsOf returns when a decision holds something within a window, whatever that
// is, in order, and at how many instants it looked to find out: at most looks.
func windowsOf(d grants.Decision, in grants.Window, looks int) (out []grants.Window, looked int) {
	terms := slices.Clone(d.Terms)
	for i := range terms {
		terms[i].Items = []grants.Item{{}} // the times alone are asked for
	}
	d.Terms = terms
	at := in.From
	for ; looked < looks; looked++ {
		if !at.Before(in.Until) {
			return out, looked
		}
		items, until := d.At(at)
		switch {
		case len(items) > 0:
			out = append(out, grants.Window{From: at, Until: until}.Intersect(in))
			at = until
		default:
			if at = d.Next(at); at.IsZero() {
				return out, looked + 1
			}
		}
	}
	if at.Before(in.Until) {
		out = append(out, grants.Window{From: at, Until: in.Until})
	}
	return out, looked
}

// overlap returns the instants that lie in windows of both lists, which are in order.
func overlap(a, b []grants.Window) []grants.Window {
	var out []grants.Window
	for len(a) > 0 && len(b) > 0 {
		if w := a[0].Intersect(b[0]); !w.Empty() {
			out = append(out, w)
		}
		if a[0].Until.Before(b[0].Until) {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// most returns how many people hold something at the same instant, at most.
func most(times map[string][]grants.Window) int {
	type step struct {
		at time.Time
		by int // an end comes before a start at the same instant
	}
	var steps []step
	for _, windows := range times {
		for _, w := range joined(windows) {
			steps = append(steps, step{w.From, +1}, step{w.Until, -1})
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.by, b.by)) })
	now, top := 0, 0
	for _, s := range steps {
		now += s.by
		top = max(top, now)
	}
	return top
}

// joined makes one of windows that overlap or touch.
func joined(windows []grants.Window) []grants.Window {
	windows = slices.Clone(windows)
	slices.SortFunc(windows, func(a, b grants.Window) int { return a.From.Compare(b.From) })
	var out []grants.Window
	for _, w := range windows {
		if n := len(out); n > 0 && !out[n-1].Until.Before(w.From) {
			if w.Until.After(out[n-1].Until) {
				out[n-1].Until = w.Until
			}
			continue
		}
		out = append(out, w)
	}
	return out
}

// scheduleOf returns a request's schedule; nil: it has none.
func scheduleOf(r *schema.AccessRequest) *grants.Schedule {
	if r.Schedule == nil {
		return nil
	}
	return &grants.Schedule{Cron: r.Schedule.Cron, Timezone: r.Schedule.Timezone, Duration: r.Schedule.Duration}
}
