package forge

import (
	"context"
	"errors"
	"time"
)

// Reader is what gathering evidence needs of a forge. Every list is complete
// (all pages) or an error.
type Reader interface {
	// Repository returns the access repository; its ID is pinned by the caller.
	Repository(ctx context.Context) (Repository, error)
	// PullsOf lists the pull requests that the forge associates with a commit.
	PullsOf(ctx context.Context, commit string) ([]PullRequest, error)
	// Reviews lists the reviews of a pull request.
	Reviews(ctx context.Context, number int) ([]Review, error)
	// Pushes lists the push record of a branch of a repository (owner/name),
	// oldest first; a record that is not available is ErrNotFound.
	Pushes(ctx context.Context, repo, branch string) ([]Push, error)
	// BaseChanged returns when the base branch of a pull request last changed;
	// zero: never.
	BaseChanged(ctx context.Context, number int) (time.Time, error)
	// BlobAt returns the blob id of a path at a commit; ErrNotFound: not there.
	BlobAt(ctx context.Context, commit, path string) (string, error)
}

// History is what gathering evidence needs of the branch's own history.
type History interface {
	// Parents returns the parents of a commit, first parent first.
	Parents(commit string) ([]string, error)
}

// RevertRequest is a pull request that the reconciler wants to exist. Key makes
// it idempotent: there is at most one open pull request for a key.
type RevertRequest struct {
	Key    string // becomes the branch name: tenure/revert/KEY
	Title  string
	Body   string            // Markdown, already escaped
	Base   string            // branch
	Remove map[string]string // path → the blob it must have to be removed
}

// OpenedPull is a pull request of the reconciler's own.
type OpenedPull struct {
	Number  int
	URL     string
	Key     string
	HeadSHA string
	State   string   // "open", "closed" or "merged"
	Paths   []string // removed by it
}

// Reverter opens and tends the reconciler's own pull requests.
type Reverter interface {
	// Find returns the pull requests for a key, newest first, whatever their state.
	Find(ctx context.Context, key string) ([]OpenedPull, error)
	// Open creates the branch with one commit of the bot that removes the files,
	// and the pull request. An open one for the key is updated instead.
	// A path that is gone or has other bytes is left out; nothing left: ErrNothingToDo.
	Open(ctx context.Context, r RevertRequest) (OpenedPull, error)
	// Close closes it with a comment and deletes its branch.
	Close(ctx context.Context, number int, comment string) error
	// Merge merges it when its head is still sha and its diff removes exactly
	// these paths and nothing else; otherwise ErrChanged.
	Merge(ctx context.Context, number int, sha string, paths []string) error
}

// ErrNothingToDo is returned by Open when no file is left to remove.
var ErrNothingToDo = errors.New("nothing left to remove")

// ErrChanged is returned by Merge when the pull request is not what was opened.
var ErrChanged = errors.New("pull request was changed by somebody else")
