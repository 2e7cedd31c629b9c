package grants

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Plan compares what must exist with what was observed and what is owned, and
// returns the steps between them: revokes first, then releases, renews, adopts,
// grants and leaves, each sorted by grant. There is one change a grant at most.
//
// Nothing is revoked but what an own hold covers; [Reclaim] is the only exception. A release of an own hold rests
// on the observation alone: the caller carries it out only after Hold.Deadline,
// when no act under way can bring the grant back.
func Plan(desired []Claim, observed []Grant, owned []Hold) []Change {
	desired = sorted(desired, compareClaims)
	observed = sorted(observed, Grant.Compare)
	owned = sorted(owned, compareHolds)
	var changes []Change
	for len(desired) > 0 || len(observed) > 0 || len(owned) > 0 {
		g := lowest(desired, observed, owned)
		claim, seen, hold := popClaim(&desired, g), popGrant(&observed, g), popHold(&owned, g)
		if ch, ok := step(g, claim, seen, hold); ok {
			changes = append(changes, ch)
		}
	}
	sortChanges(changes)
	return changes
}

// PlanBlind returns the revokes that are due whatever is on the target: own holds
// that nobody asks for. It serves before an observation, and in place of one that
// failed, so that no access outlives its window because the target cannot be read.
// Strangers have no window: what is done to them rests on an observation.
func PlanBlind(desired []Claim, owned []Hold) []Change {
	desired = sorted(desired, compareClaims)
	var changes []Change
	for i := range owned {
		h := &owned[i]
		_, asked := slices.BinarySearchFunc(desired, h.Grant, func(c Claim, g Grant) int { return c.Grant.Compare(g) })
		if !asked && !h.PreExisting && !h.Stranger() {
			changes = append(changes, revoke(h))
		}
	}
	sortChanges(changes)
	return slices.CompactFunc(changes, func(a, b Change) bool { return a.Item.Grant == b.Item.Grant })
}

// step decides what one grant needs; claim and hold are nil where there is none.
func step(g Grant, claim *Claim, seen bool, hold *Hold) (Change, bool) {
	switch {
	case claim != nil && !seen:
		return wanted(OpGrant, claim, whyGrant(claim, hold)), true
	case claim != nil && hold == nil:
		return wanted(OpAdopt, claim, fmt.Sprintf("asked for by %s, but it was there before: noted and never touched", paths(claim.Holders))), true
	case claim != nil && hold.PreExisting:
		return Change{}, false
	case claim != nil:
		why := whyRenew(claim, hold)
		return wanted(OpRenew, claim, why), why != ""
	case hold != nil && hold.PreExisting:
		return drop(OpRelease, hold, "no longer asked for; it was there before the request and is left as it is"), true
	case hold != nil && hold.Stranger() && seen:
		ch := drop(OpLeave, hold, "on the target, but nobody asked for it: its revoke was begun")
		ch.Cause = CauseExclusive
		return ch, true
	case hold != nil && hold.Stranger():
		ch := drop(OpRelease, hold, "nobody asked for it, and it belongs to Tenure alone; the target no longer has it")
		ch.Cause = CauseExclusive
		return ch, true
	case hold != nil && seen:
		return revoke(hold), true
	case hold != nil:
		return drop(OpRelease, hold, fmt.Sprintf("no longer asked for, and the target no longer has it; held by %s", paths(hold.Holders))), true
	default:
		return Change{Op: OpLeave, Item: Item{Grant: g}, Reason: "on the target, but nobody asked for it and it is not ours: drift, left alone"}, true
	}
}

func whyGrant(claim *Claim, hold *Hold) string {
	by := paths(claim.Holders)
	switch {
	case hold == nil:
		return fmt.Sprintf("asked for by %s", by)
	case hold.PreExisting:
		return fmt.Sprintf("asked for by %s; it was there before, but somebody removed it: from now on it is granted by Tenure", by)
	case hold.State == StateGranting:
		return fmt.Sprintf("asked for by %s; granting it was begun and is not done", by)
	case hold.State == StateRevoking:
		return fmt.Sprintf("asked for by %s again after it was revoked", by)
	default:
		return fmt.Sprintf("asked for by %s; it was removed outside Tenure", by)
	}
}

