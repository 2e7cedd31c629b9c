package policy

import (
	"maps"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/schema"
)

// OnlyTakesAway reports whether a change of a request in force asks for nothing
// that it did not have: the same or fewer people and roles, for a part of the time.
// Such a change takes effect without approval. first is when the window of the
// request in force is counted from.
func OnlyTakesAway(was, now *schema.AccessRequest, first time.Time) bool {
	if was == nil || now == nil || first.IsZero() {
		return false
	}
	for _, s := range now.Subjects {
		if !slices.Contains(was.Subjects, s) {
			return false
		}
	}
	for _, use := range now.Roles {
		if !slices.ContainsFunc(was.Roles, func(o schema.RoleUse) bool { return o.Role == use.Role && maps.Equal(o.Params, use.Params) }) {
			return false
		}
	}
	if (was.Schedule == nil) != (now.Schedule == nil) || was.Schedule != nil && *was.Schedule != *now.Schedule || was.Emergency != now.Emergency {
		return false
	}
	oldEnd, newEnd := endOf(was, first), endOf(now, first)
	return !newEnd.IsZero() && !newEnd.After(oldEnd) && !startOf(now, first).Before(startOf(was, first))
}
