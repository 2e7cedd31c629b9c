package gitea

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	sdk "code.gitea.io/sdk/gitea"

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

// find lists them, newest first. Gitea cannot filter by branch, but by author.
func (g *Client) find(ctx context.Context, key string) ([]*sdk.PullRequest, error) {
	branch, err := forge.RevertBranch(key)
	if err != nil {
		return nil, fmt.Errorf("gitea: %w", err)
	}
	me, resp, err := g.api(ctx).GetMyUserInfo()
	if err != nil {
		return nil, g.failed(ctx, "the account of the token", resp, err)
	}
	query := url.Values{"state": {"all"}, "poster": {me.UserName}}
	all, err := all[*sdk.PullRequest](ctx, g, "pull requests of "+me.UserName, g.repoPath()+"/pulls", query)
	if err != nil {
		return nil, err
	}
	byNumber := map[int64]*sdk.PullRequest{}
	for _, p := range all {
		if p.Poster != nil && p.Poster.ID == me.ID && p.Base != nil && p.Head != nil && p.Head.Name == branch && p.Head.RepoID == p.Base.RepoID {
			byNumber[p.Index] = p
		}
	}
	var out []*sdk.PullRequest
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(byNumber))) {
		out = append(out, byNumber[n])
	}
	return out, nil
}

func (g *Client) opened(ctx context.Context, p *sdk.PullRequest) (forge.OpenedPull, error) {
	n := int(p.Index)
	o := forge.OpenedPull{Number: n, URL: p.HTMLURL, Key: strings.TrimPrefix(p.Head.Name, forge.RevertPrefix), State: string(p.State)}
	if p.HasMerged {
		o.State = "merged"
	}
	var err error
	if o.HeadSHA, err = g.ref(ctx, pullRef(n)); err != nil {
		return o, err
	}
	files, err := g.files(ctx, n)
	for _, f := range files {
		if f.Status == "deleted" {
			o.Paths = append(o.Paths, f.Filename)
		}
	}
	slices.Sort(o.Paths)
	return o, err
}

// files lists what a pull request changes, as of its head in Gitea's own ref.
func (g *Client) files(ctx context.Context, number int) ([]sdk.ChangedFile, error) {
	return all[sdk.ChangedFile](ctx, g, fmt.Sprintf("files of pull request %d", number), fmt.Sprintf("%s/pulls/%d/files", g.repoPath(), number), nil)
}

// removesExactly reports whether a change removes these paths and does nothing else.
func removesExactly(files []sdk.ChangedFile, paths []string) bool {
	want := slices.Compact(slices.Sorted(slices.Values(paths)))
	var got []string
	for _, f := range files {
		if f.Status != "deleted" {
			return false
		}
		got = append(got, f.Filename)
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
		return none, fmt.Errorf("gitea: %w", err)
	}
	base, err := g.ref(ctx, "heads/"+r.Base)
	if err != nil {
		return none, err
	}
	paths, err := forge.StillThere(ctx, g, base, r.Remove)
	if err != nil {
		return none, err
	}
	if len(paths) == 0 {
		return none, fmt.Errorf("gitea: pull request %s: %w", r.Key, forge.ErrNothingToDo)
	}
	open, err := g.findOpen(ctx, r.Key, r.Base)
	if err != nil {
		return none, err
	}
	head, err := g.prepare(ctx, r, branch, paths, open)
	if err != nil {
		return none, err
	}
	if open == nil {
		open, err = g.create(ctx, r, branch)
	} else if open.Title != r.Title || open.Body != r.Body {
		var resp *sdk.Response
		open, resp, err = g.api(ctx).EditPullRequest(g.owner, g.name, open.Index, sdk.EditPullRequestOption{Title: r.Title, Body: &r.Body})
		err = g.failed(ctx, "pull request "+r.Key, resp, err)
	}
	if err != nil {
		return none, err
	}
	o, err := g.opened(ctx, open)
	if err == nil && o.HeadSHA != head {
		// Gitea moves the ref of the pull request some time after the branch.
		o.HeadSHA, o.Paths = head, paths
	}
	return o, err
}

func (g *Client) findOpen(ctx context.Context, key, base string) (*sdk.PullRequest, error) {
	pulls, err := g.find(ctx, key)
	if err != nil {
		return nil, err
	}
	for _, p := range pulls {
		if p.State == sdk.StateOpen && p.Base.Ref == base {
			return p, nil
		}
	}
	return nil, nil
}

// prepare makes the branch hold one commit on top of the base that removes the
// paths, and returns its head. A branch that does so already is left alone.
func (g *Client) prepare(ctx context.Context, r forge.RevertRequest, branch string, paths []string, open *sdk.PullRequest) (string, error) {
	head, err := g.ref(ctx, "heads/"+branch)
	exists := err == nil
	if err != nil && !errors.Is(err, forge.ErrNotFound) {
		return "", err
	}
	if exists {
		if err := g.own(ctx, branch, head); err != nil {
			return "", err
		}
		if open != nil {
			done, err := g.removesAt(ctx, int(open.Index), head, paths)
			if err != nil || done {
				return head, err
			}
		}
	}
	opt := sdk.ChangeFilesOptions{Message: r.Title + "\n\nTenure-Revert: " + r.Key + "\n", Branch: r.Base, NewBranch: branch, ForcePush: exists}
	for _, p := range paths {
		opt.Files = append(opt.Files, &sdk.ChangeFileOperation{Operation: "delete", Path: p, SHA: r.Remove[p]})
	}
	done, resp, err := g.api(ctx).ChangeFiles(g.owner, g.name, opt)
	if err != nil {
		return "", g.failed(ctx, "branch "+branch, resp, err)
	}
	if done.Commit == nil || done.Commit.SHA == "" {
		return "", fmt.Errorf("gitea: branch %s: %w: its answer names no commit", branch, forge.ErrUnavailable)
	}
	return done.Commit.SHA, nil
}

// removesAt reports whether a pull request has this head and removes these paths.
func (g *Client) removesAt(ctx context.Context, number int, head string, paths []string) (bool, error) {
	at, err := g.ref(ctx, pullRef(number))
	if err != nil || at != head {
		return false, err
	}
	files, err := g.files(ctx, number)
	return err == nil && removesExactly(files, paths), err
}

// own reports, as ErrChanged, that somebody else pushed to a branch of ours. The
// forge's record says who did: what a commit says of its author proves nothing.
func (g *Client) own(ctx context.Context, branch, head string) error {
	me, err := g.whoami(ctx)
	if err != nil {
		return err
	}
	known, err := g.record(ctx, g.owner, g.name)
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(pushes(known), func(e entry) bool { return e.Ref != branch })
	record := make([]forge.Push, len(list))
	for i, e := range list {
		record[i] = e.Push
	}
	if err := forge.SolePusher(record, me, head); err != nil {
		return fmt.Errorf("gitea: branch %s: %w", branch, err)
	}
	return nil
}

func (g *Client) create(ctx context.Context, r forge.RevertRequest, branch string) (*sdk.PullRequest, error) {
	p, resp, err := g.api(ctx).CreatePullRequest(g.owner, g.name, sdk.CreatePullRequestOption{Title: r.Title, Body: r.Body, Head: branch, Base: r.Base})
	if err == nil {
		return p, nil
	}
	err = g.failed(ctx, "pull request from "+branch, resp, err)
	if rejectedAs(err, 409) { // opened by a twin a moment ago
		if open, again := g.findOpen(ctx, r.Key, r.Base); again == nil && open != nil {
			return open, nil
		}
	}
	return nil, err
}
