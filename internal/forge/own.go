package forge

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/internal/webclient"
)

// RevertPrefix is where the branches of the reconciler's own pull requests live.
const RevertPrefix = "tenure/revert/"

var revertKey = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)

// RevertBranch is the branch of the pull request with a key. Nothing but a plain
// word may be a key, so that the branch is a valid ref.
func RevertBranch(key string) (string, error) {
	if !revertKey.MatchString(key) {
		return "", fmt.Errorf("%q cannot be the key of a pull request; letters, digits, - and _ are allowed", key)
	}
	return RevertPrefix + key, nil
}

var commentKey = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// CommentMarker is the first line of the comment with a key. Forges do not show it.
func CommentMarker(key string) (string, error) {
	if !commentKey.MatchString(key) {
		return "", fmt.Errorf("%q cannot be the key of a comment; up to 40 of a-z, 0-9 and - are allowed", key)
	}
	return "<!-- tenure:" + key + " -->", nil
}

var objectID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// IsObjectID reports whether a text is the full id of a Git object.
func IsObjectID(s string) bool { return objectID.MatchString(s) }

// BlobID is what Git calls these bytes.
func BlobID(content []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(content))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

// ServerURL reads the address of a forge: https, or http to this machine, and
// without credentials. Query and fragment are dropped.
func ServerURL(text string) (*url.URL, error) { return webclient.ParseBaseURL(text) }

// OneLine puts a text on one line of at most so many characters, in valid UTF-8.
func OneLine(text string, most int) string {
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) > most {
		r = append(r[:most-1], '…')
	}
	return string(r)
}

// StillThere returns the paths that have at a commit the bytes they must have, sorted.
func StillThere(ctx context.Context, r Reader, commit string, remove map[string]string) ([]string, error) {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(remove)) {
		blob, err := r.BlobAt(ctx, commit, path)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return nil, err
		case blob == remove[path]:
			out = append(out, path)
		}
	}
	return out, nil
}

// SolePusher reports, as ErrChanged, that somebody else than one account pushed to a
// branch since it was created, and as ErrUnavailable that its record does not show
// its head yet. What a commit says of its author proves nothing.
func SolePusher(record []Push, account int64, head string) error {
	if n := len(record); n == 0 || record[n-1].After != head {
		return fmt.Errorf("%w: its push record does not show its head yet", ErrUnavailable)
	}
	for _, p := range slices.Backward(record) {
		if p.Actor.ID != account {
			return fmt.Errorf("%w: %q pushed to it; it is left alone", ErrChanged, p.Actor.Login)
		}
		if p.Kind == PushCreate {
			break
		}
	}
	return nil
}
