package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
)

// head is what the forge's push record says of the head of a pull request.
type head struct {
	led     bool             // to the final head
	reaches bool             // back to what the pull request was opened with
	created bool             // back to the creation of the branch that it was opened from
	changed time.Time        // last change
	pushers []forge.Identity // sorted
	unknown *forge.Push      // first by somebody unknown; nil: none
}

// readHead reads who put commits on the pull request's head and when that last
// changed. The order of the record does not matter; its instants do. Entries after
// until (zero: none are) belong to a later life of the branch.
//
// A deletion brings no commits: who tidies the branch up is not a pusher, and it
// is no change of the head.
func readHead(record []forge.Push, pull *forge.PullRequest, until time.Time) head {
	var h head
	began := time.Time{} // of this life of the branch: its last creation before the pull request
	for _, p := range record {
		if p.Kind == forge.PushCreate && !p.At.After(pull.CreatedAt) {
			h.created = true
			if p.At.After(began) {
				began = p.At
			}
		}
	}
	for _, p := range record {
		if p.Kind == forge.PushDelete || !until.IsZero() && p.At.After(until) {
			continue
		}
		h.led = h.led || p.After != "" && p.After == pull.HeadSHA
		h.reaches = h.reaches || !p.At.After(pull.CreatedAt)
		if p.At.After(h.changed) {
			h.changed = p.At
		}
		switch {
		case p.At.Before(began):
		case p.Actor.ID == 0:
			if h.unknown == nil || cmp.Or(p.At.Compare(h.unknown.At), cmp.Compare(p.After, h.unknown.After)) < 0 {
				h.unknown = &p
			}
		case !slices.ContainsFunc(h.pushers, p.Actor.Same):
			h.pushers = append(h.pushers, p.Actor)
		}
	}
	slices.SortFunc(h.pushers, func(a, b forge.Identity) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.ID, b.ID))
	})
	return h
}

// pushRecord finds out since when the head is what it is, and who made it.
func (c *judging) pushRecord() {
	h := readHead(c.Evidence.HeadPushes, c.pull, c.closed)
	c.changed, c.pushers = h.changed, h.pushers
	fail := c.fail
	if !c.settled() {
		fail = c.wait
	}
	switch {
	case !h.led:
		c.changed = time.Time{}
		fail("head", "no push record says when the head of pull request #%d last changed to %s, so no approval can be dated against it", c.pull.Number, short(c.pull.HeadSHA))
	case !h.reaches:
		fail("head", "the push record of pull request #%d starts after it was opened at %s, so it cannot be told who pushed what it was opened with", c.pull.Number, stamp(c.pull.CreatedAt))
	case h.unknown != nil:
		fail("head", "somebody unknown pushed %s to the head of pull request #%d at %s, so nobody can be told apart from them", short(h.unknown.After), c.pull.Number, stamp(h.unknown.At))
	default:
		c.pass("head", "the head last changed at %s, to %s; pushed by %s", stamp(c.changed), short(c.pull.HeadSHA), names(accounts(c.pushers)))
	}
}

func accounts(list []forge.Identity) []string {
	var out []string
	for _, id := range list {
		out = append(out, account(id))
	}
	return out
}
