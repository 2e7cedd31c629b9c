package gitea

import (
	"context"
	"fmt"
	"net/url"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/internal/forge"
)

// maxDescription is how long a description is, in characters. Gitea takes more and
// shows no more.
const maxDescription = 140

// SetStatus implements forge.Desk. Gitea shows the last status of a context,
// whoever set it: one that somebody else set over ours is set right.
func (g *Client) SetStatus(ctx context.Context, commit string, s forge.Status) error {
	if !forge.IsObjectID(commit) {
		return fmt.Errorf("gitea: %q is not the id of a commit; give its 40 hexadecimal digits", commit)
	}
	switch s.State {
	case forge.StatusSuccess, forge.StatusPending, forge.StatusFailure, forge.StatusError:
	default:
		return fmt.Errorf("gitea: %q is not the state of a commit status", s.State)
	}
	me, err := g.whoami(ctx)
	if err != nil {
		return err
	}
	text := forge.OneLine(s.Description, maxDescription)
	last, err := g.lastStatus(ctx, commit)
	if err != nil {
		return err
	}
	if last != nil && last.Creator != nil && last.Creator.ID == me && string(last.State) == s.State && last.Description == text && last.TargetURL == s.URL {
		return nil
	}
	_, resp, err := g.api(ctx).CreateStatus(g.owner, g.name, commit, sdk.CreateStatusOption{
		State: sdk.StatusState(s.State), TargetURL: s.URL, Description: text, Context: forge.StatusContext,
	})
	return g.failed(ctx, "status of commit "+commit, resp, err)
}

// lastStatus returns the status of our context that counts; nil: there is none.
func (g *Client) lastStatus(ctx context.Context, commit string) (*sdk.Status, error) {
	var last *sdk.Status
	err := pages(ctx, g, "status of commit "+commit, g.repoPath()+"/commits/"+commit+"/statuses", url.Values{"sort": {"highestindex"}}, func(page []*sdk.Status) bool {
		for _, s := range page {
			if s.Context == forge.StatusContext && (last == nil || s.ID > last.ID) {
				last = s
			}
		}
		return true
	})
	return last, err
}
