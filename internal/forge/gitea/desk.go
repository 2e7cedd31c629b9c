package gitea

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/internal/forge"
)

// maxFiles is how many changed files are looked at: the blob of each is a request
// of its own.
const maxFiles = 300

// OpenPulls implements forge.Desk. Commits is zero; Pull has it.
func (g *Client) OpenPulls(ctx context.Context) ([]forge.PullRequest, error) {
	branch := g.branch
	if branch == "" {
		r, _, err := g.settings(ctx)
		if err != nil {
			return nil, err
		}
		branch = r.DefaultBranch
	}
	// A pull request that is closed between two pages moves another one out of
	// sight. So several pages are read until they say the same twice.
	var last []int64
	for n := range maxReadings {
		pulls, pages, err := g.openPulls(ctx, branch)
		if err != nil {
			return nil, err
		}
		var numbers []int64
		for _, p := range pulls {
			numbers = append(numbers, p.Index)
		}
		if pages <= 1 || n > 0 && slices.Equal(numbers, last) {
			var out []forge.PullRequest
			for _, p := range pulls {
				q, err := g.convert(ctx, p)
				if err != nil {
					return nil, err
				}
				out = append(out, q)
			}
			return out, nil
		}
		last = numbers
	}
	return nil, fmt.Errorf("gitea: open pull requests into %s: %w: the list changes faster than it can be read", branch, forge.ErrUnavailable)
}

// openPulls reads the list once, by number.
func (g *Client) openPulls(ctx context.Context, branch string) (out []*sdk.PullRequest, n int, err error) {
	seen := map[int64]bool{}
	query := url.Values{"state": {"open"}, "base_branch": {branch}}
	err = pages(ctx, g, "open pull requests into "+branch, g.repoPath()+"/pulls", query, func(page []*sdk.PullRequest) bool {
		n++
		for _, p := range page {
			if p.State == sdk.StateOpen && p.Base != nil && p.Head != nil && p.Base.Ref == branch && !seen[p.Index] {
				seen[p.Index] = true
				out = append(out, p)
			}
		}
		return true
	})
	slices.SortFunc(out, func(a, b *sdk.PullRequest) int { return cmp.Compare(a.Index, b.Index) })
	return out, n, err
}

// Pull implements forge.Desk.
func (g *Client) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	return g.whole(ctx, number)
}

// Changed implements forge.Desk. The list belongs to one head: a pull request that
// moves while it is read is ErrUnavailable.
func (g *Client) Changed(ctx context.Context, number int) ([]forge.FileChange, error) {
	before, err := g.Pull(ctx, number)
	if err != nil {
		return nil, err
	}
	files, err := g.files(ctx, number)
	if err != nil {
		return nil, err
	}
	if len(files) > maxFiles {
		return nil, fmt.Errorf("gitea: pull request %d changes %d files: %w", number, len(files), forge.ErrTooMany)
	}
	out := make([]forge.FileChange, 0, len(files))
	for _, f := range files {
		c := forge.FileChange{Path: f.Filename, OldPath: f.PreviousFilename, Kind: kindOf(f.Status)}
		if c.Kind != forge.FileRemoved {
			c.Blob, err = g.BlobAt(ctx, before.HeadSHA, f.Filename)
			if errors.Is(err, forge.ErrNotFound) { // no regular file
				c.Kind, err = forge.FileOther, nil
			}
			if err != nil {
				return nil, err
			}
		}
		out = append(out, c)
	}
	after, err := g.Pull(ctx, number)
	if err != nil {
		return nil, err
	}
	if before.HeadSHA != after.HeadSHA || before.BaseRef != after.BaseRef {
		return nil, fmt.Errorf("gitea: files of pull request %d: %w: it changed while they were read", number, forge.ErrUnavailable)
	}
	return out, nil
}

func kindOf(status string) string {
	switch status {
	case "added":
		return forge.FileAdded
	case "changed":
		return forge.FileModified
	case "deleted":
		return forge.FileRemoved
	case "renamed":
		return forge.FileRenamed
	}
	return forge.FileOther
}
