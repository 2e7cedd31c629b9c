package gitlab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// PutComment implements forge.Desk. Our comments are known by their author and by
// a first line that is not shown. An earlier attempt whose answer was lost is
// found that way.
func (g *Client) PutComment(ctx context.Context, number int, key, body string) error {
	marker, err := forge.CommentMarker(key)
	if err != nil {
		return fmt.Errorf("gitlab: %w", err)
	}
	text := plain(marker + "\n" + body)
	ours, err := g.ourNotes(ctx, number, marker)
	if err != nil {
		return err
	}
	if len(ours) == 0 {
		return g.comment(ctx, number, text)
	}
	if keep := ours[0]; plain(keep.Body) != text {
		_, _, err := g.api.Notes.UpdateMergeRequestNote(g.repo, int64(number), keep.ID, &gl.UpdateMergeRequestNoteOptions{Body: &text}, gl.WithContext(ctx))
		if err != nil {
			return g.failed(ctx, fmt.Sprintf("change note %d of merge request %d", keep.ID, number), err)
		}
	}
	for _, n := range ours[1:] {
		_, err := g.api.Notes.DeleteMergeRequestNote(g.repo, int64(number), n.ID, gl.WithContext(ctx))
		err = g.failed(ctx, fmt.Sprintf("delete note %d of merge request %d", n.ID, number), err)
		if err != nil && !errors.Is(err, forge.ErrNotFound) {
			return err
		}
	}
	return nil
}

func (g *Client) comment(ctx context.Context, number int, text string) error {
	_, _, err := g.api.Notes.CreateMergeRequestNote(g.repo, int64(number), &gl.CreateMergeRequestNoteOptions{Body: &text}, gl.WithContext(ctx))
	return g.failed(ctx, fmt.Sprintf("note on merge request %d", number), err)
}

// ourNotes lists the notes that our own account wrote and that begin with the
// marker, oldest first. Anybody can write the marker.
func (g *Client) ourNotes(ctx context.Context, number int, marker string) ([]*gl.Note, error) {
	me, err := g.whoami(ctx)
	if err != nil {
		return nil, err
	}
	notes, err := g.notes(ctx, number)
	if err != nil {
		return nil, err
	}
	var out []*gl.Note
	for _, n := range notes {
		first, _, _ := strings.Cut(plain(n.Body), "\n")
		if !n.System && n.Author.ID == me && first == marker {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b *gl.Note) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// plain is a text without what a browser's form or GitLab may add to it: carriage
// returns, and white space at the end.
func plain(text string) string {
	return strings.TrimRight(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n"), " \t\r\n")
}
