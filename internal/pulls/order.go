package pulls

import (
	"slices"

	"github.com/tenure-dev/tenure/internal/forge"
)

// batch is how many pull requests are looked at in one pass, so that every pass comes
// to say something and a backlog grows smaller.
const batch = 60

// inOrder sorts pull requests by who must not wait: those that may be emergencies
// come first. The authors take turns, each with the newest of theirs first, so that
// whoever floods the list holds up nobody but themselves.
func (p *pass) inOrder(due []*subject) {
	onCall := p.onCall()
	type key struct {
		late bool // it cannot be an emergency
		turn int  // of its author's
	}
	newest := func(a, b *subject) int {
		if c := b.pull.CreatedAt.Compare(a.pull.CreatedAt); c != 0 {
			return c
		}
		return b.pull.Number - a.pull.Number
	}
	slices.SortFunc(due, newest)
	turns := map[int64]int{}
	keys := make(map[*subject]key, len(due))
	for _, s := range due {
		by := s.pull.Author.ID
		keys[s] = key{late: !p.mayBreak(s.pull, onCall), turn: turns[by]}
		turns[by]++
	}
	slices.SortStableFunc(due, func(a, b *subject) int {
		x, y := keys[a], keys[b]
		switch {
		case x.late != y.late && y.late:
			return -1
		case x.late != y.late:
			return 1
		}
		return x.turn - y.turn
	})
}

// mayBreak reports whether a pull request may be an emergency, as far as the list of
// open ones tells.
func (p *pass) mayBreak(pull forge.PullRequest, onCall map[int64]bool) bool {
	return onCall[pull.Author.ID] && pull.HeadRepoID == p.present.Repo && p.find(pull.Number) == nil
}

// onCall returns the forge's numbers of everybody who may ask for some role in an
// emergency.
func (p *pass) onCall() map[int64]bool {
	out := map[int64]bool{}
	t := p.present.Trusted
	if t == nil {
		return out
	}
	for _, role := range t.Roles {
		if role.Emergency == nil {
			continue
		}
		for _, group := range role.Emergency.Requesters {
			for _, name := range t.MembersOf(group) {
				if person := t.People[name]; person != nil {
					out[person.Forge[p.cfg.ForgeType].ID] = true
				}
			}
		}
	}
	delete(out, 0)
	return out
}

// twins lists the other open pull requests with the same head. A commit has one
// status, which cannot say two things.
func (p *pass) twins(pull forge.PullRequest) []int {
	var out []int
	for _, o := range p.open {
		if o.Number != pull.Number && o.HeadSHA == pull.HeadSHA {
			out = append(out, o.Number)
		}
	}
	return out
}
