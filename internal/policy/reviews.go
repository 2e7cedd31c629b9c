package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
)

// reviews finds out whose approval counts. Of each account, the last review before
// the merge (of an emergency: at any time) that is not a mere comment is the one that matters; of several in the
// same instant, one that does not approve.
func (c *judging) reviews() {
	c.pushRecord()
	c.counted = map[string]time.Time{}
	c.excluded = map[string]string{}
	for _, s := range c.subjects {
		c.excluded[s.Name] = "a subject of the request"
	}
	if c.author != nil {
		c.excluded[c.author.Name] = "the author of the pull request"
	}
	for _, p := range c.pushers {
		if person, _ := c.personOf(p); person != nil {
			c.excluded[person.Name] = cmp.Or(c.excluded[person.Name], "a pusher to the pull request")
		}
	}
	for _, r := range lastReviews(c.Evidence.Reviews, c.closed) {
		name, why := c.counts(r)
		if why != "" {
			c.note(false, "%s's %s of %s does not count: %s", name, verb(r.State), stamp(r.SubmittedAt), why)
			continue
		}
		c.counted[name] = r.SubmittedAt
		c.note(true, "%s's approval of %s counts", name, stamp(r.SubmittedAt))
	}
}

// lastReviews returns each account's decisive review, by time. Reviews from closed on
// (zero: never) are decisive only where there was none before, so that they are named and
// refused. Comments never are. Every ghost stands alone: ghosts cannot be told
// apart.
func lastReviews(all []forge.Review, closed time.Time) []forge.Review {
	type key struct {
		host  string
		id    int64
		ghost int64
	}
	last := map[key]forge.Review{}
	for _, r := range all {
		if r.State == forge.ReviewCommented {
			continue
		}
		k := key{r.Reviewer.Host, r.Reviewer.ID, 0}
		if r.Reviewer.ID == 0 {
			k.ghost = r.ID
		}
		if old, ok := last[k]; !ok || moreDecisive(r, old, closed) {
			last[k] = r
		}
	}
	out := make([]forge.Review, 0, len(last))
	for _, r := range last {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b forge.Review) int {
		return cmp.Or(a.SubmittedAt.Compare(b.SubmittedAt), cmp.Compare(a.Reviewer.Host, b.Reviewer.Host),
			cmp.Compare(a.Reviewer.ID, b.Reviewer.ID), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func moreDecisive(r, old forge.Review, closed time.Time) bool {
	if before, oldBefore := inTime(r, closed), inTime(old, closed); before != oldBefore {
		return before
	}
	if c := r.SubmittedAt.Compare(old.SubmittedAt); c != 0 {
		return c > 0
	}
	if no, oldNo := r.State != forge.ReviewApproved, old.State != forge.ReviewApproved; no != oldNo {
		return no
	}
	return r.ID > old.ID
}

func inTime(r forge.Review, closed time.Time) bool {
	return closed.IsZero() || r.SubmittedAt.Before(closed)
}

// counts returns the person whose approval a review is, or the name to print and
// why it is none.
func (c *judging) counts(r forge.Review) (name, why string) {
	p, unknown := c.personOf(r.Reviewer)
	name = r.Reviewer.Login
	if p != nil {
		name = p.Name
	}
	age := c.closed.Sub(r.SubmittedAt)
	switch {
	case p == nil:
		return name, fmt.Sprintf("%s %s", account(r.Reviewer), unknown)
	case !inTime(r, c.closed):
		return name, fmt.Sprintf("it was given at or after %s at %s", c.closing, stamp(c.closed))
	case r.State == forge.ReviewDismissed:
		return name, "it was dismissed"
	case r.State != forge.ReviewApproved:
		return name, "it does not approve"
	case c.excluded[p.Name] != "":
		return name, fmt.Sprintf("%s is %s", p.Name, c.excluded[p.Name])
	case c.changed.IsZero():
		return name, "nothing says when the head last changed"
	case !r.SubmittedAt.After(c.changed):
		return name, fmt.Sprintf("it was given before the last push at %s", stamp(c.changed))
	case !c.Evidence.BaseChange.IsZero() && !r.SubmittedAt.After(c.Evidence.BaseChange):
		return name, fmt.Sprintf("it was given before the base branch changed at %s", stamp(c.Evidence.BaseChange))
	case r.Commit != c.pull.HeadSHA:
		return name, fmt.Sprintf("it was given for %s, not for the final head %s", short(r.Commit), short(c.pull.HeadSHA))
	case c.valid > 0 && age > c.valid:
		return name, fmt.Sprintf("at the merge it was %s old; approvals are valid for %s", length(age.Truncate(time.Minute)), length(c.valid))
	}
	return name, ""
}

func verb(state string) string {
	switch state {
	case forge.ReviewApproved:
		return "approval"
	case forge.ReviewDismissed:
		return "dismissed review"
	case forge.ReviewChangesRequested:
		return "request for changes"
	}
	return fmt.Sprintf("review (%s)", state)
}
