package github

import (
	"context"
	"errors"
	"fmt"

	"github.com/tenure-dev/tenure/internal/forge"
)

// Check reports everything that stands in the way of the reconciler's work here:
// the repository, the permissions, the push record. It changes nothing.
func (g *Client) Check(ctx context.Context) []error {
	var found []error
	if _, err := g.whoami(ctx); err != nil {
		found = append(found, err)
	}
	repo, _, err := g.api.Repositories.Get(ctx, g.owner, g.name)
	if err != nil {
		err = g.failed(ctx, "repository "+g.owner+"/"+g.name, err)
		if errors.Is(err, forge.ErrNotFound) {
			err = fmt.Errorf("%w; check its name, and that the credentials may see it", err)
		}
		return append(found, err)
	}
	if repo.GetArchived() {
		found = append(found, fmt.Errorf("github: repository %s is archived: pull requests cannot be opened", repo.GetFullName()))
	}
	found = append(found, g.checkRights(repo.GetPermissions())...)
	branch := repo.GetDefaultBranch()
	if g.branch != "" && g.branch != branch {
		// Of other branches GitHub names no merged pull requests for a commit.
		found = append(found, fmt.Errorf("github: %s is watched, but the default branch of %s is %s: only there GitHub says which pull request brought a commit", g.branch, repo.GetFullName(), branch))
		branch = g.branch
	}
	if _, err := g.record(ctx, g.owner, g.name, branch); err != nil {
		found = append(found, fmt.Errorf("without the push record of the branch nothing can be proven: %w", err))
	}
	if _, _, err := g.api.PullRequests.List(ctx, g.owner, g.name, nil); err != nil {
		found = append(found, g.failed(ctx, "pull requests", err))
	}
	if _, _, err := g.api.Repositories.ListStatuses(ctx, g.owner, g.name, branch, nil); err != nil {
		found = append(found, g.failed(ctx, "commit statuses", err))
	}
	return found
}

func (g *Client) checkRights(have map[string]bool) (found []error) {
	if !g.way.IsApp() {
		if have != nil && !have["push"] {
			found = append(found, errors.New("github: the token may not write to the repository: revert pull requests cannot be opened"))
		}
		return found
	}
	p, err := g.way.App().Permissions()
	if err != nil {
		return []error{fmt.Errorf("github: permissions of the App: %w", err)}
	}
	// Of comments on pull requests, GitHub's list of permissions by endpoint says
	// that either issues or pull_requests is enough, to write, change and delete
	// them: docs.github.com/rest/authentication/permissions-required-for-github-apps,
	// under "Pull requests". So issues is not asked for.
	for _, need := range []struct{ name, have, want string }{
		{"metadata", p.GetMetadata(), "read"},
		{"contents", p.GetContents(), "write"},
		{"pull_requests", p.GetPullRequests(), "write"},
		{"statuses", p.GetStatuses(), "write"},
	} {
		if need.have != need.want && need.have != "write" {
			found = append(found, fmt.Errorf("github: the App has the permission %s: %q, and needs %q", need.name, need.have, need.want))
		}
	}
	return found
}
