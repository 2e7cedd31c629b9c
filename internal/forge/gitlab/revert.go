package gitlab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// Find implements forge.Reverter. What somebody else opened from a branch of that
// name is not ours and not returned.
func (g *Client) Find(ctx context.Context, key string) ([]forge.OpenedPull, error) {
	list, err := g.find(ctx, key)
	if err != nil {
		return nil, err
	}
	var out []forge.OpenedPull
	for _, m := range list {
		o, err := g.opened(ctx, m)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

func (g *Client) find(ctx context.Context, key string) ([]*gl.BasicMergeRequest, error) {
	branch, err := forge.RevertBranch(key)
	if err != nil {
		return nil, fmt.Errorf("gitlab: %w", err)
	}
	me, err := g.whoami(ctx)
	if err != nil {
		return nil, err
	}
	state, order, desc := "all", "created_at", "desc"
	list, err := all(ctx, g, "merge requests from "+branch, numberOf, func(o gl.ListOptions, with ...gl.RequestOptionFunc) ([]*gl.BasicMergeRequest, *gl.Response, error) {
		return g.api.MergeRequests.ListProjectMergeRequests(g.repo, &gl.ListProjectMergeRequestsOptions{
			ListOptions: o, State: &state, SourceBranch: &branch, AuthorID: &me, OrderBy: &order, Sort: &desc,
		}, with...)
	})
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(m *gl.BasicMergeRequest) bool { return !isOurs(m, me) || m.SourceBranch != branch })
	slices.SortFunc(list, func(a, b *gl.BasicMergeRequest) int { return int(b.IID - a.IID) })
	return list, nil
}

// isOurs reports whether an account opened a merge request from one of our
// branches of the project itself.
func isOurs(m *gl.BasicMergeRequest, me int64) bool {
	return m.Author != nil && m.Author.ID == me && m.SourceProjectID == m.TargetProjectID && strings.HasPrefix(m.SourceBranch, forge.RevertPrefix)
}

func (g *Client) opened(ctx context.Context, m *gl.BasicMergeRequest) (forge.OpenedPull, error) {
	o := forge.OpenedPull{Number: int(m.IID), URL: m.WebURL, Key: strings.TrimPrefix(m.SourceBranch, forge.RevertPrefix), HeadSHA: m.SHA, State: m.State}
	if m.State == "opened" || m.State == "locked" {
		o.State = "open"
	}
	files, err := g.files(ctx, o.Number)
	for _, f := range files {
		if f.DeletedFile {
			o.Paths = append(o.Paths, f.OldPath)
		}
	}
	slices.Sort(o.Paths)
	return o, err
}

// removesExactly reports whether a change removes these paths and does nothing else.
func removesExactly(files []*gl.MergeRequestDiff, paths []string) bool {
	want := slices.Compact(slices.Sorted(slices.Values(paths)))
	var got []string
	for _, f := range files {
		if !f.DeletedFile {
			return false
		}
		got = append(got, f.OldPath)
	}
	slices.Sort(got)
	return len(got) > 0 && slices.Equal(got, want)
}

// Open implements forge.Reverter. Every step finds what an earlier attempt left:
// it may be called again after a lost answer.
func (g *Client) Open(ctx context.Context, r forge.RevertRequest) (forge.OpenedPull, error) {
	var none forge.OpenedPull
	branch, err := forge.RevertBranch(r.Key)
	if err != nil {
		return none, fmt.Errorf("gitlab: %w", err)
	}
	base, err := g.head(ctx, r.Base)
	if err != nil {
		return none, err
	}
	paths, err := forge.StillThere(ctx, g, base, r.Remove)
	if err != nil {
		return none, err
	}
	if len(paths) == 0 {
		return none, fmt.Errorf("gitlab: merge request %s: %w", r.Key, forge.ErrNothingToDo)
	}
	open, err := g.findOpen(ctx, r.Key, r.Base)
	if err != nil {
		return none, err
	}
	if err := g.prepare(ctx, r, branch, base, paths, open); err != nil {
		return none, err
	}
	if open == nil {
		open, err = g.create(ctx, r, branch)
	} else {
		open, err = g.edit(ctx, r, open)
	}
	if err != nil {
		return none, err
	}
	return g.opened(ctx, open)
}

func (g *Client) findOpen(ctx context.Context, key, base string) (*gl.BasicMergeRequest, error) {
	list, err := g.find(ctx, key)
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		if m.State == "opened" && m.TargetBranch == base {
			return m, nil
		}
	}
	return nil, nil
}

