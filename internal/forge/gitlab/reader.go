package gitlab

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// Repository implements forge.Reader. Now is from the Date header of the answer.
func (g *Client) Repository(ctx context.Context) (forge.Repository, error) {
	p, resp, err := g.readProject(ctx)
	if err != nil {
		return forge.Repository{}, err
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return forge.Repository{}, fmt.Errorf("gitlab: project %s: %w: its answer has no date", g.repo, forge.ErrUnavailable)
	}
	return forge.Repository{ID: p.ID, Name: p.PathWithNamespace, Host: g.host, Now: now.UTC()}, nil
}

func (g *Client) readProject(ctx context.Context) (*gl.Project, *gl.Response, error) {
	p, resp, err := g.api.Projects.GetProject(g.repo, nil, gl.WithContext(ctx))
	if err != nil {
		return nil, nil, g.failed(ctx, "project "+g.repo, err)
	}
	if p.ID == 0 || !strings.EqualFold(p.PathWithNamespace, g.repo) {
		return nil, nil, fmt.Errorf("gitlab: project %s: %w: its answer is about another project", g.repo, forge.ErrUnavailable)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.project, g.deflt = p.ID, p.DefaultBranch
	return p, resp, nil
}

// home returns the project's number and the branch that is watched.
func (g *Client) home(ctx context.Context) (project int64, branch string, err error) {
	g.mu.Lock()
	project, branch = g.project, g.deflt
	g.mu.Unlock()
	if project == 0 {
		p, _, err := g.readProject(ctx)
		if err != nil {
			return 0, "", err
		}
		project, branch = p.ID, p.DefaultBranch
	}
	if g.branch != "" {
		branch = g.branch
	}
	if branch == "" {
		return 0, "", fmt.Errorf("gitlab: project %s: %w: its answer names no default branch", g.repo, forge.ErrUnavailable)
	}
	return project, branch, nil
}

// PullsOf implements forge.Reader. What GitLab leaves out of lists is read for the
// merged ones only.
func (g *Client) PullsOf(ctx context.Context, commit string) ([]forge.PullRequest, error) {
	what := "merge requests of commit " + commit
	if !forge.IsObjectID(commit) {
		return nil, fmt.Errorf("gitlab: %s: it is not the id of a commit: %w", what, forge.ErrNotFound)
	}
	list, err := all(ctx, g, what, numberOf, func(o gl.ListOptions, with ...gl.RequestOptionFunc) ([]*gl.BasicMergeRequest, *gl.Response, error) {
		return ask[*gl.BasicMergeRequest](g, "repository/commits/"+commit+"/merge_requests", o, with)
	})
	if err != nil {
		return nil, err
	}
	var out []forge.PullRequest
	for _, m := range list {
		p, err := g.convert(ctx, m)
		if err == nil && m.State == "merged" {
			p, err = g.complete(ctx, m, p)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// BaseChanged implements forge.Reader. Every note of GitLab's own that speaks of
// the target branch counts, however it is worded in this version.
func (g *Client) BaseChanged(ctx context.Context, number int) (time.Time, error) {
	notes, err := g.notes(ctx, number)
	if err != nil {
		return time.Time{}, err
	}
	var last time.Time
	for _, n := range notes {
		if n.System && strings.Contains(n.Body, "target branch") {
			at, err := instant(n.CreatedAt)
			if err != nil {
				return time.Time{}, fmt.Errorf("gitlab: note %d of merge request %d: %w", n.ID, number, err)
			}
			if at.After(last) {
				last = at
			}
		}
	}
	return last, nil
}

// BlobAt implements forge.Reader. A directory or a submodule has no blob. The one
// of a symbolic link is where it points to: the local copy tells them apart.
func (g *Client) BlobAt(ctx context.Context, commit, path string) (string, error) {
	what := fmt.Sprintf("%s at commit %s", path, commit)
	for s := range strings.SplitSeq(path, "/") {
		if s == "" || s == "." || s == ".." {
			return "", fmt.Errorf("gitlab: %s: %w", what, forge.ErrNotFound)
		}
	}
	f, _, err := g.api.RepositoryFiles.GetFileMetaData(g.repo, path, &gl.GetFileMetaDataOptions{Ref: &commit}, gl.WithContext(ctx))
	if err != nil {
		return "", g.failed(ctx, what, err)
	}
	if !forge.IsObjectID(f.BlobID) {
		return "", fmt.Errorf("gitlab: %s: %w: its answer names no blob", what, forge.ErrUnavailable)
	}
	return f.BlobID, nil
}

// notes lists all that was written on a merge request, by people and by GitLab.
func (g *Client) notes(ctx context.Context, number int) ([]*gl.Note, error) {
	asc, order := "asc", "created_at"
	return all(ctx, g, fmt.Sprintf("notes of merge request %d", number), func(n *gl.Note) int64 { return n.ID },
		func(o gl.ListOptions, with ...gl.RequestOptionFunc) ([]*gl.Note, *gl.Response, error) {
			return g.api.Notes.ListMergeRequestNotes(g.repo, int64(number), &gl.ListMergeRequestNotesOptions{ListOptions: o, OrderBy: &order, Sort: &asc}, with...)
		})
}

func numberOf(m *gl.BasicMergeRequest) int64 { return m.ID }

// instant is a time that must be there.
func instant(t *time.Time) (time.Time, error) {
	if t == nil || t.IsZero() {
		return time.Time{}, fmt.Errorf("%w: the answer has no time", forge.ErrUnavailable)
	}
	return t.UTC(), nil
}
