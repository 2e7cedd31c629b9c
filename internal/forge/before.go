package forge

import (
	"context"
	"slices"
)

// maxWalk bounds how many commits one entry of the push record is followed back.
const maxWalk = 10_000

// before checks that the pull request was merged by the forge into the branch in
// a way that brought the commit, and returns the commit that the branch was at
// before the first commit of the pull request.
func (g *gathering) before(ctx context.Context, pull PullRequest, record []Push) (string, error) {
	c, m := g.in.Introduction.Commit, pull.MergeCommit
	switch m {
	case "":
		return "", later("the forge does not name the merge commit of pull request %d yet", pull.Number)
	case pull.HeadSHA:
		return "", final("pull request %d was merged indirectly: its head itself was pushed to %s", pull.Number, g.in.Branch)
	}
	parents, err := g.parents(m)
	if err != nil {
		return "", err
	}
	merge, err := g.mergeEntry(pull, record)
	if err != nil {
		return "", err
	}
	switch len(parents) {
	case 0:
		return "", final("commit %s of pull request %d has no parent", abbrev(m), pull.Number)
	case 1:
		return g.beforeRun(ctx, pull, merge)
	}
	switch {
	case c != m:
		return "", final("commit %s is not the merge commit %s of pull request %d", abbrev(c), abbrev(m), pull.Number)
	case len(parents) != 2 || parents[1] != pull.HeadSHA:
		return "", final("merge commit %s does not join the branch with the head %s of pull request %d alone", abbrev(m), abbrev(pull.HeadSHA), pull.Number)
	case merge.Kind == PushMerge && merge.Before != parents[0]:
		return "", final("merge commit %s is based on %s, but the branch was at %s", abbrev(m), abbrev(parents[0]), abbrev(merge.Before))
	}
	return parents[0], nil
}

// mergeEntry finds the entry of the branch's record that shows the forge itself
// merging the pull request.
func (g *gathering) mergeEntry(pull PullRequest, record []Push) (Push, error) {
	m := pull.MergeCommit
	for _, e := range slices.Backward(record) {
		if e.Kind == PushMerge && e.After == m {
			return e, nil
		}
	}
	e, err := g.carrier(record, m)
	switch {
	case err != nil:
		return Push{}, err
	case e == nil, e.Kind == PushMerge:
		return Push{}, later("the push record of branch %s does not show the merge of pull request %d yet", g.in.Branch, pull.Number)
	case e.Kind == PushQueueMerge:
		return *e, nil
	}
	return Push{}, final("pull request %d was merged indirectly: commit %s came to %s by a push (%s by %s), not by a merge", pull.Number, abbrev(m), g.in.Branch, e.Kind, e.Actor.Login)
}

// carrier returns the first entry of the record whose range, on first parents,
// includes a commit; a merge in preference to a push. nil: none does.
func (g *gathering) carrier(record []Push, commit string) (*Push, error) {
	var pushed *Push
	for i := range record {
		e := &record[i]
		switch e.Kind {
		case PushPush, PushForce, PushCreate, PushMerge, PushQueueMerge:
		default:
			continue
		}
		in, err := g.inRange(*e, commit)
		if err != nil {
			return nil, err
		}
		if !in {
			continue
		}
		if e.Kind == PushMerge || e.Kind == PushQueueMerge {
			return e, nil
		}
		if pushed == nil {
			pushed = e
		}
	}
	return pushed, nil
}

// inRange reports whether a commit lies after e.Before and up to e.After on the
// first-parent history of e.After.
func (g *gathering) inRange(e Push, commit string) (bool, error) {
	at := e.After
	for range maxWalk {
		if at == e.Before {
			return false, nil
		}
		if at == commit {
			return true, nil
		}
		parents, err := g.h.Parents(at)
		if err != nil {
			// Newer than the local copy, or rewritten since. Whatever it is,
			// the commit in question is in the copy and this one is not.
			return false, nil
		}
		if len(parents) == 0 {
			return false, nil
		}
		at = parents[0]
	}
	return false, nil
}

// beforeRun handles a squash or a rebase: a run of commits with one parent each
// that ends at the merge commit, all of them the pull request's.
func (g *gathering) beforeRun(ctx context.Context, pull PullRequest, merge Push) (string, error) {
	found := false
	at := pull.MergeCommit
	for n := 1; ; n++ {
		if at == g.in.Introduction.Commit {
			found = true
		}
		parents, err := g.parents(at)
		if err != nil {
			return "", err
		}
		// at is known to have one parent here: the loop ends at any other.
		prev := parents[0]
		more, err := g.goesOn(ctx, pull, merge, prev)
		if err != nil {
			return "", err
		}
		if !more {
			if !found {
				return "", final("commit %s is not among the commits that pull request %d brought", abbrev(g.in.Introduction.Commit), pull.Number)
			}
			return prev, nil
		}
		if n >= pull.Commits {
			return "", final("the merge of pull request %d moved %s by more commits than it has (%d)", pull.Number, g.in.Branch, pull.Commits)
		}
		at = prev
	}
}

// goesOn reports whether the run includes one commit more.
func (g *gathering) goesOn(ctx context.Context, pull PullRequest, merge Push, prev string) (bool, error) {
	if prev == merge.Before {
		return false, nil
	}
	parents, err := g.parents(prev)
	if err != nil {
		return false, err
	}
	owner, err := g.pullOf(ctx, prev)
	if err != nil {
		return false, err
	}
	if owner == nil {
		return false, later("the forge does not name the pull request of commit %s yet", abbrev(prev))
	}
	switch {
	case owner.Number == pull.Number && len(parents) == 1:
		return true, nil
	case owner.Number != pull.Number && merge.Kind == PushQueueMerge && owner.MergeCommit == prev:
		return false, nil // the pull request before it in the queue
	}
	return false, final("the merge of pull request %d also moved %s over commit %s, which is not its own", pull.Number, g.in.Branch, abbrev(prev))
}

func (g *gathering) parents(commit string) ([]string, error) {
	p, err := g.h.Parents(commit)
	if err != nil {
		return nil, later("commit %s is not in the local copy: %v", abbrev(commit), err)
	}
	return p, nil
}
