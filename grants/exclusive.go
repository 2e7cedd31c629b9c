package grants

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Exclusive is an entitlement of one target that belongs to Tenure alone: who holds
// it there without a request is a stranger, and loses it. This is the only access
// that is taken away without having been granted before.
type Exclusive struct {
	Entitlement string
	Keep        []string // accounts that are left alone, exactly as the target names them
	Commit      string   // accepted head since which it is exclusive
	Listed      bool     // the first list of strangers was confirmed and is being taken away
	Waits       string   // why nothing is taken away for now; empty: nothing stands in the way
}

// Reclaim returns the changes of one target with the leaves of strangers turned into
// revokes, revokes first. One that has to wait stays a leave of cause CauseExclusive
// that says why; one that is not a stranger's any more has no cause. It changes
// neither slice.
//
// The commit of such a revoke is what an operator confirms: until the first list was,
// the commit since which the entitlement is exclusive; later, an id that stands for
// this very list of strangers. A revoke that was begun before has none.
func Reclaim(changes []Change, exclusive []Exclusive) []Change {
	owned := byEntitlement(exclusive)
	out := slices.Clone(changes)
	list := sha256.New()
	var later []int
	for i := range out {
		ch := &out[i]
		if ch.Op != OpLeave {
			continue
		}
		e, begun := owned[ch.Item.Entitlement], ch.Cause == CauseExclusive
		if e == nil || slices.Contains(e.Keep, ch.Item.Account) {
			ch.Cause = ""
			continue
		}
		ch.Cause = CauseExclusive
		switch {
		case e.Waits != "":
			ch.Reason = "nobody asked for it, and it belongs to Tenure alone; it is left until this is settled: " + e.Waits
		case e.Commit == "":
			ch.Reason = "nobody asked for it, and it belongs to Tenure alone; it is left because since when is not known"
		case begun:
			ch.Op = OpRevoke
			ch.Reason = "nobody asked for it, and it belongs to Tenure alone; its revoke was begun and is not done"
		default:
			ch.Op, ch.Commit = OpRevoke, e.Commit
			ch.Reason = fmt.Sprintf("nobody asked for it, and it belongs to Tenure alone since commit %.12s", e.Commit)
			if e.Listed {
				later = append(later, i)
			}
		}
	}
	slices.SortFunc(later, func(a, b int) int { return out[a].Item.Grant.Compare(out[b].Item.Grant) })
	for _, i := range later {
		fmt.Fprintf(list, "%s %q\n", out[i].Commit, []string{out[i].Item.Target, out[i].Item.Account, out[i].Item.Entitlement})
	}
	id := hex.EncodeToString(list.Sum(nil))[:40] // as long as a commit's hash
	for _, i := range later {
		out[i].Commit = id
	}
	sortChanges(out)
	return out
}

// GuardStrangers parts the revokes that Reclaim made into those to carry out and
// those to withhold; other changes are in neither. A first list
// is withheld until its commit is confirmed, and then goes whole. Later strangers
// are withheld beyond the limits of the guard, until their list is confirmed. What was
// begun goes on. Held is how many grants Tenure holds on the target.
//
// A confirmation of something else never counts: confirmed are the commits and lists
// that were confirmed as strangers.
func GuardStrangers(changes []Change, exclusive []Exclusive, held int, lim GuardLimits, confirmed map[string]bool) (allowed, withheld []Change) {
	lim.Tripped = map[string]bool{}
	for _, e := range exclusive {
		lim.Tripped[e.Commit] = true
	}
	var strangers []Change
	for _, ch := range changes {
		switch {
		case ch.Op != OpRevoke || ch.Cause != CauseExclusive:
		case ch.Commit == "":
			allowed = append(allowed, ch)
		default:
			strangers = append(strangers, ch)
		}
	}
	fresh, withheld := Guard(strangers, held, lim, confirmed)
	return append(allowed, fresh...), withheld
}

// Stranger reports whether the hold is access that nobody ever asked for, and whose
// revoke has begun.
func (h Hold) Stranger() bool {
	return !h.PreExisting && h.State == StateRevoking && len(h.Holders) == 0
}

func byEntitlement(exclusive []Exclusive) map[string]*Exclusive {
	out := make(map[string]*Exclusive, len(exclusive)) // looked up, never ranged over
	for i := range exclusive {
		out[exclusive[i].Entitlement] = &exclusive[i]
	}
	return out
}
