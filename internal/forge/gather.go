package forge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// settle is how long after a merge the forge's record of the head branch may
// still be catching up. What is missing from it until then is asked for again.
const settle = 10 * time.Minute

// GatherInput names one introduction and the branch that it came to.
type GatherInput struct {
	Introduction Introduction
	RepositoryID int64 // pinned: a repository that was deleted and made again is another
	Branch       string
	Now          func() time.Time
}

// Gather asks the forge everything about one introduction.
//
// There are three outcomes. Evidence without a Problem is complete and may be
// judged. Evidence with a Problem is final, too: this introduction can never
// prove anything, and the sentence says why. An error means that the forge could
// not say yet; it wraps ErrUnavailable, and the same question may be asked again.
func Gather(ctx context.Context, r Reader, h History, in GatherInput) (Evidence, error) {
	g := gathering{
		r: r, h: h, in: in,
		ev: Evidence{Introduction: in.Introduction, RepositoryID: in.RepositoryID, Branch: in.Branch},
	}
	err := g.run(ctx)
	var p problem
	switch {
	case errors.As(err, &p):
		g.ev.Problem = string(p)
	case err != nil:
		if errors.Is(err, ErrNotFound) { // of something that the forge itself named a moment ago
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return Evidence{}, fmt.Errorf("evidence for %s at commit %s: %w", in.Introduction.Path, abbrev(in.Introduction.Commit), err)
	}
	g.ev.ReadAt = in.Now().UTC()
	return g.ev, nil
}

// problem is an answer that will not change.
type problem string

func (p problem) Error() string { return string(p) }

func final(format string, args ...any) error { return problem(fmt.Sprintf(format, args...)) }

func later(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnavailable, fmt.Sprintf(format, args...))
}

func abbrev(commit string) string { return commit[:min(len(commit), 12)] }

type gathering struct {
	r    Reader
	h    History
	in   GatherInput
	repo Repository
	ev   Evidence
}

func (g *gathering) run(ctx context.Context) (err error) {
	if g.repo, err = g.r.Repository(ctx); err != nil {
		return err
	}
	if g.repo.ID != g.in.RepositoryID {
		return later("the forge now has another repository at %s (id %d, was %d)", g.repo.Name, g.repo.ID, g.in.RepositoryID)
	}
	record, err := g.r.Pushes(ctx, g.repo.Name, g.in.Branch)
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			return later("the push record of branch %s cannot be read: %v", g.in.Branch, err)
		}
		return err
	}
	pull, err := g.pullOf(ctx, g.in.Introduction.Commit)
	if err != nil {
		return err
	}
	if pull == nil {
		return g.nobody(record)
	}
	// Known from here on, also when it turns out to prove nothing.
	g.ev.Pull = pull
	if g.ev.Before, err = g.before(ctx, *pull, record); err != nil {
		return err
	}
	return g.details(ctx, *pull)
}

// pullOf returns the one merged pull request that the forge says brought a
// commit to the branch; nil: the forge knows none.
func (g *gathering) pullOf(ctx context.Context, commit string) (*PullRequest, error) {
	all, err := g.r.PullsOf(ctx, commit)
	if err != nil && !errors.Is(err, ErrNotFound) { // the API can be behind Git
		return nil, err
	}
	var found []PullRequest
	for _, p := range all {
		same := func(o PullRequest) bool { return o.Number == p.Number }
		if !p.MergedAt.IsZero() && p.BaseRepoID == g.in.RepositoryID && p.BaseRef == g.in.Branch && !slices.ContainsFunc(found, same) {
			found = append(found, p)
		}
	}
	if len(found) > 1 {
		found = g.joined(commit, found)
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return &found[0], nil
	}
	numbers := make([]int, len(found))
	for i, p := range found {
		numbers[i] = p.Number
	}
	slices.Sort(numbers)
	return nil, final("ambiguous: the forge names pull requests %v for commit %s, and it cannot be told which one brought it", numbers, abbrev(commit))
}

// joined narrows the pull requests that the forge names for a merge commit to
// those whose head it joins. The others had a part of that head as their own, and
// count as merged because it became reachable. Without one there is no telling.
func (g *gathering) joined(commit string, pulls []PullRequest) []PullRequest {
	parents, err := g.h.Parents(commit)
	if err != nil || len(parents) != 2 {
		return pulls
	}
	var own []PullRequest
	for _, p := range pulls {
		if p.HeadSHA == parents[1] {
			own = append(own, p)
		}
	}
	if len(own) == 0 {
		return pulls
	}
	return own
}

// nobody answers for a commit without a pull request. The association can lag
// behind the merge, so it is the push record that makes the answer final.
func (g *gathering) nobody(record []Push) error {
	c := g.in.Introduction.Commit
	e, err := g.carrier(record, c)
	switch {
	case err != nil:
		return err
	case e == nil:
		return later("the push record of branch %s does not show commit %s yet", g.in.Branch, abbrev(c))
	case e.Kind == PushMerge || e.Kind == PushQueueMerge:
		return later("commit %s came by a merge, but the forge does not name its pull request yet", abbrev(c))
	}
	return final("no merged pull request brought commit %s to %s: it was pushed directly (%s by %s)", abbrev(c), g.in.Branch, e.Kind, e.Actor.Login)
}

// details reads what was said and done on the pull request.
func (g *gathering) details(ctx context.Context, pull PullRequest) (err error) {
	ev := &g.ev
	if ev.HeadBlob, err = g.r.BlobAt(ctx, pull.HeadSHA, g.in.Introduction.Path); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if ev.Reviews, err = g.r.Reviews(ctx, pull.Number); err != nil {
		return err
	}
	slices.SortStableFunc(ev.Reviews, func(a, b Review) int {
		return cmp.Or(a.SubmittedAt.Compare(b.SubmittedAt), cmp.Compare(a.ID, b.ID))
	})
	if ev.BaseChange, err = g.r.BaseChanged(ctx, pull.Number); err != nil {
		return err
	}
	if ev.HeadPushes, err = HeadPushes(ctx, g.r, pull); err != nil || ev.HeadPushes == nil {
		return err
	}
	arrived := slices.ContainsFunc(ev.HeadPushes, func(p Push) bool { return p.After == pull.HeadSHA })
	if !arrived && g.repo.Now.Sub(pull.MergedAt) < settle {
		return later("the push record of %s does not show the final head of pull request %d yet", pull.HeadRef, pull.Number)
	}
	return nil
}
