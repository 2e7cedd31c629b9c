package github

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/internal/forge"
)

// maxFiles is how many files of a pull request GitHub lists; the others are left
// out without a word.
const maxFiles = 3000

// maxReadings bounds how often a list of several pages is read until it held still.
const maxReadings = 4

// OpenPulls implements forge.Desk. Commits is not in GitHub's lists and is zero;
// Pull has it. While nothing changes, a list of one page costs one conditional
// request.
func (g *Client) OpenPulls(ctx context.Context) ([]forge.PullRequest, error) {
	branch, err := g.watched(ctx)
	if err != nil {
		return nil, err
	}
	// A pull request that is closed between two pages moves another one out of
	// sight. So several pages are read until they say the same twice.
	var last []forge.PullRequest
	for n := range maxReadings {
		pulls, pages, err := g.openPulls(ctx, branch)
		if err != nil {
			return nil, err
		}
		if pages == 1 || n > 0 && slices.EqualFunc(pulls, last, func(a, b forge.PullRequest) bool { return a.Number == b.Number }) {
			return pulls, nil
		}
		last = pulls
	}
	return nil, fmt.Errorf("github: open pull requests into %s: %w: the list changes faster than it can be read", branch, forge.ErrUnavailable)
}

// openPulls reads the list once, by number, and says of how many pages it was. The
// newest come first, so that one more changes the first page.
func (g *Client) openPulls(ctx context.Context, branch string) (out []forge.PullRequest, pages int, err error) {
	opts := &gh.PullRequestListOptions{State: "open", Base: branch, Sort: "created", Direction: "desc", ListOptions: gh.ListOptions{PerPage: perPage}}
	for {
		page, resp, err := g.api.PullRequests.List(ctx, g.owner, g.name, opts)
		if err != nil {
			return nil, 0, g.failed(ctx, "open pull requests into "+branch, err)
		}
		pages++
		for _, p := range page {
			if p.GetState() == "open" && p.GetBase().GetRef() == branch {
				out = append(out, g.convert(p))
			}
		}
		if resp.NextPage == 0 {
			slices.SortFunc(out, func(a, b forge.PullRequest) int { return cmp.Compare(a.Number, b.Number) })
			return out, pages, nil
		}
		opts.Page = resp.NextPage
	}
}

// watched returns the branch of the configuration, or the default branch.
func (g *Client) watched(ctx context.Context) (string, error) {
	if g.branch != "" {
		return g.branch, nil
	}
	r, _, err := g.api.Repositories.Get(ctx, g.owner, g.name)
	if err != nil {
		return "", g.failed(ctx, "repository "+g.owner+"/"+g.name, err)
	}
	if r.GetDefaultBranch() == "" {
		return "", fmt.Errorf("github: repository %s: %w: its answer names no default branch", r.GetFullName(), forge.ErrUnavailable)
	}
	return r.GetDefaultBranch(), nil
}

// Pull implements forge.Desk.
func (g *Client) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	p, err := g.pull(ctx, number)
	if err != nil {
		return forge.PullRequest{}, err
	}
	return g.convert(p), nil
}

// Changed implements forge.Desk. The list belongs to one head and one base: a pull
// request that moves while its pages are read is ErrUnavailable.
func (g *Client) Changed(ctx context.Context, number int) ([]forge.FileChange, error) {
	before, err := g.pull(ctx, number)
	if err != nil {
		return nil, err
	}
	tooMany := fmt.Errorf("github: pull request %d changes %d files: %w", number, before.GetChangedFiles(), forge.ErrTooMany)
	if before.GetChangedFiles() > maxFiles {
		return nil, tooMany
	}
	files, err := g.files(ctx, number)
	if err != nil {
		return nil, err
	}
	after, err := g.pull(ctx, number)
	if err != nil {
		return nil, err
	}
	moved := before.GetHead().GetSHA() != after.GetHead().GetSHA() || before.GetBase().GetRef() != after.GetBase().GetRef() ||
		before.GetChangedFiles() != after.GetChangedFiles()
	switch n := after.GetChangedFiles(); {
	case moved || len(files) > n:
		return nil, fmt.Errorf("github: files of pull request %d: %w: it changed while they were read", number, forge.ErrUnavailable)
	case len(files) < n:
		return nil, tooMany
	}
	out := make([]forge.FileChange, 0, len(files))
	for _, f := range files {
		out = append(out, fileChange(f))
	}
	return out, nil
}

// fileChange drops the blob that GitHub names for a removed file: it is the one
// from before.
func fileChange(f *gh.CommitFile) forge.FileChange {
	c := forge.FileChange{Path: f.GetFilename(), OldPath: f.GetPreviousFilename(), Kind: forge.FileOther, Blob: f.GetSHA()}
	switch f.GetStatus() {
	case "added":
		c.Kind = forge.FileAdded
	case "modified":
		c.Kind = forge.FileModified
	case "renamed":
		c.Kind = forge.FileRenamed
	case "removed":
		c.Kind, c.Blob = forge.FileRemoved, ""
	}
	return c
}
