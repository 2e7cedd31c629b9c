package policy

import (
	"time"

	"github.com/tenure-dev/tenure/schema"
)

// limits checks the request's window against a role.
func (c *judging) limits(role *schema.Role) {
	r := c.Request
	from := c.start()
	until := endOf(r, from)
	if why := windowWrong(r); why != "" {
		c.fail("window", "%s", why)
		return
	}
	if r.Emergency {
		c.emergencyLimit(role, until)
		return
	}
	if !until.After(c.pull.MergedAt) {
		c.fail("window", "the window ended at %s, before the merge at %s", stamp(until), stamp(c.pull.MergedAt))
		return
	}
	whole := until.Sub(from)
	if whole <= 0 {
		c.fail("window", "the window ends at %s, before it starts at %s", stamp(until), stamp(from))
		return
	}
	switch {
	case !r.ReviewBy.IsZero():
		// A renewal is measured from its own merge: it is a new promise to look.
		base := c.pull.MergedAt
		if r.StartsAt.After(base) {
			base = r.StartsAt
		}
		switch {
		case !role.Standing:
			c.fail("window", "role %s does not allow standing access; give a duration or expiresAt", role.Name)
		case until.Sub(base) > maxReview(role):
			c.fail("window", "reviewBy %s is %s ahead; role %s allows %s", stamp(until), length(until.Sub(base)), role.Name, length(maxReview(role)))
		default:
			c.pass("window", "standing access to be reviewed by %s; role %s allows %s", stamp(until), role.Name, length(maxReview(role)))
		}
	case role.MaxDuration <= 0:
		c.fail("window", "role %s has no maxDuration, so no window is short enough", role.Name)
	case r.Schedule != nil:
		switch {
		case r.Schedule.Duration > role.MaxDuration:
			c.fail("window", "each occurrence lasts %s; role %s allows %s", length(r.Schedule.Duration), role.Name, length(role.MaxDuration))
		case whole > maxSpan(role):
			c.fail("window", "the schedule runs for %s; role %s allows %s", length(whole), role.Name, length(maxSpan(role)))
		default:
			c.pass("window", "occurrences of %s until %s; role %s allows %s each and %s in all",
				length(r.Schedule.Duration), stamp(until), role.Name, length(role.MaxDuration), length(maxSpan(role)))
		}
	case whole > role.MaxDuration:
		c.fail("window", "the window lasts %s; role %s allows %s", length(whole), role.Name, length(role.MaxDuration))
	default:
		c.pass("window", "%s until %s; role %s allows %s", length(whole), stamp(until), role.Name, length(role.MaxDuration))
	}
}

// emergencyLimit checks the window of an emergency against a role. A merge does not
// start it anew: one that is over by then brings nothing, and records the review.
func (c *judging) emergencyLimit(role *schema.Role, until time.Time) {
	terms, ok := termsFor(c.Request, role)
	switch {
	case !ok: // said with the requesters
	case until.IsZero():
		c.fail("window", "it is not known when pull request #%d was opened, where an emergency begins", c.pull.Number)
	case c.Request.Duration > terms.longest:
		c.fail("window", "the window lasts %s; role %s allows %s in an emergency", length(c.Request.Duration), role.Name, length(terms.longest))
	case !c.pull.MergedAt.IsZero() && !until.After(c.pull.MergedAt):
		c.pass("window", "the emergency was over at %s, before the merge, which brings nothing any more", stamp(until))
	default:
		c.pass("window", "%s until %s, from the opening of the pull request; role %s allows %s in an emergency",
			length(c.Request.Duration), stamp(until), role.Name, length(terms.longest))
	}
}

// windowWrong says what is wrong with the window's fields taken together. The
// loader refuses such files; nothing is granted on the strength of that.
func windowWrong(r *schema.AccessRequest) string {
	given := 0
	for _, set := range []bool{r.Duration != 0, !r.ExpiresAt.IsZero(), !r.ReviewBy.IsZero()} {
		if set {
			given++
		}
	}
	switch {
	case given != 1:
		return "exactly one of duration, expiresAt and reviewBy says when access ends"
	case r.Emergency && (r.Duration == 0 || !r.StartsAt.IsZero() || r.Schedule != nil):
		return "an emergency begins at once: it has a duration and nothing else"
	case r.Duration < 0:
		return "duration is negative"
	case r.Schedule != nil && r.ExpiresAt.IsZero():
		return "a schedule needs expiresAt"
	case r.Schedule != nil && r.Schedule.Duration <= 0:
		return "a schedule needs a duration"
	case r.Duration > 100*365*24*time.Hour:
		return "duration is longer than a century"
	}
	return ""
}
