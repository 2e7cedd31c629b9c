package gitea

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/internal/forge"
)

func (g *Client) get(ctx context.Context, number int) (*sdk.PullRequest, error) {
	what := fmt.Sprintf("pull request %d", number)
	if number <= 0 {
		return nil, fmt.Errorf("gitea: %s: %w", what, forge.ErrNotFound)
	}
	p, resp, err := g.api(ctx).GetPullRequest(g.owner, g.name, int64(number))
	if err != nil {
		return nil, g.failed(ctx, what, resp, err)
	}
	if p.Index != int64(number) || p.Base == nil || p.Head == nil {
		return nil, fmt.Errorf("gitea: %s: %w: its answer cannot be read", what, forge.ErrUnavailable)
	}
	return p, nil
}

// whole reads a pull request with its final head and the number of its commits.
func (g *Client) whole(ctx context.Context, number int) (forge.PullRequest, error) {
	p, err := g.get(ctx, number)
	if err != nil {
		return forge.PullRequest{}, err
	}
	out, err := g.convert(ctx, p)
	if err != nil {
		return forge.PullRequest{}, err
	}
	out.Commits, err = g.commits(ctx, number)
	return out, err
}

// commits counts the commits of a pull request.
func (g *Client) commits(ctx context.Context, number int) (int, error) {
	what := fmt.Sprintf("commits of pull request %d", number)
	var page []struct{}
	query := url.Values{"limit": {"1"}, "verification": {"false"}, "files": {"false"}}
	h, err := g.read(ctx, what, fmt.Sprintf("%s/pulls/%d/commits", g.repoPath(), number), query, &page)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(h.Get("X-Total-Count"))
	if err != nil {
		return 0, fmt.Errorf("gitea: %s: %w: its answer does not count them", what, forge.ErrUnavailable)
	}
	return n, nil
}

// convert reads the head from the ref that Gitea keeps for the pull request: what
// it says in the pull request itself is where the branch is now, which moves on
// after the merge.
func (g *Client) convert(ctx context.Context, p *sdk.PullRequest) (forge.PullRequest, error) {
	me, err := g.whoami(ctx)
	if err != nil {
		return forge.PullRequest{}, err
	}
	head, err := g.ref(ctx, pullRef(int(p.Index)))
	if err != nil {
		return forge.PullRequest{}, fmt.Errorf("%w: %w", forge.ErrUnavailable, err)
	}
	out := forge.PullRequest{
		Number: int(p.Index), Title: p.Title, URL: p.HTMLURL, State: string(p.State), Author: identity(g.host, p.Poster, me),
		BaseRepoID: p.Base.RepoID, BaseRef: p.Base.Ref, HeadRef: p.Head.Name, HeadSHA: head,
		CreatedAt: utc(p.Created), UpdatedAt: utc(p.Updated),
	}
	// A pull request that was pushed without a branch has no record of its head.
	if r := p.Head.Repository; r != nil && p.Head.Name != "" {
		out.HeadRepoID, out.HeadRepo = r.ID, r.FullName
	}
	if p.HasMerged {
		out.MergedAt, out.State = mergedAt(p), "closed"
		if p.MergedCommitID != nil {
			out.MergeCommit = *p.MergedCommitID
		}
	}
	return out, nil
}

// mergedAt is when a pull request was merged; zero: it is not. Gitea's merged_at
// moves on with every later change of the pull request. Merging closes it, and what
// is merged cannot be opened again, so that closed_at stays.
func mergedAt(p *sdk.PullRequest) time.Time {
	if !p.HasMerged {
		return time.Time{}
	}
	return utc(p.Closed)
}

func utc(t *time.Time) time.Time {
	if t == nil || t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
