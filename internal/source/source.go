// Package source keeps a bare copy of the access repository and answers what is
// on the watched branch: its head, its first-parent history, its files. It never
// checks out a work tree and never parses a file.
//
// The copy is a cache. Whatever is wrong with it is put right by cloning again.
package source

import (
	"errors"
	"time"
)

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

// Info is what a commit says of itself. Whoever makes a commit can write here
// what they like: it is shown, and proves nothing.
type Info struct {
	Author     string // name <email>
	AuthorTime time.Time
	CommitTime time.Time
	Subject    string // first line of the message
}

// ErrNotOnHistory is wrapped when a commit is not on the first-parent history of
// another: the branch was rewritten, moved back or replaced.
var ErrNotOnHistory = errors.New("not on the first-parent history")

// ErrNoBranch is wrapped when the watched branch does not exist on the remote.
var ErrNoBranch = errors.New("branch does not exist")

// ErrUnavailable is wrapped when the remote did not answer.
var ErrUnavailable = errors.New("repository unavailable")

// ErrUnknown is wrapped when the local copy has no such commit, blob or path.
var ErrUnknown = errors.New("not in the local copy")

// ErrTooLarge is wrapped when a blob is larger than the reader allows.
var ErrTooLarge = errors.New("file is too large")

// ErrDamaged is wrapped when the local copy cannot be read. The next poll that
// reaches the remote replaces it.
var ErrDamaged = errors.New("local copy is damaged")

// ErrMalformed is wrapped when a commit's tree is one that Git itself would
// refuse, such as two entries of one name. Which of them counts must not depend
// on who looks, so neither does.
var ErrMalformed = errors.New("tree is malformed")
