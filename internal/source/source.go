// Package source keeps a bare copy of the access repository and answers what is
// on the watched branch: its head, its first-parent history, its files. It never
// checks out a work tree and never parses a file.
package source

import "errors"

// Mode is the kind of a tree entry.
type Mode string

// The modes of entries.
const (
	Regular    Mode = "file"
	Executable Mode = "executable"
	Symlink    Mode = "symlink"
	Submodule  Mode = "submodule"
)

// Entry is one file at a commit.
type Entry struct {
	Path string
	Blob string // blob id; of a submodule: its commit
	Mode Mode
	Size int64 // bytes; 0 for submodules
}

// Change is one path that differs between a commit and its first parent.
type Change struct {
	Path string
	Old  *Entry // nil: added
	New  *Entry // nil: deleted
}

// ErrNotOnHistory is wrapped when a commit is not on the first-parent history of
// another: the branch was rewritten, moved back or replaced.
var ErrNotOnHistory = errors.New("not on the first-parent history")

// ErrNoBranch is wrapped when the watched branch does not exist on the remote.
var ErrNoBranch = errors.New("branch does not exist")

// ErrUnavailable is wrapped when the remote did not answer.
var ErrUnavailable = errors.New("repository unavailable")
