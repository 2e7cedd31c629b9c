package github

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/githubapi"
)

// ReadBlob implements forge.Desk. No more of the answer is read than a blob of
// limit bytes can need.
func (g *Client) ReadBlob(ctx context.Context, blob string, limit int64) ([]byte, error) {
	if !forge.IsObjectID(blob) {
		return nil, fmt.Errorf("github: %q is not the id of a blob; give its 40 hexadecimal digits", blob)
	}
	tooMany := fmt.Errorf("github: blob %s is larger than %d bytes: %w", blob, limit, forge.ErrTooMany)
	b, _, err := g.api.Git.GetBlob(githubapi.LimitAnswer(ctx, blobAnswer(limit)), g.owner, g.name, blob)
	var large *githubapi.TooLarge
	switch {
	case errors.As(err, &large):
		return nil, tooMany
	case err != nil:
		return nil, g.failed(ctx, "blob "+blob, err)
	case int64(b.GetSize()) > limit:
		return nil, tooMany
	}
	broken := func(why string) error {
		return fmt.Errorf("github: blob %s: %w: %s", blob, forge.ErrUnavailable, why)
	}
	if e := b.GetEncoding(); e != "base64" {
		return nil, broken(fmt.Sprintf("its encoding is %q, not base64", e))
	}
	content, err := base64.StdEncoding.DecodeString(b.GetContent()) // passes over line ends
	switch {
	case err != nil:
		return nil, broken("its answer is not base64")
	case int64(len(content)) > limit:
		return nil, tooMany
	case forge.BlobID(content) != blob:
		return nil, broken("the bytes in the answer are not those of this blob")
	}
	return content, nil
}

// blobAnswer is how large the answer with a blob of n bytes can be: base64 in
// lines of 60, whose ends JSON spells with two characters, and the other fields.
func blobAnswer(n int64) int64 {
	n = min(max(n, 0), githubapi.MaxAnswer)
	encoded := (n + 2) / 3 * 4
	return encoded + (encoded/60+1)*2 + 8<<10
}
