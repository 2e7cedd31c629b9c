package gitlab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// settle is how old, by GitLab's clock, an entry of the watched branch must be
// before it is taken for a push. GitLab writes the entry of a merge before it
// writes down that the merge request is merged.
const settle = 5 * time.Minute

// kindUnrecorded marks an entry that GitLab did not record: something moved the
// branch, and it is not said who.
const kindUnrecorded = "unrecorded"

// zero stands for no commit.
const zero = "0000000000000000000000000000000000000000"

// Pushes implements forge.Reader from the events of the project. GitLab does not
// tell a forced push from another: both are PushPush.
//
// GitLab leaves pushes of more than a few branches at once out of the record, and
// those that are older than three years. Where an entry begins at a commit that no
// earlier entry brought, one by nobody is put before it.
//
// On the watched branch an entry is PushMerge when GitLab itself made its commit to
// merge a merge request. One that may still turn out to be a merge is left out.
func (g *Client) Pushes(ctx context.Context, repo, branch string) ([]forge.Push, error) {
	if !projectPath.MatchString(repo) {
		return nil, fmt.Errorf("gitlab: project %q: %w", repo, forge.ErrNotFound)
	}
	own := strings.EqualFold(repo, g.repo)
	list, now, err := g.events(ctx, repo)
	if err != nil {
		var rights *forbidden
		if !own && errors.As(err, &rights) {
			return nil, fmt.Errorf("gitlab: %s: its push record may not be read: %w", repo, forge.ErrNotFound)
		}
		return nil, err
	}
	list = slices.DeleteFunc(slices.Clone(list), func(e pushEvent) bool { return e.branch != branch })
	slices.Reverse(list)
	out, err := g.entries(ctx, list)
	if err != nil || !own {
		return out, err
	}
	_, watched, err := g.home(ctx)
	if err != nil || branch != watched {
		return out, err
	}
	return g.markMerges(ctx, out, branch, now)
}

// entries turns the events of one branch, oldest first, into package forge's terms.
func (g *Client) entries(ctx context.Context, list []pushEvent) ([]forge.Push, error) {
	brought := map[string]bool{} // so far in this life of the branch: what is pushed later, or was before, fills no gap
	out := make([]forge.Push, 0, len(list))
	for _, e := range list {
		who, err := g.identity(ctx, e.author.ID, e.author.Username, e.author.State)
		if err != nil {
			return nil, err
		}
		p := forge.Push{Actor: who, At: e.at, Ref: e.branch, Before: e.before, After: e.after, Kind: forge.PushPush}
		switch {
		case e.action == "removed" || e.after == "":
			p.Kind, p.After = forge.PushDelete, zero
		case e.action == "created" || e.before == "":
			p.Kind, p.Before = forge.PushCreate, zero
		}
		if e.before != "" && !brought[e.before] {
			out = append(out, forge.Push{Actor: forge.Identity{Host: g.host}, At: e.at, Ref: e.branch, After: e.before, Kind: kindUnrecorded})
		}
		if p.Kind != forge.PushPush {
			clear(brought)
		}
		brought[e.after] = true
		out = append(out, p)
	}
	return out, nil
}

// markMerges tells merges from pushes.
func (g *Client) markMerges(ctx context.Context, list []forge.Push, branch string, now time.Time) ([]forge.Push, error) {
	merges, err := g.mergesInto(ctx, branch) // read after the events: it is never behind them
	if err != nil {
		return nil, err
	}
	out := make([]forge.Push, 0, len(list))
	for _, p := range list {
		if p.Kind != forge.PushPush {
			out = append(out, p)
			continue
		}
		named := merges[p.After]
		made, err := g.anyMade(ctx, named, p.After)
		unsure := len(named) == 0 || errors.Is(err, errUnrecorded)
		switch {
		case err != nil && !unsure:
			return nil, err
		case made:
			p.Kind = forge.PushMerge
		case unsure && now.Sub(p.At) < settle:
			continue
		}
		out = append(out, p)
	}
	return out, nil
}

// anyMade reports whether GitLab made a commit to merge one of the merge requests.
func (g *Client) anyMade(ctx context.Context, named []*gl.BasicMergeRequest, commit string) (bool, error) {
	for _, m := range named {
		made, err := g.mergeCommit(ctx, m)
		if err != nil {
			return false, err
		}
		if made == commit && made != m.SHA {
			return true, nil
		}
	}
	return false, nil
}
