package github

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/internal/forge"
)

// PutComment implements forge.Desk. Our comments are known by their author and by
// a first line that is not shown. An earlier attempt whose answer was lost is
// found that way.
func (g *Client) PutComment(ctx context.Context, number int, key, body string) error {
	if number <= 0 { // GitHub would list the comments of all pull requests
		return fmt.Errorf("github: %d is not the number of a pull request", number)
	}
	marker, err := forge.CommentMarker(key)
	if err != nil {
		return fmt.Errorf("github: %w", err)
	}
	comments, err := g.ourComments(ctx, number, marker)
	if err != nil {
		return err
	}
	text := plain(marker + "\n" + body)
	if len(comments) == 0 {
		_, _, err := g.api.Issues.CreateComment(ctx, g.owner, g.name, number, &gh.IssueComment{Body: &text})
		return g.failed(ctx, fmt.Sprintf("comment on pull request %d", number), err)
	}
	if keep := comments[0]; plain(keep.GetBody()) != text {
		if _, _, err := g.api.Issues.EditComment(ctx, g.owner, g.name, keep.GetID(), &gh.IssueComment{Body: &text}); err != nil {
			return g.failed(ctx, fmt.Sprintf("change comment %d on pull request %d", keep.GetID(), number), err)
		}
	}
	for _, c := range comments[1:] {
		_, err := g.api.Issues.DeleteComment(ctx, g.owner, g.name, c.GetID())
		err = g.failed(ctx, fmt.Sprintf("delete comment %d on pull request %d", c.GetID(), number), err)
		if err != nil && !errors.Is(err, forge.ErrNotFound) {
			return err
		}
	}
	return nil
}

// ourComments lists the comments that our own account wrote and that begin with
// the marker, oldest first. Anybody can write the marker.
func (g *Client) ourComments(ctx context.Context, number int, marker string) ([]*gh.IssueComment, error) {
	me, err := g.whoami(ctx)
	if err != nil {
		return nil, err
	}
	opts := &gh.IssueListCommentsOptions{ListOptions: gh.ListOptions{PerPage: perPage}}
	var out []*gh.IssueComment
	for {
		page, resp, err := g.api.Issues.ListComments(ctx, g.owner, g.name, number, opts)
		if err != nil {
			return nil, g.failed(ctx, fmt.Sprintf("comments of pull request %d", number), err)
		}
		for _, c := range page {
			first, _, _ := strings.Cut(plain(c.GetBody()), "\n")
			if c.GetUser().GetID() == me && first == marker {
				out = append(out, c)
			}
		}
		if resp.NextPage == 0 {
			slices.SortFunc(out, func(a, b *gh.IssueComment) int { return cmp.Compare(a.GetID(), b.GetID()) })
			return out, nil
		}
		opts.Page = resp.NextPage
	}
}

// plain is a text without what a browser's form or GitHub may add to it: carriage
// returns, and white space at the end.
func plain(text string) string {
	return strings.TrimRight(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n"), " \t\r\n")
}
