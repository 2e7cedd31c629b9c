package github

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/internal/forge"
)

// maxDescription is how long GitHub lets the description of a status be, in
// characters.
const maxDescription = 140

// SetStatus implements forge.Desk. GitHub shows the last status of a context,
// whoever set it: one that somebody else set over ours is set right.
func (g *Client) SetStatus(ctx context.Context, commit string, s forge.Status) error {
	if !forge.IsObjectID(commit) {
		return fmt.Errorf("github: %q is not the id of a commit; give its 40 hexadecimal digits", commit)
	}
	switch s.State {
	case forge.StatusSuccess, forge.StatusPending, forge.StatusFailure, forge.StatusError:
	default:
		return fmt.Errorf("github: %q is not the state of a commit status", s.State)
	}
	me, err := g.whoami(ctx)
	if err != nil {
		return err
	}
	last, err := g.lastStatus(ctx, commit)
	if err != nil {
		return err
	}
	text := forge.OneLine(s.Description, maxDescription)
	if last.GetCreator().GetID() == me && last.GetState() == s.State && last.GetDescription() == text && last.GetTargetURL() == s.URL {
		return nil
	}
	status := &gh.RepoStatus{State: &s.State, Context: gh.String(forge.StatusContext), Description: &text}
	if s.URL != "" {
		status.TargetURL = &s.URL
	}
	_, _, err = g.api.Repositories.CreateStatus(ctx, g.owner, g.name, commit, status)
	return g.statusFailed(ctx, commit, err)
}

// lastStatus returns the status of our context that counts; nil: there is none.
// GitHub lists the newest first and does not tell contexts apart by case.
func (g *Client) lastStatus(ctx context.Context, commit string) (*gh.RepoStatus, error) {
	opts := &gh.ListOptions{PerPage: perPage}
	for {
		page, resp, err := g.api.Repositories.ListStatuses(ctx, g.owner, g.name, commit, opts)
		if err != nil {
			return nil, g.statusFailed(ctx, commit, err)
		}
		for _, s := range page {
			if strings.EqualFold(s.GetContext(), forge.StatusContext) {
				return s, nil
			}
		}
		if resp.NextPage == 0 {
			return nil, nil
		}
		opts.Page = resp.NextPage
	}
}

func (g *Client) statusFailed(ctx context.Context, commit string, err error) error {
	err = g.failed(ctx, "status of commit "+commit, err)
	if rejectedAs(err, http.StatusUnprocessableEntity, "no commit found") {
		return fmt.Errorf("%w: %w", forge.ErrNotFound, err)
	}
	return err
}
