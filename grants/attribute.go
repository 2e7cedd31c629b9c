package grants

import (
	"fmt"
	"slices"
	"time"
)

// Attribute returns the changes with the cause, commit and reason of every revoke
// and release of an own hold filled in; the others are returned as they are. It
// changes neither slice. Among several removals that took the grant from the
// hold's requests, the latest is the one that ended it.
func Attribute(changes []Change, holds []Hold, decisions []Decision, t time.Time) []Change {
	holds = sorted(holds, compareHolds)
	byRequest := make(map[string]*Decision, len(decisions)) // looked up, never ranged over
	for i := range decisions {
		byRequest[decisions[i].Request] = &decisions[i]
	}
	out := slices.Clone(changes)
	for i := range out {
		ch := &out[i]
		if ch.Op != OpRevoke && ch.Op != OpRelease {
			continue
		}
		n, found := slices.BinarySearchFunc(holds, ch.Item.Grant, func(h Hold, g Grant) int { return h.Grant.Compare(g) })
		if !found || holds[n].PreExisting || holds[n].Stranger() {
			continue
		}
		h := &holds[n]
		lost := lossOf(h, byRequest, t)
		ch.Cause, ch.Commit = lost.cause, lost.commit
		ch.Reason = fmt.Sprintf("%s: %s", paths(h.Holders), lost.text)
		if ch.Op == OpRelease {
			ch.Reason += "; the target no longer has it"
		}
	}
	return out
}

type loss struct {
	cause  Cause
	commit string
	text   string
}

// lossOf says what ended a hold that nobody asks for at t.
func lossOf(h *Hold, byRequest map[string]*Decision, t time.Time) loss {
	if !t.Before(h.Until) {
		return loss{cause: CauseExpired, text: "its window closed at " + stamp(h.Until)}
	}
	var last *Removal
	var gone, ended, unproven bool
	over := len(h.Holders) > 0
	for _, holder := range h.Holders {
		over = over && !t.Before(holder.Until)
		d := byRequest[holder.Request]
		if d == nil {
			gone = true
			continue
		}
		ended = ended || d.ended(t)
		unproven = unproven || !d.Granted
		for i := range d.Removals {
			if r := &d.Removals[i]; r.Grant == h.Grant && (last == nil || r.At.After(last.At)) {
				last = r
			}
		}
	}
	switch {
	case last != nil:
		return loss{last.Cause, last.Commit, describe(last)}
	case over:
		// Until counted on a later window that is gone; these had closed before.
		return loss{cause: CauseExpired, text: "its window closed, and no other follows"}
	case gone || ended || len(h.Holders) == 0:
		return loss{cause: CauseDeleted, text: "the request is no longer in force"}
	case unproven:
		return loss{cause: CauseUnproven, text: "the request is no longer proven"}
	default:
		return loss{cause: CauseShortened, text: "its window was changed and no longer covers " + stamp(t)}
	}
}

func describe(r *Removal) string {
	var text string
	switch r.Cause {
	case CauseExpired:
		text = "its window closed"
	case CauseDeleted:
		text = "the request was deleted"
	case CauseShortened:
		text = "its window was shortened"
	case CauseNarrowed:
		text = "the request no longer covers this grant"
	case CauseDeactivated:
		text = "the person was deactivated or removed"
	case CauseUnproven:
		text = "its evidence no longer counts"
	default:
		text = string(r.Cause)
	}
	if r.Commit == "" {
		return text
	}
	return fmt.Sprintf("%s in commit %.12s", text, r.Commit)
}
