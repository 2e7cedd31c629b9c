package forge

import (
	"context"
	"errors"
)

// Desk is what is asked of pull requests that are still open, and what is said on
// them. Every list is complete (all pages) or an error.
type Desk interface {
	// OpenPulls lists the open pull requests into the watched branch of the access
	// repository, by number. MergedAt and MergeCommit are empty.
	OpenPulls(ctx context.Context) ([]PullRequest, error)
	// Pull returns one pull request, whatever its state and its base.
	Pull(ctx context.Context, number int) (PullRequest, error)
	// Changed lists what a pull request changes against where it branched off. One
	// that changes more than the forge can list is ErrTooMany.
	Changed(ctx context.Context, number int) ([]FileChange, error)
	// ReadBlob returns the bytes of a blob of the access repository; more than max
	// bytes are ErrTooMany. The bytes are checked against the blob's own id.
	ReadBlob(ctx context.Context, blob string, max int64) ([]byte, error)
	// SetStatus sets the reconciler's commit status. Setting it again to the same
	// changes nothing that people see.
	SetStatus(ctx context.Context, commit string, s Status) error
	// PutComment makes the pull request have one comment of ours with this key, and
	// this body. Only a comment that our own account wrote is taken for ours; one
	// whose text somebody else changed is put right; of several of ours the oldest
	// is kept and the others are deleted.
	PutComment(ctx context.Context, number int, key, body string) error
}

// FileChange is one file that a pull request changes.
type FileChange struct {
	Path    string `json:"path"`
	OldPath string `json:"oldPath,omitempty"` // of a rename or copy
	Kind    string `json:"kind"`              // one of the File constants
	Blob    string `json:"blob,omitempty"`    // at the head; empty: the file is gone there
}

// The kinds of changes of a file. What a forge calls otherwise is FileOther.
const (
	FileAdded    = "added"
	FileModified = "modified"
	FileRemoved  = "removed"
	FileRenamed  = "renamed" // with or without changed bytes
	FileOther    = "other"
)

// StatusContext names the reconciler's commit status, so that it can be made a
// required check.
const StatusContext = "tenure"

// The states of a commit status.
const (
	StatusSuccess = "success"
	StatusPending = "pending"
	StatusFailure = "failure"
	StatusError   = "error"
)

// Status is what the reconciler says of a commit.
type Status struct {
	State       string // one of the Status constants
	Description string // one line; a driver cuts it to what its forge takes
	URL         string // where more is said; may be empty
}

// Client is everything that is asked of one forge.
type Client interface {
	Reader
	Reverter
	Desk
	// Host is the forge's name in identities, such as github.com.
	Host() string
	// Token returns a password for fetching the repository over HTTPS, which may
	// expire in an hour; empty: none is needed.
	Token(ctx context.Context) (string, error)
	// Check reports everything that stands in the way of the reconciler's work. It
	// changes nothing.
	Check(ctx context.Context) []error
}

// ErrTooMany is wrapped when something is larger than can be looked at whole.
var ErrTooMany = errors.New("more than can be read")
