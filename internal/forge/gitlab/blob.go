package gitlab

import (
	"context"
	"errors"
	"fmt"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// ReadBlob implements forge.Desk. No more than limit bytes of the answer are kept.
func (g *Client) ReadBlob(ctx context.Context, blob string, limit int64) ([]byte, error) {
	if !forge.IsObjectID(blob) {
		return nil, fmt.Errorf("gitlab: %q is not the id of a blob; give its 40 hexadecimal digits", blob)
	}
	what := "blob " + blob
	content, _, err := g.api.Repositories.RawBlobContent(g.repo, blob, gl.WithContext(context.WithValue(ctx, answerLimit{}, max(limit, 0))))
	var large *tooLarge
	switch {
	case errors.As(err, &large):
		return nil, fmt.Errorf("gitlab: %s is larger than %d bytes: %w", what, limit, forge.ErrTooMany)
	case err != nil:
		return nil, g.failed(ctx, what, err)
	case forge.BlobID(content) != blob:
		return nil, fmt.Errorf("gitlab: %s: %w: the bytes in the answer are not those of this blob", what, forge.ErrUnavailable)
	}
	return content, nil
}
