package grants

import (
	"cmp"
	"slices"
	"time"
)

// Desired returns every grant that must exist at t with the requests that hold
// it, sorted by grant, and the next instant after t at which that answer changes
// (zero: never, unless the decisions do).
//
// A claim's Until is the end of the unbroken run: where another request's window,
// or the next occurrence, begins before the run ends or as it ends, the run goes
// on. It is followed through at most 1024 windows; Until is then earlier than the
// true end, and moves on as time does. The claim's item is that of its first
// holder. The order of the decisions does not matter.
func Desired(decisions []Decision, t time.Time) (claims []Claim, next time.Time) {
	c := newCompiler()
	var entries []entry
	for i := range decisions {
		floored := decisions[i].floored()
		d := &floored
		if !t.Before(d.Ends()) {
			continue
		}
		items := d.Allowed()
		if len(items) == 0 {
			continue
		}
		if change := c.change(d, t); !change.IsZero() && (next.IsZero() || change.Before(next)) {
			next = change
		}
		e := entry{decision: d, from: d.begins()}
		e.until, e.active = c.holding(d, t)
		for _, item := range items {
			e.item = item
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, compareEntries)
	for len(entries) > 0 {
		grant := entries[0].item.Grant
		n := slices.IndexFunc(entries, func(e entry) bool { return e.item.Grant != grant })
		if n < 0 {
			n = len(entries)
		}
		if claim, ok := c.claim(entries[:n]); ok {
			claims = append(claims, claim)
		}
		entries = entries[n:]
	}
	return claims, next
}

// entry is one grant that one decision allows now or later.
type entry struct {
	item     Item
	decision *Decision
	from     time.Time // holds nothing before
	until    time.Time // end of the current window, if active
	active   bool
}

// compareEntries sorts by grant, then by when the decision begins, then by
// everything else that shows in a claim.
func compareEntries(a, b entry) int {
	return cmp.Or(
		a.item.Grant.Compare(b.item.Grant),
		a.from.Compare(b.from),
		cmp.Compare(a.decision.Request, b.decision.Request),
		compareItems(a.item, b.item),
		cmp.Compare(a.decision.Path, b.decision.Path),
		a.until.Compare(b.until),
	)
}

// claim builds the claim of one grant from its entries, sorted; false if nobody
// holds it now.
func (c *compiler) claim(entries []entry) (Claim, bool) {
	var claim Claim
	first := ""
	for _, e := range entries {
		if !e.active {
			continue
		}
		if len(claim.Holders) == 0 || e.decision.Request < first {
			first, claim.Item = e.decision.Request, e.item
		}
		claim.Until = later(claim.Until, e.until)
		claim.Holders = append(claim.Holders, Holder{Request: e.decision.Request, Path: e.decision.Path, Until: e.until})
	}
	if len(claim.Holders) == 0 {
		return Claim{}, false
	}
	slices.SortFunc(claim.Holders, compareHolders)
	claim.Until = c.follow(entries, claim.Until)
	return claim, true
}

// follow returns the end of the unbroken run of windows of one grant that has
// reached end. Entries are sorted by when they begin, so that each is looked at
// only from then on, and no longer once it is over.
func (c *compiler) follow(entries []entry, end time.Time) time.Time {
	var live []entry
	for range maxSteps {
		n := 0
		for n < len(entries) && !entries[n].from.After(end) {
			n++
		}
		live = append(live, entries[:n]...)
		entries = entries[n:]
		live = slices.DeleteFunc(live, func(e entry) bool { return !end.Before(e.decision.Ends()) })
		reached := end
		for _, e := range live {
			if until, active := c.holding(e.decision, end); active {
				reached = later(reached, until)
			}
		}
		if !reached.After(end) {
			break
		}
		end = reached
	}
	return end
}

func compareHolders(a, b Holder) int {
	return cmp.Or(
		cmp.Compare(a.Request, b.Request),
		cmp.Compare(a.Path, b.Path),
		a.Until.Compare(b.Until),
	)
}
