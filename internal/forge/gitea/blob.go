package gitea

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"

	"github.com/tenure-dev/tenure/internal/forge"
)

var objectID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// ReadBlob implements forge.Desk.
func (g *Client) ReadBlob(ctx context.Context, blob string, limit int64) ([]byte, error) {
	if !objectID.MatchString(blob) {
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
	if err != nil || int64(len(content)) > limit || blobID(content) != blob {
		return nil, fmt.Errorf("gitea: blob %s: %w: the bytes in the answer are not those of this blob", blob, forge.ErrUnavailable)
	}
	return content, nil
}

// blobID is what Git calls these bytes.
func blobID(content []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(content))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}
