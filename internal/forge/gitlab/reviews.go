package gitlab

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// What GitLab notes when people approve, take that back or ask for changes.
const (
	noteApproved   = "approved this merge request"
	noteUnapproved = "unapproved this merge request"
	noteRequested  = "requested changes"
)

// Reviews implements forge.Reader.
//
// An approval is one that stands in GitLab's list of approvals, at the time that
// the list gives. The notes cannot prove one: they are written later than the
// approval, and may so be dated after a push that it never saw. They say who
// approved and no longer does, by own will or by a push, and who asked for changes.
//
// An approval has no number of its own: its ID is the account's, below zero. Its
// Commit is the head that the merge request had then.
func (g *Client) Reviews(ctx context.Context, number int) ([]forge.Review, error) {
	what := fmt.Sprintf("approvals of merge request %d", number)
	notes, err := g.notes(ctx, number)
	if err != nil {
		return nil, err
	}
	heads, err := g.heads(ctx, number)
	if err != nil {
		return nil, err
	}
	// Last, so that nothing that was taken back while the others were read stands.
	now, _, err := g.api.MergeRequestApprovals.GetConfiguration(g.repo, int64(number), gl.WithContext(ctx))
	if err != nil {
		return nil, g.failed(ctx, what, err)
	}
	var out []forge.Review
	standing := map[int64]bool{}
	for _, a := range now.ApprovedBy {
		if a.User == nil || a.User.ID == 0 {
			continue // deleted since
		}
		if a.ApprovedAt == nil {
			return nil, fmt.Errorf("gitlab: %s: %w: this GitLab does not say when they were given; update it", what, forge.ErrUnavailable)
		}
		who, err := g.identityOf(ctx, a.User)
		if err != nil {
			return nil, err
		}
		standing[a.User.ID] = true
		at := a.ApprovedAt.UTC()
		out = append(out, forge.Review{ID: -a.User.ID, Reviewer: who, State: forge.ReviewApproved, SubmittedAt: at, Commit: headAt(heads, at)})
	}
	noted, err := g.noted(ctx, notes, standing, heads)
	return append(out, noted...), err
}

// noted returns what the notes say against approvals. The approvals that stand are
// left out.
func (g *Client) noted(ctx context.Context, notes []*gl.Note, standing map[int64]bool, heads []head) ([]forge.Review, error) {
	var out []forge.Review
	for _, n := range notes {
		if !n.System {
			continue
		}
		state := ""
		switch strings.TrimSpace(n.Body) {
		case noteApproved:
			if !standing[n.Author.ID] {
				state = forge.ReviewDismissed
			}
		case noteUnapproved:
			state = forge.ReviewDismissed
		case noteRequested:
			state = forge.ReviewChangesRequested
		}
		if state == "" {
			continue
		}
		at, err := instant(n.CreatedAt)
		if err != nil {
			return nil, fmt.Errorf("gitlab: note %d: %w", n.ID, err)
		}
		who, err := g.identity(ctx, n.Author.ID, n.Author.Username, n.Author.State)
		if err != nil {
			return nil, err
		}
		out = append(out, forge.Review{ID: n.ID, Reviewer: who, State: state, SubmittedAt: at, Commit: headAt(heads, at)})
	}
	return out, nil
}

// head is what a merge request's head was from an instant on.
type head struct {
	from   time.Time
	commit string
}

// heads lists what the head of a merge request was, oldest first, from the versions
// that GitLab keeps. A version is a little younger than the push that made it.
func (g *Client) heads(ctx context.Context, number int) ([]head, error) {
	what := fmt.Sprintf("versions of merge request %d", number)
	list, err := all(ctx, g, what, func(v *gl.MergeRequestDiffVersion) int64 { return v.ID },
		func(o gl.ListOptions, with ...gl.RequestOptionFunc) ([]*gl.MergeRequestDiffVersion, *gl.Response, error) {
			return g.api.MergeRequests.GetMergeRequestDiffVersions(g.repo, int64(number), &gl.GetMergeRequestDiffVersionsOptions{ListOptions: o}, with...)
		})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b *gl.MergeRequestDiffVersion) int { return cmp.Compare(a.ID, b.ID) })
	var out []head
	for _, v := range list {
		at, err := instant(v.CreatedAt)
		if err != nil {
			return nil, fmt.Errorf("gitlab: %s: %w", what, err)
		}
		out = append(out, head{from: at, commit: v.HeadCommitSHA})
	}
	return out, nil
}

// headAt returns what the head was at an instant; empty: there was none yet.
func headAt(heads []head, at time.Time) string {
	commit := ""
	for _, h := range heads {
		if !h.from.After(at) {
			commit = h.commit
		}
	}
	return commit
}
