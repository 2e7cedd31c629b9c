package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/internal/forge"
)

// perPage is the most that GitHub gives at once.
const perPage = 100

// Repository implements forge.Reader. Now is from the Date header of the answer.
func (g *Client) Repository(ctx context.Context) (forge.Repository, error) {
	r, resp, err := g.api.Repositories.Get(ctx, g.owner, g.name)
	if err != nil {
		return forge.Repository{}, g.failed(ctx, "repository "+g.owner+"/"+g.name, err)
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return forge.Repository{}, fmt.Errorf("github: repository %s: %w: its answer has no date", r.GetFullName(), forge.ErrUnavailable)
	}
	if r.GetID() == 0 {
		return forge.Repository{}, fmt.Errorf("github: repository %s: %w: its answer has no id", g.name, forge.ErrUnavailable)
	}
	return forge.Repository{ID: r.GetID(), Name: r.GetFullName(), Host: g.host, Now: now.UTC()}, nil
}

// PullsOf implements forge.Reader. The details that GitHub leaves out of lists
// are read for the merged ones only.
func (g *Client) PullsOf(ctx context.Context, commit string) ([]forge.PullRequest, error) {
	what := "pull requests of commit " + commit
	opts := &gh.ListOptions{PerPage: perPage}
	var out []forge.PullRequest
	for {
		page, resp, err := g.api.PullRequests.ListPullRequestsWithCommit(ctx, g.owner, g.name, commit, opts)
		if err != nil {
			err = g.failed(ctx, what, err)
			if rejectedAs(err, http.StatusUnprocessableEntity, "no commit found") {
				return nil, fmt.Errorf("%w: %w", forge.ErrNotFound, err)
			}
			return nil, err
		}
		for _, p := range page {
			if p.MergedAt != nil {
				if p, err = g.pull(ctx, p.GetNumber()); err != nil {
					return nil, err
				}
			}
			out = append(out, g.convert(p))
		}
		if resp.NextPage == 0 {
			return out, nil
		}
		opts.Page = resp.NextPage
	}
}

func (g *Client) pull(ctx context.Context, number int) (*gh.PullRequest, error) {
	p, _, err := g.api.PullRequests.Get(ctx, g.owner, g.name, number)
	return p, g.failed(ctx, fmt.Sprintf("pull request %d", number), err)
}

func (g *Client) convert(p *gh.PullRequest) forge.PullRequest {
	out := forge.PullRequest{
		Number: p.GetNumber(), Title: p.GetTitle(), URL: p.GetHTMLURL(), State: p.GetState(), Author: g.identity(p.User),
		BaseRepoID: p.GetBase().GetRepo().GetID(), BaseRef: p.GetBase().GetRef(),
		HeadRepoID: p.GetHead().GetRepo().GetID(), HeadRepo: p.GetHead().GetRepo().GetFullName(), HeadRef: p.GetHead().GetRef(), HeadSHA: p.GetHead().GetSHA(),
		Commits: p.GetCommits(), CreatedAt: p.GetCreatedAt().UTC(), MergedAt: utc(p.MergedAt), UpdatedAt: utc(p.UpdatedAt),
	}
	if !out.MergedAt.IsZero() { // before, GitHub names the commit of a test merge here
		out.MergeCommit = p.GetMergeCommitSHA()
	}
	return out
}

// identity drops the number of the account that stands for all deleted ones.
func (g *Client) identity(u *gh.User) forge.Identity {
	i := forge.Identity{Host: g.host, ID: u.GetID(), Login: u.GetLogin(), Type: u.GetType()}
	if i.Login == "ghost" {
		i.ID = 0
	}
	return i
}

