package gitlab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// pull reads one merge request.
func (g *Client) pull(ctx context.Context, number int) (*gl.MergeRequest, error) {
	if number <= 0 {
		return nil, fmt.Errorf("gitlab: %d is not the number of a merge request: %w", number, forge.ErrNotFound)
	}
	m, _, err := g.api.MergeRequests.GetMergeRequest(g.repo, int64(number), nil, gl.WithContext(ctx))
	if err != nil {
		return nil, g.failed(ctx, fmt.Sprintf("merge request %d", number), err)
	}
	if m.IID != int64(number) {
		return nil, fmt.Errorf("gitlab: merge request %d: %w: the answer is about another", number, forge.ErrUnavailable)
	}
	return m, nil
}

// convert turns what lists and single answers have in common into package forge's
// terms. Commits and all about the merge are complete's.
func (g *Client) convert(ctx context.Context, m *gl.BasicMergeRequest) (forge.PullRequest, error) {
	fail := func(err error) (forge.PullRequest, error) {
		return forge.PullRequest{}, fmt.Errorf("gitlab: merge request %d: %w", m.IID, err)
	}
	author, err := g.identityOf(ctx, m.Author)
	if err != nil {
		return fail(err)
	}
	created, err := instant(m.CreatedAt)
	if err != nil {
		return fail(err)
	}
	updated, err := instant(m.UpdatedAt)
	if err != nil {
		return fail(err)
	}
	p := forge.PullRequest{
		Number: int(m.IID), Title: m.Title, URL: m.WebURL, State: "closed", Author: author,
		BaseRepoID: m.TargetProjectID, BaseRef: m.TargetBranch,
		HeadRepoID: m.SourceProjectID, HeadRef: m.SourceBranch, HeadSHA: m.SHA,
		CreatedAt: created, UpdatedAt: updated,
	}
	if m.State == "opened" || m.State == "locked" { // locked: being merged this moment
		p.State = "open"
	}
	if p.HeadRepo, err = g.pathOf(ctx, m.SourceProjectID, m.TargetProjectID); err != nil {
		return fail(err)
	}
	return p, nil
}

// pathOf returns the path of the project that a merge request comes from; empty:
// it is gone or may not be seen.
func (g *Client) pathOf(ctx context.Context, source, target int64) (string, error) {
	switch source {
	case 0:
		return "", nil
	case target:
		return g.repo, nil
	}
	p, _, err := g.api.Projects.GetProject(source, nil, gl.WithContext(ctx))
	if err == nil {
		return p.PathWithNamespace, nil
	}
	err = g.failed(ctx, fmt.Sprintf("project %d", source), err)
	var rights *forbidden
	if errors.Is(err, forge.ErrNotFound) || errors.As(err, &rights) {
		return "", nil
	}
	return "", err
}

// complete adds the number of commits and, of a merged one, when and as what it
// was merged.
func (g *Client) complete(ctx context.Context, m *gl.BasicMergeRequest, p forge.PullRequest) (forge.PullRequest, error) {
	what := fmt.Sprintf("commits of merge request %d", m.IID)
	err := pages(ctx, g, what, func(o gl.ListOptions, with ...gl.RequestOptionFunc) ([]*gl.Commit, *gl.Response, error) {
		return g.api.MergeRequests.GetMergeRequestCommits(g.repo, m.IID, &gl.GetMergeRequestCommitsOptions{ListOptions: o}, with...)
	}, func(page []*gl.Commit) bool { p.Commits += len(page); return true })
	if err != nil || m.State != "merged" {
		return p, err
	}
	if p.MergedAt, err = instant(m.MergedAt); err != nil {
		return p, fmt.Errorf("gitlab: merge of merge request %d: %w", m.IID, err)
	}
	p.MergeCommit, err = g.mergeCommit(ctx, m)
	return p, err
}

// mergeCommit returns the commit that GitLab made to merge a merge request.
//
// Where it made none, the head is returned: package forge takes that for a merge
// that proves nothing. There are three such cases. The branch was moved forward to
// the head, as by any push. Somebody pushed a commit that has the head in it, and
// GitLab found that merged. Or the whole merge request was imported from elsewhere.
func (g *Client) mergeCommit(ctx context.Context, m *gl.BasicMergeRequest) (string, error) {
	own, err := g.mergedByGitLab(ctx, m)
	switch {
	case err != nil:
		return "", err
	case !own:
		return m.SHA, nil
	case m.MergeCommitSHA != "":
		return m.MergeCommitSHA, nil
	case m.SquashCommitSHA != "":
		return m.SquashCommitSHA, nil
	}
	return m.SHA, nil
}

// errUnrecorded says that nothing tells how a merge request was merged. The record
// can be a moment behind, and does not go back to GitLab's first versions.
var errUnrecorded = errors.New("its merge is not recorded yet")

// stateEvent is an entry of the record of a merge request's states. The client
// library leaves out what the state came from, and that it is there at all is told
// from its being null.
type stateEvent struct {
	ID           int64           `json:"id"`
	State        string          `json:"state"`
	SourceCommit json.RawMessage `json:"source_commit"`
	SourceMerge  json.RawMessage `json:"source_merge_request_id"`
}

// mergedByGitLab reports whether GitLab merged a merge request because it was asked
// to, and not because a push or another merge request brought its head along.
func (g *Client) mergedByGitLab(ctx context.Context, m *gl.BasicMergeRequest) (bool, error) {
	if m.Imported {
		return false, nil
	}
	g.merges.mu.Lock()
	own, ok := g.merges.own[m.IID]
	g.merges.mu.Unlock()
	if ok {
		return own, nil
	}
	what := fmt.Sprintf("states of merge request %d", m.IID)
	list, err := all(ctx, g, what, func(e stateEvent) int64 { return e.ID }, func(o gl.ListOptions, with ...gl.RequestOptionFunc) ([]stateEvent, *gl.Response, error) {
		return ask[stateEvent](g, fmt.Sprintf("merge_requests/%d/resource_state_events", m.IID), o, with)
	})
	if err != nil {
		return false, err
	}
	found := false
	for _, e := range list {
		if e.State != "merged" {
			continue
		}
		if len(e.SourceCommit) == 0 || len(e.SourceMerge) == 0 {
			return false, fmt.Errorf("gitlab: %s: %w: this GitLab does not say what a merge came from; update it", what, forge.ErrUnavailable)
		}
		found, own = true, string(e.SourceCommit) == "null" && string(e.SourceMerge) == "null"
	}
	if !found {
		return false, fmt.Errorf("gitlab: %s: %w: %w", what, forge.ErrUnavailable, errUnrecorded)
	}
	g.merges.mu.Lock()
	defer g.merges.mu.Unlock()
	g.merges.own[m.IID] = own
	return own, nil
}
