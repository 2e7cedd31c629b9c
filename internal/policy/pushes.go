package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
)

// pushRecord reads from the forge's push record who put commits on the pull
// request's head and when that last changed. The order of the record does not
// matter; its instants do. Entries after the merge belong to a later life of the
// branch.
//
// A deletion brings no commits: who tidies the branch up is not a pusher, and it
// is no change of the head.
func (c *judging) pushRecord() {
	merged := c.pull.MergedAt
	began := time.Time{} // of this life of the branch: its last creation before the pull request
	for _, p := range c.Evidence.HeadPushes {
		if p.Kind == forge.PushCreate && !p.At.After(c.pull.CreatedAt) && p.At.After(began) {
			began = p.At
		}
	}
	led := false     // to the final head
	reaches := false // back to what the pull request was opened with
	var unknown *forge.Push
	for _, p := range c.Evidence.HeadPushes {
		if p.Kind == forge.PushDelete || p.At.After(merged) {
			continue
		}
		if p.After != "" && p.After == c.pull.HeadSHA {
			led = true
		}
		if !p.At.After(c.pull.CreatedAt) {
			reaches = true
		}
		if p.At.After(c.changed) {
			c.changed = p.At
		}
		if p.At.Before(began) {
			continue
		}
		if p.Actor.ID == 0 {
			if unknown == nil || cmp.Or(p.At.Compare(unknown.At), cmp.Compare(p.After, unknown.After)) < 0 {
				unknown = &p
			}
			continue
		}
		if !slices.ContainsFunc(c.pushers, p.Actor.Same) {
			c.pushers = append(c.pushers, p.Actor)
		}
	}
	slices.SortFunc(c.pushers, func(a, b forge.Identity) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.ID, b.ID))
	})
	fail := c.fail
	if !c.settled() {
		fail = c.wait
	}
	switch {
	case !led:
		c.changed = time.Time{}
		fail("head", "no push record says when the head of pull request #%d last changed to %s, so no approval can be dated against it", c.pull.Number, short(c.pull.HeadSHA))
	case !reaches:
		fail("head", "the push record of pull request #%d starts after it was opened at %s, so it cannot be told who pushed what it was opened with", c.pull.Number, stamp(c.pull.CreatedAt))
	case unknown != nil:
		fail("head", "somebody unknown pushed %s to the head of pull request #%d at %s, so nobody can be told apart from them", short(unknown.After), c.pull.Number, stamp(unknown.At))
	default:
		var who []string
		for _, p := range c.pushers {
			who = append(who, account(p))
		}
		c.pass("head", "the head last changed at %s, to %s; pushed by %s", stamp(c.changed), short(c.pull.HeadSHA), names(who))
	}
}