// whyRenew is empty if the hold says already what the claim says.
func whyRenew(claim *Claim, hold *Hold) string {
	switch {
	case hold.State == StateRevoking:
		return fmt.Sprintf("asked for by %s again before it was revoked", paths(claim.Holders))
	case hold.State != StateHeld:
		return fmt.Sprintf("asked for by %s; granting it was begun, and it is there", paths(claim.Holders))
	case !claim.Until.Equal(hold.Until):
		return fmt.Sprintf("the end moved from %s to %s; held by %s", stamp(hold.Until), stamp(claim.Until), paths(claim.Holders))
	case !slices.EqualFunc(claim.Holders, hold.Holders, sameHolder):
		return fmt.Sprintf("only the holders changed, from %s to %s", paths(hold.Holders), paths(claim.Holders))
	default:
		return ""
	}
}

func wanted(op Op, c *Claim, why string) Change {
	return Change{Op: op, Item: c.Item, Until: c.Until, Holders: c.Holders, Reason: why}
}

func revoke(h *Hold) Change {
	return drop(OpRevoke, h, fmt.Sprintf("no longer asked for; held by %s until %s", paths(h.Holders), stamp(h.Until)))
}

func drop(op Op, h *Hold, why string) Change {
	return Change{Op: op, Item: h.Item, Holders: h.Holders, Reason: why}
}

// sortChanges puts what takes away first, so that nothing that fails to be
// granted stands in the way of a revoke.
func sortChanges(changes []Change) {
	slices.SortStableFunc(changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(rank(a.Op), rank(b.Op)), a.Item.Grant.Compare(b.Item.Grant))
	})
}

func rank(op Op) int {
	return slices.Index([]Op{OpRevoke, OpRelease, OpRenew, OpAdopt, OpGrant, OpLeave}, op)
}

func sameHolder(a, b Holder) bool {
	return a.Request == b.Request && a.Path == b.Path && a.Until.Equal(b.Until)
}

func compareClaims(a, b Claim) int { return a.Grant.Compare(b.Grant) }
func compareHolds(a, b Hold) int   { return a.Grant.Compare(b.Grant) }

// sorted returns the slice itself if it is in order, else a sorted copy.
func sorted[T any](s []T, compare func(a, b T) int) []T {
	if slices.IsSortedFunc(s, compare) {
		return s
	}
	s = slices.Clone(s)
	slices.SortStableFunc(s, compare)
	return s
}

func lowest(desired []Claim, observed []Grant, owned []Hold) Grant {
	var g Grant
	found := false
	take := func(o Grant) {
		if !found || o.Compare(g) < 0 {
			g, found = o, true
		}
	}
	if len(desired) > 0 {
		take(desired[0].Grant)
	}
	if len(observed) > 0 {
		take(observed[0])
	}
	if len(owned) > 0 {
		take(owned[0].Grant)
	}
	return g
}

// The pop functions take every leading element of grant g off a sorted slice and
// return the first; a target may list a grant twice.

func popClaim(s *[]Claim, g Grant) *Claim {
	n := leading(*s, func(c *Claim) Grant { return c.Grant }, g)
	if n == 0 {
		return nil
	}
	first := &(*s)[0]
	*s = (*s)[n:]
	return first
}

func popHold(s *[]Hold, g Grant) *Hold {
	n := leading(*s, func(h *Hold) Grant { return h.Grant }, g)
	if n == 0 {
		return nil
	}
	first := &(*s)[0]
	*s = (*s)[n:]
	return first
}

func popGrant(s *[]Grant, g Grant) bool {
	n := leading(*s, func(o *Grant) Grant { return *o }, g)
	*s = (*s)[n:]
	return n > 0
}

func leading[T any](s []T, grant func(*T) Grant, g Grant) int {
	n := 0
	for n < len(s) && grant(&s[n]) == g {
		n++
	}
	return n
}

// paths names the files behind holders, for people.
func paths(holders []Holder) string {
	if len(holders) == 0 {
		return "no request"
	}
	names := make([]string, len(holders))
	for i, h := range holders {
		names[i] = h.Path
		if h.Path == "" {
			names[i] = h.Request
		}
	}
	return strings.Join(names, ", ")
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
