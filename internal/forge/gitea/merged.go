package gitea

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/internal/forge"
)

// pushLead is how long before a merge its push may be in the activity. Gitea
// pushes first and marks the pull request as merged then, within a second or, on a
// busy machine, some.
const pushLead = time.Minute

// merge is what Gitea says of one merged pull request.
type merge struct {
	number int
	base   string
	commit string
	closed time.Time // by the merge
}

// byButton reports whether Gitea itself can have merged it, on the order of an
// account (by; 0: not known), when the branch moved (push). When somebody merges by
// hand and marks it, the same account must have done both at the same time; that
// the repository allows no such marks is looked at elsewhere.
func (m merge) byButton(push forge.Push, by int64) bool {
	return by > 0 && by == push.Actor.ID && m.base == push.Ref && !push.At.Before(m.closed.Add(-pushLead))
}

// mergedIndex keeps which pull requests Gitea says were merged, by number. A merged
// pull request stays merged, so that only those closed since are read again.
type mergedIndex struct {
	mu     sync.Mutex
	known  map[int]merge
	newest time.Time // when the last of them was closed
}

// merges returns all merged pull requests.
func (g *Client) merges(ctx context.Context) (map[int]merge, error) {
	g.merged.mu.Lock()
	defer g.merged.mu.Unlock()
	found, newest := map[int]merge{}, g.merged.newest
	query := url.Values{"state": {"closed"}, "sort": {"recentclose"}}
	err := pages(ctx, g, "closed pull requests", g.repoPath()+"/pulls", query, func(page []sdk.PullRequest) bool {
		for _, p := range page {
			closed := utc(p.Closed)
			if closed.After(newest) {
				newest = closed
			}
			if p.HasMerged && p.MergedCommitID != nil && p.Base != nil {
				n := int(p.Index)
				found[n] = merge{number: n, base: p.Base.Ref, commit: *p.MergedCommitID, closed: closed}
			}
			if closed.Before(g.merged.newest) { // and so is every later one
				return false
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	all := make(map[int]merge, len(found)+len(g.merged.known))
	for n, m := range g.merged.known {
		all[n] = m
	}
	for n, m := range found {
		all[n] = m
	}
	g.merged.known, g.merged.newest = all, newest
	return all, nil
}

// settled refuses a repository in which a merge need not be Gitea's own.
func (g *Client) settled(ctx context.Context) (branch string, err error) {
	r, _, err := g.settings(ctx)
	if err != nil {
		return "", err
	}
	if err := manual(r); err != nil {
		return "", err
	}
	if g.branch != "" {
		return g.branch, nil
	}
	if r.DefaultBranch == "" {
		return "", fmt.Errorf("gitea: repository %s: %w: its answer names no default branch", r.FullName, forge.ErrUnavailable)
	}
	return r.DefaultBranch, nil
}

func manual(r settings) error {
	if !r.ManualMerge && !r.AutodetectManual {
		return nil
	}
	return fmt.Errorf("gitea: repository %s: %w: it allows pull requests to be marked as merged by hand, so what it says of a merge proves nothing; switch allow_manual_merge and autodetect_manual_merge off", r.FullName, forge.ErrUnavailable)
}

// PullsOf implements forge.Reader for commits of the watched branch. Gitea itself
// names a pull request for the last commit of a rebase only; the others are found
// among the commits that its merge brought.
func (g *Client) PullsOf(ctx context.Context, commit string) ([]forge.PullRequest, error) {
	branch, err := g.settled(ctx)
	if err != nil {
		return nil, err
	}
	merges, err := g.merges(ctx)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for n, m := range merges {
		if m.commit == commit {
			numbers = append(numbers, n)
		}
	}
	if len(numbers) == 0 {
		if numbers, err = g.carried(ctx, branch, merges, commit); err != nil {
			return nil, err
		}
	}
	slices.Sort(numbers)
	var out []forge.PullRequest
	for _, n := range numbers {
		p, err := g.whole(ctx, n)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// carried returns the pull requests whose merges brought a commit to the branch
// that is not itself their merge commit.
func (g *Client) carried(ctx context.Context, branch string, merges map[int]merge, commit string) ([]int, error) {
	list, err := g.record(ctx, g.owner, g.name)
	if err != nil {
		return nil, err
	}
	byCommit := map[string][]int{}
	for n, m := range merges {
		byCommit[m.commit] = append(byCommit[m.commit], n)
	}
	for _, e := range slices.Backward(pushes(list)) {
		numbers := byCommit[e.After]
		if e.Ref != branch || len(numbers) == 0 || e.commits < 2 || e.Before == "" {
			continue
		}
		in := slices.Contains(e.listed, commit)
		if !in && e.commits > len(e.listed) {
			if in, err = g.between(ctx, e.Before, e.After, commit); err != nil {
				return nil, err
			}
		}
		if in {
			return numbers, nil
		}
	}
	return nil, nil
}

// between reports whether a commit is among those after one commit and up to
// another.
func (g *Client) between(ctx context.Context, before, after, commit string) (bool, error) {
	c, resp, err := g.api(ctx).CompareCommits(g.owner, g.name, before, after)
	if err != nil {
		return false, g.failed(ctx, "commits from "+before+" to "+after, resp, err)
	}
	if c.TotalCommits != len(c.Commits) {
		return false, fmt.Errorf("gitea: commits from %s to %s: %w: %s of them are left out", before, after, forge.ErrUnavailable, strconv.Itoa(c.TotalCommits-len(c.Commits)))
	}
	return slices.ContainsFunc(c.Commits, func(x *sdk.Commit) bool { return x.CommitMeta != nil && x.SHA == commit }), nil
}
