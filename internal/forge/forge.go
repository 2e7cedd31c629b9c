// Package forge is what Tenure asks of the place where pull requests live: who
// brought a change to the branch, who reviewed it and when; and the pull requests
// that the reconciler opens itself. The sub-packages speak to one forge each.
//
// It reports what the forge recorded. Whether that proves anything is decided in
// package policy.
package forge

import (
	"errors"
	"time"
)

// Identity is an account on a forge. ID and Host are what is matched; a login can
// be given to somebody else.
type Identity struct {
	Host  string `json:"host"` // such as github.com
	ID    int64  `json:"id"`   // 0: the account is gone (a ghost) or unknown
	Login string `json:"login"`
	Type  string `json:"type"` // "User", "Bot", …
}

// Same reports whether both are the same known account.
func (i Identity) Same(o Identity) bool {
	return i.ID != 0 && i.ID == o.ID && i.Host == o.Host
}

// IsUser reports whether the identity is a person's account that still exists.
func (i Identity) IsUser() bool { return i.ID != 0 && i.Type == "User" }

// Repository is the access repository as the forge knows it.
type Repository struct {
	ID   int64
	Name string // owner/name
	Host string
	Now  time.Time // the forge's own clock, from its Date header
}

// PullRequest is a pull request (merge request) as the forge recorded it.
type PullRequest struct {
	Number      int       `json:"number"`
	Title       string    `json:"title"`
	URL         string    `json:"url"`
	State       string    `json:"state"` // "open" or "closed"
	Author      Identity  `json:"author"`
	BaseRepoID  int64     `json:"baseRepoID"`
	BaseRef     string    `json:"baseRef"`    // branch name, without refs/heads/
	HeadRepoID  int64     `json:"headRepoID"` // 0: the repository is gone
	HeadRepo    string    `json:"headRepo"`   // owner/name; empty: gone
	HeadRef     string    `json:"headRef"`
	HeadSHA     string    `json:"headSHA"` // the final head
	Commits     int       `json:"commits"`
	CreatedAt   time.Time `json:"createdAt"`
	MergedAt    time.Time `json:"mergedAt,omitzero"` // zero: not merged
	MergeCommit string    `json:"mergeCommit,omitempty"`
	UpdatedAt   time.Time `json:"-"` // last change that people see: of the text, the head, a review, a comment
}

// Review states.
const (
	ReviewApproved         = "approved"
	ReviewChangesRequested = "changes_requested"
	ReviewCommented        = "commented"
	ReviewDismissed        = "dismissed"
)

// Review is one review of a pull request.
type Review struct {
	ID          int64     `json:"id"`
	Reviewer    Identity  `json:"reviewer"`
	State       string    `json:"state"`
	SubmittedAt time.Time `json:"submittedAt"`
	Commit      string    `json:"commit"` // the head it was given on, as the forge says now; can disqualify, never prove
}

// Push is an entry of the forge's own record of what happened to a branch.
type Push struct {
	Actor  Identity  `json:"actor"`
	At     time.Time `json:"at"`
	Ref    string    `json:"ref"` // branch name, without refs/heads/
	Before string    `json:"before"`
	After  string    `json:"after"`
	Kind   string    `json:"kind"` // one of the Push constants
}

// The kinds of entries of the push record.
const (
	PushPush       = "push"
	PushForce      = "force_push"
	PushCreate     = "branch_creation"
	PushDelete     = "branch_deletion"
	PushMerge      = "pr_merge"
	PushQueueMerge = "merge_queue_merge"
)

// Introduction is how the bytes of one file came to the branch.
type Introduction struct {
	Path   string `json:"path"`
	Blob   string `json:"blob"`   // Git blob id of the file
	Commit string `json:"commit"` // full hash of the first-parent commit that brought it
}

// Evidence is all that the forge said about one introduction. It is stored with
// the introduction and never asked for again once it is complete.
type Evidence struct {
	Introduction Introduction `json:"introduction"`
	RepositoryID int64        `json:"repositoryID"` // as configured and pinned
	Branch       string       `json:"branch"`

	Pull       *PullRequest `json:"pull,omitempty"`       // nil: no pull request brought it; Problem says why
	Before     string       `json:"before,omitempty"`     // first-parent commit before the pull request's first commit on the branch
	HeadBlob   string       `json:"headBlob,omitempty"`   // blob of the path at the pull request's final head; empty: not there
	BaseChange time.Time    `json:"baseChange,omitzero"`  // last change of the base branch; zero: never
	HeadPushes []Push       `json:"headPushes,omitempty"` // record of the head branch, oldest first
	Reviews    []Review     `json:"reviews,omitempty"`    // in order of submission
	Problem    string       `json:"problem,omitempty"`    // why this can never prove anything: direct push, indirect or ambiguous merge
	ReadAt     time.Time    `json:"readAt"`
}

// ErrUnavailable is wrapped by errors that may go away: network, rate limits,
// server errors. What could not be read is asked for again; it proves nothing.
var ErrUnavailable = errors.New("forge unavailable")

// ErrNotFound is wrapped when the forge says that something does not exist.
var ErrNotFound = errors.New("not found on the forge")
