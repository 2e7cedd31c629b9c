package grants_test

import (
	"slices"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

// world is a target and the ledger's holds, changed as a reconciler would whose
// every act succeeds and is read back.
type world struct {
	on    []grants.Grant
	holds []grants.Hold
}

func (w *world) apply(changes []grants.Change, now time.Time) {
	for _, ch := range changes {
		g := ch.Item.Grant
		switch ch.Op {
		case grants.OpGrant:
			w.on = append(w.on, g)
			w.put(ch, now, false)
		case grants.OpAdopt:
			w.put(ch, now, true)
		case grants.OpRenew:
			w.put(ch, now, false)
		case grants.OpRevoke:
			w.remove(g)
			w.forget(g)
		case grants.OpRelease:
			w.forget(g)
		}
	}
}

func (w *world) put(ch grants.Change, now time.Time, preExisting bool) {
	h := grants.Hold{
		Item: ch.Item, State: grants.StateHeld, PreExisting: preExisting,
		Since: now, Until: ch.Until, Holders: ch.Holders,
	}
	w.forget(ch.Item.Grant)
	w.holds = append(w.holds, h)
}

func (w *world) remove(g grants.Grant) {
	w.on = slices.DeleteFunc(w.on, func(o grants.Grant) bool { return o == g })
}

func (w *world) forget(g grants.Grant) {
	w.holds = slices.DeleteFunc(w.holds, func(h grants.Hold) bool { return h.Grant == g })
}

func (w *world) has(g grants.Grant) bool { return slices.Contains(w.on, g) }

func (w *world) hold(g grants.Grant) (grants.Hold, bool) {
	i := slices.IndexFunc(w.holds, func(h grants.Hold) bool { return h.Grant == g })
	if i < 0 {
		return grants.Hold{}, false
	}
	return w.holds[i], true
}
