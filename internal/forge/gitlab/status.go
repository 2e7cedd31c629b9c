package gitlab

import (
	"context"
	"fmt"
	"net/http"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// maxDescription is how long GitLab lets the description of a status be, in
// characters.
const maxDescription = 255

// SetStatus implements forge.Desk. GitLab knows no error: it becomes a failure.
func (g *Client) SetStatus(ctx context.Context, commit string, s forge.Status) error {
	if !forge.IsObjectID(commit) {
		return fmt.Errorf("gitlab: %q is not the id of a commit; give its 40 hexadecimal digits", commit)
	}
	var state gl.BuildStateValue
	switch s.State {
	case forge.StatusSuccess:
		state = gl.Success
	case forge.StatusPending:
		state = gl.Pending
	case forge.StatusFailure, forge.StatusError:
		state = gl.Failed
	default:
		return fmt.Errorf("gitlab: %q is not the state of a commit status", s.State)
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
	if last != nil && last.Author.ID == me && last.Status == string(state) && last.Description == text && last.TargetURL == s.URL {
		return nil
	}
	name := forge.StatusContext
	opts := &gl.SetCommitStatusOptions{State: state, Name: &name, Description: &text}
	if s.URL != "" {
		opts.TargetURL = &s.URL
	}
	_, _, err = g.api.Commits.SetCommitStatus(g.repo, commit, opts, gl.WithContext(ctx))
	err = g.failed(ctx, "status of commit "+commit, err)
	if last != nil && last.Status == string(state) && rejectedAs(err, http.StatusBadRequest, "cannot transition status") {
		return nil // GitLab refuses to set a pending status to pending, and has taken over the text by then
	}
	return err
}

// lastStatus returns our status of a commit; nil: there is none.
func (g *Client) lastStatus(ctx context.Context, commit string) (*gl.CommitStatus, error) {
	name := forge.StatusContext
	var last *gl.CommitStatus
	err := pages(ctx, g, "statuses of commit "+commit, func(o gl.ListOptions, with ...gl.RequestOptionFunc) ([]*gl.CommitStatus, *gl.Response, error) {
		return g.api.Commits.GetCommitStatuses(g.repo, commit, &gl.GetCommitStatusesOptions{ListOptions: o, Name: &name}, with...)
	}, func(page []*gl.CommitStatus) bool {
		for _, s := range page {
			if s.Name == name && (last == nil || s.ID > last.ID) {
				last = s
			}
		}
		return true
	})
	return last, err
}
