package gitlab

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// ours reads a merge request and refuses any that this account did not open from
// one of its own branches.
func (g *Client) ours(ctx context.Context, number int) (*gl.MergeRequest, error) {
	me, err := g.whoami(ctx)
	if err != nil {
		return nil, err
	}
	m, err := g.pull(ctx, number)
	if err != nil {
		return nil, err
	}
	if !isOurs(&m.BasicMergeRequest, me) {
		return nil, fmt.Errorf("gitlab: merge request %d was not opened by this account: %w", number, forge.ErrChanged)
	}
	return m, nil
}

// Close implements forge.Reverter. Called again it neither closes nor comments
// twice. A branch that somebody else pushed to stays.
func (g *Client) Close(ctx context.Context, number int, comment string) error {
	m, err := g.ours(ctx, number)
	if err != nil {
		return err
	}
	if m.State == "opened" {
		event := "close"
		if _, _, err := g.api.MergeRequests.UpdateMergeRequest(g.repo, m.IID, &gl.UpdateMergeRequestOptions{StateEvent: &event}, gl.WithContext(ctx)); err != nil {
			return g.failed(ctx, fmt.Sprintf("close merge request %d", number), err)
		}
		if comment != "" {
			if err := g.comment(ctx, number, comment); err != nil {
				return err
			}
		}
	}
	return g.deleteBranch(ctx, m.SourceBranch)
}

func (g *Client) deleteBranch(ctx context.Context, branch string) error {
	head, err := g.head(ctx, branch)
	if errors.Is(err, forge.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := g.own(ctx, branch, head); err != nil {
		if errors.Is(err, forge.ErrChanged) {
			return nil
		}
		return err
	}
	_, err = g.api.Branches.DeleteBranch(g.repo, branch, gl.WithContext(ctx))
	err = g.failed(ctx, "delete branch "+branch, err)
	if errors.Is(err, forge.ErrNotFound) {
		return nil
	}
	return err
}

// Merge implements forge.Reverter. The head that is checked is the head that is
// merged: GitLab is given its hash. One that is merged already with that head is
// done.
func (g *Client) Merge(ctx context.Context, number int, sha string, paths []string) error {
	m, err := g.ours(ctx, number)
	if err != nil {
		return err
	}
	changed := func(format string, args ...any) error {
		return fmt.Errorf("gitlab: merge request %d %s: %w", number, fmt.Sprintf(format, args...), forge.ErrChanged)
	}
	if m.SHA != sha {
		return changed("has the head %s, not %s", m.SHA, sha)
	}
	switch m.State {
	case "merged":
		return g.deleteBranch(ctx, m.SourceBranch)
	case "opened":
	case "locked":
		return fmt.Errorf("gitlab: merge request %d: %w: it is being merged", number, forge.ErrUnavailable)
	default:
		return changed("is %s", m.State)
	}
	if err := g.own(ctx, m.SourceBranch, sha); err != nil {
		return err
	}
	p, err := g.complete(ctx, &m.BasicMergeRequest, forge.PullRequest{})
	if err != nil {
		return err
	}
	if p.Commits != 1 {
		return changed("has %d commits, not one", p.Commits)
	}
	now, files, err := g.diff(ctx, number)
	if err != nil {
		return err
	}
	if now.SHA != sha || !removesExactly(files, paths) {
		return changed("does not remove exactly the %d expired files", len(paths))
	}
	if err := g.press(ctx, number, sha); err != nil {
		return err
	}
	return g.deleteBranch(ctx, m.SourceBranch)
}

// press merges the way that the project is set to.
func (g *Client) press(ctx context.Context, number int, sha string) error {
	what := fmt.Sprintf("merge merge request %d", number)
	done, _, err := g.api.MergeRequests.AcceptMergeRequest(g.repo, int64(number), &gl.AcceptMergeRequestOptions{SHA: &sha}, gl.WithContext(ctx))
	if err == nil {
		if done.State != "merged" {
			return fmt.Errorf("gitlab: %s: %w: it was not merged", what, forge.ErrUnavailable)
		}
		return nil
	}
	err = g.failed(ctx, what, err)
	switch {
	case rejectedAs(err, http.StatusConflict, ""): // the head is another one
		return fmt.Errorf("%w: %w", forge.ErrChanged, err)
	case rejectedAs(err, http.StatusMethodNotAllowed, ""), rejectedAs(err, http.StatusUnprocessableEntity, ""):
		// Checks or approvals are missing, GitLab is still comparing, or it conflicts.
		return fmt.Errorf("%w: %w", forge.ErrUnavailable, err)
	}
	return err
}
