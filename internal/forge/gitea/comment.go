package gitea

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/internal/forge"
)

// PutComment implements forge.Desk. Our comments are known by their author and by
// a first line that is not shown. An earlier attempt whose answer was lost is
// found that way.
func (g *Client) PutComment(ctx context.Context, number int, key, body string) error {
	if number <= 0 {
		return fmt.Errorf("gitea: %d is not the number of a pull request", number)
	}
	marker, err := forge.CommentMarker(key)
	if err != nil {
		return fmt.Errorf("gitea: %w", err)
	}
	ours, err := g.ourComments(ctx, number, marker)
	if err != nil {
		return err
	}
	text := plain(marker + "\n" + body)
	if len(ours) == 0 {
		_, resp, err := g.api(ctx).CreateIssueComment(g.owner, g.name, int64(number), sdk.CreateIssueCommentOption{Body: text})
		return g.failed(ctx, fmt.Sprintf("comment on pull request %d", number), resp, err)
	}
	if keep := ours[0]; plain(keep.Body) != text {
		_, resp, err := g.api(ctx).EditIssueComment(g.owner, g.name, keep.ID, sdk.EditIssueCommentOption{Body: text})
		if err != nil {
			return g.failed(ctx, fmt.Sprintf("change comment %d on pull request %d", keep.ID, number), resp, err)
		}
	}
	for _, c := range ours[1:] {
		resp, err := g.api(ctx).DeleteIssueComment(g.owner, g.name, c.ID)
		err = g.failed(ctx, fmt.Sprintf("delete comment %d on pull request %d", c.ID, number), resp, err)
		if err != nil && !errors.Is(err, forge.ErrNotFound) {
			return err
		}
	}
	return nil
}

// ourComments lists the comments that our own account wrote and that begin with
// the marker, oldest first. Anybody can write the marker.
func (g *Client) ourComments(ctx context.Context, number int, marker string) ([]sdk.Comment, error) {
	me, err := g.whoami(ctx)
	if err != nil {
		return nil, err
	}
	list, err := all[sdk.Comment](ctx, g, fmt.Sprintf("comments of pull request %d", number), fmt.Sprintf("%s/issues/%d/comments", g.repoPath(), number), nil)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(c sdk.Comment) bool {
		first, _, _ := strings.Cut(plain(c.Body), "\n")
		return c.Poster == nil || c.Poster.ID != me || first != marker
	})
	slices.SortFunc(list, func(a, b sdk.Comment) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// plain is a text without what a browser's form or Gitea may add to it: carriage
// returns, and white space at the end.
func plain(text string) string {
	return strings.TrimRight(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n"), " \t\r\n")
}
