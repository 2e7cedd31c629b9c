package gitea

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/tenure-dev/tenure/internal/forge"
)

// ReadBlob implements forge.Desk.
func (g *Client) ReadBlob(ctx context.Context, blob string, limit int64) ([]byte, error) {
	if !forge.IsObjectID(blob) {
		return nil, fmt.Errorf("gitea: %q is not the id of a blob; give its 40 hexadecimal digits", blob)
	}
	b, resp, err := g.api(ctx).GetBlob(g.owner, g.name, blob)
	if err != nil {
		err = g.failed(ctx, "blob "+blob, resp, err)
		if rejectedAs(err, http.StatusBadRequest) { // it says so of an object that is not there
			err = fmt.Errorf("%w: %w", forge.ErrNotFound, err)
		}
		return nil, err
	}
	if b.Size > limit {
		return nil, fmt.Errorf("gitea: blob %s is larger than %d bytes: %w", blob, limit, forge.ErrTooMany)
	}
	content, err := base64.StdEncoding.DecodeString(b.Content)
	if err != nil || int64(len(content)) > limit || forge.BlobID(content) != blob {
		return nil, fmt.Errorf("gitea: blob %s: %w: the bytes in the answer are not those of this blob", blob, forge.ErrUnavailable)
	}
	return content, nil
}
