package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/internal/forge"
)

// Find implements forge.Reverter. What somebody else opened from a branch of that
// name is not ours and not returned.
func (g *Client) Find(ctx context.Context, key string) ([]forge.OpenedPull, error) {
	pulls, err := g.find(ctx, key)
	if err != nil {
		return nil, err
	}
	var out []forge.OpenedPull
	for _, p := range pulls {
		o, err := g.opened(ctx, p)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

func (g *Client) find(ctx context.Context, key string) ([]*gh.PullRequest, error) {
	branch, err := forge.RevertBranch(key)
	if err != nil {
		return nil, fmt.Errorf("github: %w", err)
	}
	me, err := g.whoami(ctx)
	if err != nil {
		return nil, err
	}
	opts := &gh.PullRequestListOptions{State: "all", Head: g.owner + ":" + branch, Sort: "created", Direction: "desc", ListOptions: gh.ListOptions{PerPage: perPage}}
	var out []*gh.PullRequest
	for {
		page, resp, err := g.api.PullRequests.List(ctx, g.owner, g.name, opts)
		if err != nil {
			return nil, g.failed(ctx, "pull requests from "+branch, err)
		}
		for _, p := range page {
			if p.GetUser().GetID() == me && p.GetHead().GetRef() == branch {
				out = append(out, p)
			}
		}
		if resp.NextPage == 0 {
			return out, nil
		}
		opts.Page = resp.NextPage
	}
}

func (g *Client) opened(ctx context.Context, p *gh.PullRequest) (forge.OpenedPull, error) {
	o := forge.OpenedPull{
		Number: p.GetNumber(), URL: p.GetHTMLURL(), Key: strings.TrimPrefix(p.GetHead().GetRef(), forge.RevertPrefix),
		HeadSHA: p.GetHead().GetSHA(), State: p.GetState(),
	}
	if p.MergedAt != nil || p.GetMerged() {
		o.State = "merged"
	}
	files, err := g.files(ctx, o.Number)
	for _, f := range files {
		if f.GetStatus() == "removed" {
			o.Paths = append(o.Paths, f.GetFilename())
		}
	}
	slices.Sort(o.Paths)
	return o, err
}

// files lists what a pull request changes.
func (g *Client) files(ctx context.Context, number int) ([]*gh.CommitFile, error) {
	opts := &gh.ListOptions{PerPage: perPage}
	var out []*gh.CommitFile
	for {
		page, resp, err := g.api.PullRequests.ListFiles(ctx, g.owner, g.name, number, opts)
		if err != nil {
			return nil, g.failed(ctx, fmt.Sprintf("files of pull request %d", number), err)
		}
		out = append(out, page...)
		if resp.NextPage == 0 {
			return out, nil
		}
		opts.Page = resp.NextPage
	}
}

// removesExactly reports whether a change removes these paths and does nothing else.
func removesExactly(files []*gh.CommitFile, paths []string) bool {
	want := slices.Compact(slices.Sorted(slices.Values(paths)))
	var got []string
	for _, f := range files {
		if f.GetStatus() != "removed" {
			return false
		}
		got = append(got, f.GetFilename())
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
		return none, fmt.Errorf("github: %w", err)
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
		return none, fmt.Errorf("github: pull request %s: %w", r.Key, forge.ErrNothingToDo)
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

func (g *Client) findOpen(ctx context.Context, key, base string) (*gh.PullRequest, error) {
	pulls, err := g.find(ctx, key)
	if err != nil {
		return nil, err
	}
	for _, p := range pulls {
		if p.GetState() == "open" && p.GetBase().GetRef() == base {
			return p, nil
		}
	}
	return nil, nil
}

// head returns the commit of a branch; ErrNotFound: there is no such branch.
func (g *Client) head(ctx context.Context, branch string) (string, error) {
	ref, _, err := g.api.Git.GetRef(ctx, g.owner, g.name, "refs/heads/"+branch)
	if err != nil {
		return "", g.failed(ctx, "branch "+branch, err)
	}
	return ref.GetObject().GetSHA(), nil
}

// prepare makes the branch hold one commit on top of the base that removes the
// paths. A branch that does so already is left alone.
func (g *Client) prepare(ctx context.Context, r forge.RevertRequest, branch, base string, paths []string, open *gh.PullRequest) error {
	head, err := g.head(ctx, branch)
	exists := err == nil
	if err != nil && !errors.Is(err, forge.ErrNotFound) {
		return err
	}
	if exists {
		if err := g.own(ctx, branch, head); err != nil {
			return err
		}
		if open != nil && open.GetHead().GetSHA() == head {
			files, err := g.files(ctx, open.GetNumber())
			if err != nil {
				return err
			}
			if removesExactly(files, paths) {
				return nil
			}
		}
	}
	commit, err := g.removal(ctx, r, base, paths)
	if err != nil {
		return err
	}
	ref := &gh.Reference{Ref: gh.String("refs/heads/" + branch), Object: &gh.GitObject{SHA: &commit}}
	if exists {
		_, _, err = g.api.Git.UpdateRef(ctx, g.owner, g.name, ref, true)
	} else {
		_, _, err = g.api.Git.CreateRef(ctx, g.owner, g.name, ref)
	}
	return g.failed(ctx, "branch "+branch, err)
}

// removal makes the commit. It names no author, so that GitHub signs what an App
// commits.
func (g *Client) removal(ctx context.Context, r forge.RevertRequest, base string, paths []string) (string, error) {
	parent, _, err := g.api.Git.GetCommit(ctx, g.owner, g.name, base)
	if err != nil {
		return "", g.failed(ctx, "commit "+base, err)
	}
	var entries []*gh.TreeEntry
	for _, p := range paths {
		entries = append(entries, &gh.TreeEntry{Path: gh.String(p), Mode: gh.String("100644"), Type: gh.String("blob")})
	}
	tree, _, err := g.api.Git.CreateTree(ctx, g.owner, g.name, parent.GetTree().GetSHA(), entries)
	if err != nil {
		return "", g.failed(ctx, "tree without the expired files", err)
	}
	c, _, err := g.api.Git.CreateCommit(ctx, g.owner, g.name, &gh.Commit{
		Message: gh.String(r.Title + "\n\nTenure-Revert: " + r.Key + "\n"),
		Tree:    tree,
		Parents: []*gh.Commit{{SHA: &base}},
	}, nil)
	if err != nil {
		return "", g.failed(ctx, "commit that removes the expired files", err)
	}
	return c.GetSHA(), nil
}

// own reports, as ErrChanged, that somebody else pushed to a branch of ours. The
// forge's record says who did: what a commit says of its author proves nothing.
func (g *Client) own(ctx context.Context, branch, head string) error {
	me, err := g.whoami(ctx)
	if err != nil {
		return err
	}
	record, err := g.Pushes(ctx, g.owner+"/"+g.name, branch)
	if err != nil {
		return err
	}
	if err := forge.SolePusher(record, me, head); err != nil {
		return fmt.Errorf("github: branch %s: %w", branch, err)
	}
	return nil
}

func (g *Client) create(ctx context.Context, r forge.RevertRequest, branch string) (*gh.PullRequest, error) {
	p, _, err := g.api.PullRequests.Create(ctx, g.owner, g.name, &gh.NewPullRequest{Title: &r.Title, Body: &r.Body, Head: &branch, Base: &r.Base})
	if err == nil {
		return p, nil
	}
	err = g.failed(ctx, "pull request from "+branch, err)
	switch {
	case rejectedAs(err, http.StatusUnprocessableEntity, "no commits between"):
		return nil, fmt.Errorf("github: pull request %s: %w", r.Key, forge.ErrNothingToDo)
	case rejectedAs(err, http.StatusUnprocessableEntity, "already exists"): // opened by a twin a moment ago
		open, again := g.findOpen(ctx, r.Key, r.Base)
		if again == nil && open != nil {
			return open, nil
		}
	}
	return nil, err
}

func (g *Client) edit(ctx context.Context, r forge.RevertRequest, p *gh.PullRequest) (*gh.PullRequest, error) {
	if p.GetTitle() == r.Title && p.GetBody() == r.Body {
		return g.pull(ctx, p.GetNumber()) // its head may be another one now
	}
	p, _, err := g.api.PullRequests.Edit(ctx, g.owner, g.name, p.GetNumber(), &gh.PullRequest{Title: &r.Title, Body: &r.Body})
	return p, g.failed(ctx, "pull request "+r.Key, err)
}
