package gitlab

import (
	"context"
	"slices"
	"sync"
	"time"

	gl "gitlab.com/gitlab-org/api/client-go/v2"
)

// overlap is how far a list is read again into what is known, for entries that
// appear out of order.
const overlap = time.Hour

// mergeCache remembers what is known of merges, which never changes.
type mergeCache struct {
	mu       sync.Mutex
	own      map[int64]bool                     // by iid: GitLab itself merged it
	byCommit map[string][]*gl.BasicMergeRequest // the merge requests that name a commit as their merge
	branch   string                             // that byCommit is of
	newest   time.Time                          // last change that byCommit knows
}

// mergesInto returns the merged merge requests into a branch by the commit that
// they name as their merge. Only what changed since the last time is read.
func (g *Client) mergesInto(ctx context.Context, branch string) (map[string][]*gl.BasicMergeRequest, error) {
	c := &g.merges
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.branch != branch {
		c.branch, c.newest, c.byCommit = branch, time.Time{}, map[string][]*gl.BasicMergeRequest{}
	}
	state, order, desc := "merged", "updated_at", "desc" // what changes meanwhile comes twice, not never
	opts := gl.ListProjectMergeRequestsOptions{State: &state, TargetBranch: &branch, OrderBy: &order, Sort: &desc}
	if !c.newest.IsZero() {
		after := c.newest.Add(-overlap)
		opts.UpdatedAfter = &after
	}
	list, err := all(ctx, g, "merged merge requests into "+branch, numberOf, func(o gl.ListOptions, with ...gl.RequestOptionFunc) ([]*gl.BasicMergeRequest, *gl.Response, error) {
		page := opts
		page.ListOptions = o
		return g.api.MergeRequests.ListProjectMergeRequests(g.repo, &page, with...)
	})
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		if m.UpdatedAt != nil && m.UpdatedAt.After(c.newest) {
			c.newest = *m.UpdatedAt
		}
		for _, commit := range []string{m.MergeCommitSHA, m.SquashCommitSHA} {
			same := func(o *gl.BasicMergeRequest) bool { return o.IID == m.IID }
			if commit != "" && m.State == "merged" && !slices.ContainsFunc(c.byCommit[commit], same) {
				c.byCommit[commit] = append(c.byCommit[commit], slim(m))
			}
		}
	}
	out := make(map[string][]*gl.BasicMergeRequest, len(c.byCommit))
	for commit, ms := range c.byCommit {
		out[commit] = slices.Clone(ms)
	}
	return out, nil
}

// slim is what mergeCommit needs of a merge request, without its long texts.
func slim(m *gl.BasicMergeRequest) *gl.BasicMergeRequest {
	return &gl.BasicMergeRequest{IID: m.IID, SHA: m.SHA, MergeCommitSHA: m.MergeCommitSHA, SquashCommitSHA: m.SquashCommitSHA, Imported: m.Imported}
}
