package gitlab

import (
	"context"
	"errors"
	"fmt"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// Check reports everything that stands in the way of the reconciler's work here:
// the project, the role, how it merges, the push record. It changes nothing.
func (g *Client) Check(ctx context.Context) []error {
	var found []error
	if _, err := g.whoami(ctx); err != nil {
		found = append(found, err)
	}
	p, _, err := g.readProject(ctx)
	if err != nil {
		if errors.Is(err, forge.ErrNotFound) {
			err = fmt.Errorf("%w; check its path, and that the token may see it", err)
		}
		return append(found, err)
	}
	if p.Archived {
		found = append(found, fmt.Errorf("gitlab: project %s is archived: merge requests cannot be opened", g.repo))
	}
	if p.MergeRequestsAccessLevel == gl.DisabledAccessControl {
		found = append(found, fmt.Errorf("gitlab: project %s has merge requests switched off", g.repo))
	}
	found = append(found, g.checkRole(p.Permissions)...)
	found = append(found, g.checkMerging(p)...)
	_, branch, err := g.home(ctx)
	if err == nil {
		_, err = g.head(ctx, branch)
	}
	if err != nil {
		found = append(found, err)
	}
	if _, err := g.Pushes(ctx, g.repo, branch); err != nil {
		found = append(found, fmt.Errorf("without the push record of the branch nothing can be proven: %w", err))
	}
	return found
}

func (g *Client) checkRole(p *gl.Permissions) []error {
	var level gl.AccessLevelValue
	if p != nil && p.ProjectAccess != nil {
		level = max(level, p.ProjectAccess.AccessLevel)
	}
	if p != nil && p.GroupAccess != nil {
		level = max(level, p.GroupAccess.AccessLevel)
	}
	if level < gl.DeveloperPermissions {
		return []error{fmt.Errorf("gitlab: the token's role in %s is below Developer: revert merge requests cannot be opened", g.repo)}
	}
	return nil
}

// checkMerging names the ways of merging that leave nothing that proves a merge. A
// merge request of one commit may be merged without squashing it even where that
// is required, so that moving the branch forward is never a proof.
func (g *Client) checkMerging(p *gl.Project) []error {
	switch {
	case p.MergeMethod == gl.FastForwardMerge:
		return []error{fmt.Errorf("gitlab: project %s merges by moving the branch forward, which is taken for a push: nothing is proven that is merged so; choose a merge commit", g.repo)}
	case p.SquashOption == gl.SquashOptionAlways || p.SquashOption == gl.SquashOptionDefaultOn:
		return []error{fmt.Errorf("gitlab: project %s squashes before it makes the merge commit, which then does not join the head that was reviewed: nothing is proven that is merged so; do not allow squashing", g.repo)}
	}
	return nil
}