// head returns the commit of a branch; ErrNotFound: there is no such branch.
func (g *Client) head(ctx context.Context, branch string) (string, error) {
	b, _, err := g.api.Branches.GetBranch(g.repo, branch, gl.WithContext(ctx))
	if err != nil {
		return "", g.failed(ctx, "branch "+branch, err)
	}
	if b.Commit == nil || b.Name != branch || !forge.IsObjectID(b.Commit.ID) {
		return "", fmt.Errorf("gitlab: branch %s: %w: its answer is about another branch", branch, forge.ErrUnavailable)
	}
	return b.Commit.ID, nil
}

// prepare makes the branch hold one commit on top of the base that removes the
// paths. A branch that does so already is left alone.
func (g *Client) prepare(ctx context.Context, r forge.RevertRequest, branch, base string, paths []string, open *gl.BasicMergeRequest) error {
	head, err := g.head(ctx, branch)
	exists := err == nil
	if err != nil && !errors.Is(err, forge.ErrNotFound) {
		return err
	}
	if exists {
		if err := g.own(ctx, branch, head); err != nil {
			return err
		}
		if open != nil && open.SHA == head {
			files, err := g.files(ctx, int(open.IID))
			if err != nil {
				return err
			}
			if removesExactly(files, paths) {
				return nil
			}
		}
	}
	message := r.Title + "\n\nTenure-Revert: " + r.Key + "\n"
	opts := &gl.CreateCommitOptions{Branch: &branch, StartSHA: &base, CommitMessage: &message}
	if exists {
		force := true
		opts.Force = &force
	}
	for _, path := range paths {
		remove := gl.FileDelete
		opts.Actions = append(opts.Actions, &gl.CommitActionOptions{Action: &remove, FilePath: &path})
	}
	_, _, err = g.api.Commits.CreateCommit(g.repo, opts, gl.WithContext(ctx))
	return g.failed(ctx, "commit on "+branch+" that removes the expired files", err)
}

// own reports, as ErrChanged, that somebody else pushed to a branch of ours. The
// forge's record says who did: what a commit says of its author proves nothing.
func (g *Client) own(ctx context.Context, branch, head string) error {
	me, err := g.whoami(ctx)
	if err != nil {
		return err
	}
	record, err := g.Pushes(ctx, g.repo, branch)
	if err != nil {
		return err
	}
	if err := forge.SolePusher(record, me, head); err != nil {
		return fmt.Errorf("gitlab: branch %s: %w", branch, err)
	}
	return nil
}

func (g *Client) create(ctx context.Context, r forge.RevertRequest, branch string) (*gl.BasicMergeRequest, error) {
	m, _, err := g.api.MergeRequests.CreateMergeRequest(g.repo, &gl.CreateMergeRequestOptions{
		Title: &r.Title, Description: &r.Body, SourceBranch: &branch, TargetBranch: &r.Base,
	}, gl.WithContext(ctx))
	if err == nil {
		return &m.BasicMergeRequest, nil
	}
	err = g.failed(ctx, "merge request from "+branch, err)
	if rejectedAs(err, http.StatusConflict, "already exists") { // opened by a twin a moment ago
		open, again := g.findOpen(ctx, r.Key, r.Base)
		if again == nil && open != nil {
			return open, nil
		}
	}
	return nil, err
}

func (g *Client) edit(ctx context.Context, r forge.RevertRequest, m *gl.BasicMergeRequest) (*gl.BasicMergeRequest, error) {
	if m.Title == r.Title && m.Description == r.Body {
		now, err := g.pull(ctx, int(m.IID)) // its head may be another one now
		if err != nil {
			return nil, err
		}
		return &now.BasicMergeRequest, nil
	}
	now, _, err := g.api.MergeRequests.UpdateMergeRequest(g.repo, m.IID, &gl.UpdateMergeRequestOptions{Title: &r.Title, Description: &r.Body}, gl.WithContext(ctx))
	if err != nil {
		return nil, g.failed(ctx, "merge request "+r.Key, err)
	}
	return &now.BasicMergeRequest, nil
}
