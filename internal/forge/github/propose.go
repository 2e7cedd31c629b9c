package github

import (
	"context"
	"net/http"

	gh "github.com/google/go-github/v60/github"
)

// Propose opens a pull request from a branch of the repository, or finds the open one
// that there is. The branch has to be there. It may be called again after a lost
// answer.
func (g *Client) Propose(ctx context.Context, branch, base, title, body string) (number int, url string, err error) {
	if p, err := g.proposed(ctx, branch, base); err != nil || p != nil {
		return p.GetNumber(), p.GetHTMLURL(), err
	}
	p, _, err := g.api.PullRequests.Create(ctx, g.owner, g.name, &gh.NewPullRequest{Title: &title, Body: &body, Head: &branch, Base: &base})
	if err == nil {
		return p.GetNumber(), p.GetHTMLURL(), nil
	}
	err = g.failed(ctx, "pull request from "+branch, err)
	if rejectedAs(err, http.StatusUnprocessableEntity, "already exists") { // opened a moment ago
		if p, again := g.proposed(ctx, branch, base); again == nil && p != nil {
			return p.GetNumber(), p.GetHTMLURL(), nil
		}
	}
	return 0, "", err
}

// proposed returns the open pull request from a branch of the repository itself; nil:
// there is none. There can be only one.
func (g *Client) proposed(ctx context.Context, branch, base string) (*gh.PullRequest, error) {
	opts := &gh.PullRequestListOptions{State: "open", Head: g.owner + ":" + branch, Base: base, ListOptions: gh.ListOptions{PerPage: perPage}}
	page, _, err := g.api.PullRequests.List(ctx, g.owner, g.name, opts)
	if err != nil {
		return nil, g.failed(ctx, "pull requests from "+branch, err)
	}
	for _, p := range page {
		if p.GetHead().GetRef() == branch && p.GetBase().GetRef() == base {
			return p, nil
		}
	}
	return nil, nil
}
