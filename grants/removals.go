package grants

import (
	"slices"
	"time"
)

// Removals returns prev's removals with those appended that the step from prev to
// next brings: the grants that prev allowed and next does not, sorted by grant. A
// decision allows nothing any more once it is over at the given time, so that
// shortening a window into the past, or ending a request, counts as well; a
// window that had closed already loses nothing. A commit's removal of a grant for
// one cause is listed once. The result shares no memory with prev.
func Removals(prev, next Decision, commit string, at time.Time, cause Cause) []Removal {
	removals := slices.Clone(prev.Removals)
	kept := allowedFrom(&next, at)
	for _, item := range allowedFrom(&prev, at) {
		if _, found := slices.BinarySearchFunc(kept, item, compareGrants); found {
			continue
		}
		known := slices.ContainsFunc(removals, func(r Removal) bool {
			return r.Grant == item.Grant && r.Commit == commit && r.Cause == cause
		})
		if !known {
			removals = append(removals, Removal{Grant: item.Grant, Cause: cause, Commit: commit, At: at.UTC()})
		}
	}
	return removals
}

// allowedFrom returns what the decision may hold at t or later.
func allowedFrom(d *Decision, t time.Time) []Item {
	if !t.Before(d.Ends()) {
		return nil
	}
	return d.Allowed()
}
