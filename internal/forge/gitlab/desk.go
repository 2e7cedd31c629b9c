package gitlab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// maxFiles bounds how many files of a merge request are looked at: each costs a
// request, as GitLab's list does not name blobs.
const maxFiles = 300

// maxReadings bounds how often a list of several pages is read until it held still.
const maxReadings = 4

// OpenPulls implements forge.Desk. Commits is not in GitLab's lists and is zero;
// Pull has it.
func (g *Client) OpenPulls(ctx context.Context) ([]forge.PullRequest, error) {
	_, branch, err := g.home(ctx)
	if err != nil {
		return nil, err
	}
	// A merge request that is closed between two pages moves another one out of
	// sight. So several pages are read until they say the same twice.
	var last []*gl.BasicMergeRequest
	for n := range maxReadings {
		list, err := g.openPulls(ctx, branch)
		if err != nil {
			return nil, err
		}
		if len(list) < perPage || n > 0 && slices.EqualFunc(list, last, func(a, b *gl.BasicMergeRequest) bool { return a.IID == b.IID }) {
			return g.convertAll(ctx, list)
		}
		last = list
	}
	return nil, fmt.Errorf("gitlab: open merge requests into %s: %w: the list changes faster than it can be read", branch, forge.ErrUnavailable)
}

func (g *Client) openPulls(ctx context.Context, branch string) ([]*gl.BasicMergeRequest, error) {
	state, order, desc := "opened", "created_at", "desc"
	list, err := all(ctx, g, "open merge requests into "+branch, numberOf, func(o gl.ListOptions, with ...gl.RequestOptionFunc) ([]*gl.BasicMergeRequest, *gl.Response, error) {
		return g.api.MergeRequests.ListProjectMergeRequests(g.repo, &gl.ListProjectMergeRequestsOptions{
			ListOptions: o, State: &state, TargetBranch: &branch, OrderBy: &order, Sort: &desc,
		}, with...)
	})
	list = slices.DeleteFunc(list, func(m *gl.BasicMergeRequest) bool { return m.State != state || m.TargetBranch != branch })
	slices.SortFunc(list, func(a, b *gl.BasicMergeRequest) int { return cmp.Compare(a.IID, b.IID) })
	return list, err
}

func (g *Client) convertAll(ctx context.Context, list []*gl.BasicMergeRequest) ([]forge.PullRequest, error) {
	out := make([]forge.PullRequest, 0, len(list))
	for _, m := range list {
		p, err := g.convert(ctx, m)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// Pull implements forge.Desk.
func (g *Client) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	m, err := g.pull(ctx, number)
	if err != nil {
		return forge.PullRequest{}, err
	}
	p, err := g.convert(ctx, &m.BasicMergeRequest)
	if err != nil {
		return forge.PullRequest{}, err
	}
	p, err = g.complete(ctx, &m.BasicMergeRequest, p)
	if err != nil {
		return forge.PullRequest{}, err
	}
	return p, nil
}

// Changed implements forge.Desk. The list belongs to one head and one base: a merge
// request that moves while its pages are read is ErrUnavailable.
func (g *Client) Changed(ctx context.Context, number int) ([]forge.FileChange, error) {
	m, files, err := g.diff(ctx, number)
	if err != nil {
		return nil, err
	}
	if len(files) > maxFiles {
		return nil, fmt.Errorf("gitlab: merge request %d changes %d files: %w", number, len(files), forge.ErrTooMany)
	}
	out := make([]forge.FileChange, 0, len(files))
	for _, f := range files {
		c := fileChange(f)
		if c.Kind != forge.FileRemoved {
			if c.Blob, err = g.BlobAt(ctx, m.SHA, c.Path); err != nil && !(c.Kind == forge.FileOther && errors.Is(err, forge.ErrNotFound)) {
				return nil, err
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// diff reads which files a merge request changes, all of them, and the head that
// this is true of.
func (g *Client) diff(ctx context.Context, number int) (*gl.MergeRequest, []*gl.MergeRequestDiff, error) {
	before, err := g.pull(ctx, number)
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error, why string) (*gl.MergeRequest, []*gl.MergeRequestDiff, error) {
		return nil, nil, fmt.Errorf("gitlab: files of merge request %d: %w: %s", number, err, why)
	}
	if before.SHA == "" || before.DiffRefs.HeadSha != before.SHA {
		return fail(forge.ErrUnavailable, "GitLab has not compared its head yet")
	}
	count, err := strconv.Atoi(before.ChangesCount)
	switch {
	case before.ChangesCount == "": // no change at all is not counted
		count = 0
	case err != nil: // such as 1000+
		return fail(forge.ErrTooMany, "GitLab counts "+strconv.Quote(before.ChangesCount))
	}
	files, err := g.files(ctx, number)
	if err != nil {
		return nil, nil, err
	}
	after, err := g.pull(ctx, number)
	if err != nil {
		return nil, nil, err
	}
	if before.SHA != after.SHA || before.TargetBranch != after.TargetBranch || before.DiffRefs != after.DiffRefs || len(files) > count {
		return fail(forge.ErrUnavailable, "it changed while they were read")
	}
	if len(files) < count {
		return fail(forge.ErrTooMany, fmt.Sprintf("GitLab lists %d of %d", len(files), count))
	}
	return after, files, nil
}

func (g *Client) files(ctx context.Context, number int) ([]*gl.MergeRequestDiff, error) {
	var out []*gl.MergeRequestDiff
	err := pages(ctx, g, fmt.Sprintf("files of merge request %d", number), func(o gl.ListOptions, with ...gl.RequestOptionFunc) ([]*gl.MergeRequestDiff, *gl.Response, error) {
		return g.api.MergeRequests.ListMergeRequestDiffs(g.repo, int64(number), &gl.ListMergeRequestDiffsOptions{ListOptions: o}, with...)
	}, func(page []*gl.MergeRequestDiff) bool { out = append(out, page...); return true })
	return out, err
}

// fileChange leaves the blob to the caller. What is not a regular file, before or
// after, is FileOther.
func fileChange(f *gl.MergeRequestDiff) forge.FileChange {
	c := forge.FileChange{Path: f.NewPath, Kind: forge.FileOther}
	switch {
	case f.DeletedFile:
		c.Kind, c.Path = forge.FileRemoved, f.OldPath
	case !regular(f.BMode) || !f.NewFile && !regular(f.AMode):
	case f.NewFile:
		c.Kind = forge.FileAdded
	case f.RenamedFile || f.OldPath != f.NewPath:
		c.Kind, c.OldPath = forge.FileRenamed, f.OldPath
	default:
		c.Kind = forge.FileModified
	}
	return c
}

func regular(mode string) bool { return mode == "100644" || mode == "100755" }
