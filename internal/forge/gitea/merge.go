package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/internal/forge"
)

// ours reads a pull request and refuses any that this account did not open from
// one of its own branches.
func (g *Client) ours(ctx context.Context, number int) (*sdk.PullRequest, error) {
	me, err := g.whoami(ctx)
	if err != nil {
		return nil, err
	}
	p, err := g.get(ctx, number)
	if err != nil {
		return nil, err
	}
	if p.Poster == nil || p.Poster.ID != me || p.Head.RepoID != p.Base.RepoID || !strings.HasPrefix(p.Head.Name, forge.RevertPrefix) {
		return nil, fmt.Errorf("gitea: pull request %d was not opened by this account: %w", number, forge.ErrChanged)
	}
	return p, nil
}

// Close implements forge.Reverter. Called again it neither closes nor comments
// twice. A branch that somebody else pushed to stays.
func (g *Client) Close(ctx context.Context, number int, comment string) error {
	p, err := g.ours(ctx, number)
	if err != nil {
		return err
	}
	if p.State == sdk.StateOpen {
		closed := sdk.StateClosed
		_, resp, err := g.api(ctx).EditPullRequest(g.owner, g.name, p.Index, sdk.EditPullRequestOption{State: &closed})
		if err != nil {
			return g.failed(ctx, fmt.Sprintf("close pull request %d", number), resp, err)
		}
		if comment != "" {
			_, resp, err := g.api(ctx).CreateIssueComment(g.owner, g.name, p.Index, sdk.CreateIssueCommentOption{Body: comment})
			if err != nil {
				return g.failed(ctx, fmt.Sprintf("comment on pull request %d", number), resp, err)
			}
		}
	}
	return g.deleteBranch(ctx, p.Head.Name)
}

func (g *Client) deleteBranch(ctx context.Context, branch string) error {
	head, err := g.ref(ctx, "heads/"+branch)
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
	done, resp, err := g.api(ctx).DeleteRepoBranch(g.owner, g.name, branch)
	if err == nil && !done && resp.StatusCode != http.StatusNotFound {
		return g.refused("delete branch "+branch, resp.StatusCode, "")
	}
	return g.failed(ctx, "delete branch "+branch, resp, err)
}

// Merge implements forge.Reverter. The head that is checked is the head that is
// merged: Gitea is given its hash. One that is merged already with that head is
// done.
func (g *Client) Merge(ctx context.Context, number int, sha string, paths []string) error {
	p, err := g.ours(ctx, number)
	if err != nil {
		return err
	}
	changed := func(format string, args ...any) error {
		return fmt.Errorf("gitea: pull request %d %s: %w", number, fmt.Sprintf(format, args...), forge.ErrChanged)
	}
	at, err := g.ref(ctx, pullRef(number))
	switch {
	case err != nil:
		return err
	case p.HasMerged && at == sha:
		return g.deleteBranch(ctx, p.Head.Name)
	case p.HasMerged || p.State != sdk.StateOpen:
		return changed("is closed, or was merged with another head")
	}
	head, err := g.ref(ctx, "heads/"+p.Head.Name)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		return changed("has lost its branch")
	case err != nil:
		return err
	case head != sha:
		return changed("has the head %s, not %s", head, sha)
	case at != sha:
		return fmt.Errorf("gitea: pull request %d: %w: it does not show its last head yet", number, forge.ErrUnavailable)
	}
	if err := g.own(ctx, p.Head.Name, sha); err != nil {
		return err
	}
	n, err := g.commits(ctx, number)
	if err != nil {
		return err
	}
	if n != 1 {
		return changed("has %d commits, not one", n)
	}
	files, err := g.files(ctx, number)
	if err != nil {
		return err
	}
	if !removesExactly(files, paths) {
		return changed("does not remove exactly the %d expired files", len(paths))
	}
	if err := g.press(ctx, number, sha); err != nil {
		return err
	}
	return g.deleteBranch(ctx, p.Head.Name)
}

// press merges by the first method that the repository allows. A rebase is not
// among them: of one that is up to date nothing shows that it was a merge.
func (g *Client) press(ctx context.Context, number int, sha string) error {
	r, _, err := g.settings(ctx)
	if err != nil {
		return err
	}
	opt := sdk.MergePullRequestOption{HeadCommitId: sha, DeleteBranchAfterMerge: new(bool)}
	switch {
	case r.AllowMerge:
		opt.Style = sdk.MergeStyleMerge
	case r.AllowSquash:
		opt.Style = sdk.MergeStyleSquash
	case r.AllowRebaseMerge:
		opt.Style = sdk.MergeStyleRebaseMerge
	default:
		return fmt.Errorf("gitea: merge pull request %d: %w: repository %s allows neither merge commits nor squashing", number, forge.ErrUnavailable, r.FullName)
	}
	what := fmt.Sprintf("merge pull request %d", number)
	done, resp, err := g.api(ctx).MergePullRequest(g.owner, g.name, int64(number), opt)
	switch {
	case err != nil:
		return g.failed(ctx, what, resp, err)
	case done:
		return nil
	case resp.StatusCode == http.StatusConflict:
		return fmt.Errorf("gitea: %s: its head is another one now, or it conflicts: %w", what, forge.ErrChanged)
	case resp.StatusCode == http.StatusMethodNotAllowed: // checks or reviews are missing, or Gitea still looks for conflicts
		return fmt.Errorf("gitea: %s: %w: it cannot be merged yet", what, forge.ErrUnavailable)
	}
	return g.refused(what, resp.StatusCode, "")
}
