package gitea

import (
	"context"
	"errors"
	"fmt"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/internal/forge"
)

// Check reports everything that stands in the way of the reconciler's work here:
// the scopes of the token, the rights of its account, how the repository may be
// merged into. It changes nothing.
func (g *Client) Check(ctx context.Context) []error {
	var found []error
	scope := func(name, why string, err error) {
		if errors.Is(err, errForbidden) {
			err = fmt.Errorf("the token lacks the scope %s, which is needed for %s: %w", name, why, err)
		}
		if err != nil {
			found = append(found, err)
		}
	}
	_, err := g.whoami(ctx)
	scope("read:user", "knowing its own account", err)
	r, _, err := g.settings(ctx)
	if err != nil {
		if errors.Is(err, forge.ErrNotFound) {
			err = fmt.Errorf("%w; check its name, and that the account of the token may see it", err)
		}
		scope("read:repository", "everything", err)
		return found
	}
	if r.Archived {
		found = append(found, fmt.Errorf("gitea: repository %s is archived: pull requests cannot be opened", r.FullName))
	}
	if p := r.Permissions; p == nil || !p.Push {
		found = append(found, fmt.Errorf("gitea: the account of the token may not write to repository %s: revert pull requests cannot be opened", r.FullName))
	}
	if r.ObjectFormatName != "" && r.ObjectFormatName != "sha1" {
		found = append(found, fmt.Errorf("gitea: repository %s names its objects by %s; only sha1 can be read", r.FullName, r.ObjectFormatName))
	}
	if err := manual(r); err != nil {
		found = append(found, err)
	}
	if !r.AllowMerge && !r.AllowSquash && !r.AllowRebaseMerge {
		found = append(found, fmt.Errorf("gitea: repository %s allows neither merge commits nor squashing: a rebase of what is up to date and a fast-forward prove nothing", r.FullName))
	}
	if err == nil {
		branch := g.branch
		if branch == "" {
			branch = r.DefaultBranch
		}
		if _, err := g.ref(ctx, "heads/"+branch); err != nil {
			found = append(found, err)
		}
	}
	if _, err := g.record(ctx, g.owner, g.name); err != nil {
		found = append(found, fmt.Errorf("without the activity of the repository nothing can be proven: %w", err))
	}
	// Scopes to write are asked for with a change of what cannot be there: number 0.
	_, resp, err := g.api(ctx).EditPullRequest(g.owner, g.name, 0, sdk.EditPullRequestOption{Title: "none"})
	scope("write:repository", "revert pull requests", notThere(g.failed(ctx, "pull requests", resp, err)))
	_, resp, err = g.api(ctx).EditIssueComment(g.owner, g.name, 0, sdk.EditIssueCommentOption{Body: "none"})
	scope("write:issue", "timelines and comments", notThere(g.failed(ctx, "comments", resp, err)))
	return found
}

// notThere drops the error that says so.
func notThere(err error) error {
	if errors.Is(err, forge.ErrNotFound) {
		return nil
	}
	return err
}