func utc(t *gh.Timestamp) time.Time {
	if t == nil || t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

// Reviews implements forge.Reader. Reviews that were begun and not submitted are
// left out.
func (g *Client) Reviews(ctx context.Context, number int) ([]forge.Review, error) {
	opts := &gh.ListOptions{PerPage: perPage}
	var out []forge.Review
	for {
		page, resp, err := g.api.PullRequests.ListReviews(ctx, g.owner, g.name, number, opts)
		if err != nil {
			return nil, g.failed(ctx, fmt.Sprintf("reviews of pull request %d", number), err)
		}
		for _, r := range page {
			state := strings.ToLower(r.GetState())
			if state == "pending" {
				continue
			}
			out = append(out, forge.Review{ID: r.GetID(), Reviewer: g.identity(r.User), State: state, SubmittedAt: utc(r.SubmittedAt), Commit: r.GetCommitID()})
		}
		if resp.NextPage == 0 {
			return out, nil
		}
		opts.Page = resp.NextPage
	}
}

// BaseChanged implements forge.Reader.
func (g *Client) BaseChanged(ctx context.Context, number int) (time.Time, error) {
	opts := &gh.ListOptions{PerPage: perPage}
	var last time.Time
	for {
		page, resp, err := g.api.Issues.ListIssueEvents(ctx, g.owner, g.name, number, opts)
		if err != nil {
			return time.Time{}, g.failed(ctx, fmt.Sprintf("events of pull request %d", number), err)
		}
		for _, e := range page {
			switch e.GetEvent() {
			case "base_ref_changed", "automatic_base_change_succeeded":
				if at := utc(e.CreatedAt); at.After(last) {
					last = at
				}
			}
		}
		if resp.NextPage == 0 {
			return last, nil
		}
		opts.Page = resp.NextPage
	}
}

// BlobAt implements forge.Reader. A directory, a symbolic link or a submodule has
// no blob.
func (g *Client) BlobAt(ctx context.Context, commit, path string) (string, error) {
	what := fmt.Sprintf("%s at commit %s", path, commit)
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if s == "" || s == "." || s == ".." {
			return "", fmt.Errorf("github: %s: %w", what, forge.ErrNotFound)
		}
		segments[i] = url.PathEscape(s)
	}
	u := fmt.Sprintf("repos/%s/%s/contents/%s?ref=%s", g.owner, g.name, strings.Join(segments, "/"), url.QueryEscape(commit))
	req, err := g.api.NewRequest(http.MethodGet, u, nil)
	if err != nil {
		return "", fmt.Errorf("github: %s: %w", what, err)
	}
	var raw json.RawMessage
	if _, err := g.api.Do(ctx, req, &raw); err != nil {
		return "", g.failed(ctx, what, err)
	}
	if len(raw) > 0 && raw[0] == '[' {
		return "", fmt.Errorf("github: %s is a directory: %w", what, forge.ErrNotFound)
	}
	var file struct {
		Type string `json:"type"`
		SHA  string `json:"sha"`
		Path string `json:"path"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return "", fmt.Errorf("github: %s: %w: its answer cannot be read", what, forge.ErrUnavailable)
	}
	if file.Type != "file" || file.SHA == "" || file.Path != path {
		return "", fmt.Errorf("github: %s is a %s: %w", what, file.Type, forge.ErrNotFound)
	}
	return file.SHA, nil
}

// whoami returns the numeric id of the account that asks.
func (g *Client) whoami(ctx context.Context) (int64, error) {
	g.mu.Lock()
	me := g.me
	g.mu.Unlock()
	if me != 0 {
		return me, nil
	}
	login := "" // the account of the token
	if g.way.IsApp() {
		app, _, err := g.way.AsApp.Apps.Get(ctx, "")
		if err != nil {
			return 0, g.failed(ctx, "the App itself", err)
		}
		login = app.GetSlug() + "[bot]"
	}
	u, _, err := g.api.Users.Get(ctx, login)
	if err != nil {
		return 0, g.failed(ctx, "the account of the credentials", err)
	}
	if u.GetID() == 0 {
		return 0, errors.New("github: the account of the credentials has no id")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.me = u.GetID()
	return g.me, nil
}
