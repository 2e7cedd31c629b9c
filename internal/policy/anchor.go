package policy

import (
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

// Anchor is where the window of a request is counted from that has no startsAt, by
// the pull request that brought its first proven version: from the merge, and for an
// emergency from when the pull request was opened, so that no merge starts its window
// anew. Later versions of the file count from the same instant. Zero: not known.
func Anchor(r *schema.AccessRequest, pull *forge.PullRequest) time.Time {
	switch {
	case pull == nil:
		return time.Time{}
	case r != nil && r.Emergency:
		return pull.CreatedAt.UTC()
	}
	return pull.MergedAt.UTC()
}
