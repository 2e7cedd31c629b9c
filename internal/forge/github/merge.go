package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/internal/forge"
)

// ours reads a pull request and refuses any that this account did not open from
// one of its own branches.
func (g *Client) ours(ctx context.Context, number int) (*gh.PullRequest, error) {
	me, err := g.whoami(ctx)
	if err != nil {
		return nil, err
	}
	p, err := g.pull(ctx, number)
	if err != nil {
		return nil, err
	}
	self := p.GetHead().GetRepo().GetID() == p.GetBase().GetRepo().GetID()
	if p.GetUser().GetID() != me || !self || !strings.HasPrefix(p.GetHead().GetRef(), forge.RevertPrefix) {
		return nil, fmt.Errorf("github: pull request %d was not opened by this account: %w", number, forge.ErrChanged)
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
	if p.GetState() == "open" {
		if _, _, err := g.api.PullRequests.Edit(ctx, g.owner, g.name, number, &gh.PullRequest{State: gh.String("closed")}); err != nil {
			return g.failed(ctx, fmt.Sprintf("close pull request %d", number), err)
		}
		if comment != "" {
			if _, _, err := g.api.Issues.CreateComment(ctx, g.owner, g.name, number, &gh.IssueComment{Body: &comment}); err != nil {
				return g.failed(ctx, fmt.Sprintf("comment on pull request %d", number), err)
			}
		}
	}
	return g.deleteBranch(ctx, p.GetHead().GetRef())
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
	_, err = g.api.Git.DeleteRef(ctx, g.owner, g.name, "refs/heads/"+branch)
	err = g.failed(ctx, "delete branch "+branch, err)
	if errors.Is(err, forge.ErrNotFound) || rejectedAs(err, http.StatusUnprocessableEntity, "does not exist") {
		return nil
	}
	return err
}

// Merge implements forge.Reverter. The head that is checked is the head that is
// merged: GitHub is given its hash. One that is merged already with that head is
// done.
func (g *Client) Merge(ctx context.Context, number int, sha string, paths []string) error {
	p, err := g.ours(ctx, number)
	if err != nil {
		return err
	}
	changed := func(format string, args ...any) error {
		return fmt.Errorf("github: pull request %d %s: %w", number, fmt.Sprintf(format, args...), forge.ErrChanged)
	}
	if p.GetHead().GetSHA() != sha {
		return changed("has the head %s, not %s", p.GetHead().GetSHA(), sha)
	}
	if p.GetMerged() {
		return g.deleteBranch(ctx, p.GetHead().GetRef())
	}
	if p.GetState() != "open" {
		return changed("is %s", p.GetState())
	}
	if err := g.own(ctx, p.GetHead().GetRef(), sha); err != nil {
		return err
	}
	if p.GetCommits() != 1 {
		return changed("has %d commits, not one", p.GetCommits())
	}
	files, err := g.files(ctx, number)
	if err != nil {
		return err
	}
	if p.GetChangedFiles() != len(files) || !removesExactly(files, paths) {
		return changed("does not remove exactly the %d expired files", len(paths))
	}
	if err := g.press(ctx, number, sha); err != nil {
		return err
	}
	return g.deleteBranch(ctx, p.GetHead().GetRef())
}

// press merges by the first method that the repository allows.
func (g *Client) press(ctx context.Context, number int, sha string) error {
	what := fmt.Sprintf("merge pull request %d", number)
	var err error
	for _, method := range []string{"merge", "squash", "rebase"} {
		var done *gh.PullRequestMergeResult
		done, _, err = g.api.PullRequests.Merge(ctx, g.owner, g.name, number, "", &gh.PullRequestOptions{SHA: sha, MergeMethod: method})
		if err == nil && done.GetMerged() {
			return nil
		}
		if err == nil {
			return fmt.Errorf("github: %s: %w: it was not merged", what, forge.ErrUnavailable)
		}
		err = g.failed(ctx, what, err)
		if !rejectedAs(err, http.StatusMethodNotAllowed, "not allowed on this repository") {
			break
		}
	}
	switch {
	case rejectedAs(err, http.StatusConflict, ""):
		return fmt.Errorf("%w: %w", forge.ErrChanged, err)
	case rejectedAs(err, http.StatusMethodNotAllowed, ""): // checks or reviews are missing, or it conflicts
		return fmt.Errorf("%w: %w", forge.ErrUnavailable, err)
	}
	return err
}
