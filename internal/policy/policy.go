// Package policy decides. From documents, a trusted state and the forge's
// evidence it says whether a request is approved, by which rule and by whom; and
// from all versions of a request, what it holds. It is pure: it reads no clock,
// no network and no file, so every decision can be replayed.
package policy

import (
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

// Canonical returns the one spelling of an entitlement on a target, offline.
// It is the connector driver's, found through the target document.
type Canonical func(connector string, spec map[string]any) (string, error)

// Verdict is the result of judging one version of a request.
type Verdict struct {
	Proven    bool           `json:"proven"`
	Final     bool           `json:"final"`     // false: evidence is incomplete, judge again later
	Checks    []grants.Check `json:"checks"`    // every rule that was looked at, in order
	Author    string         `json:"author"`    // person, where known
	Items     []grants.Item  `json:"items"`     // what the roles had when it was judged
	Approvers []string       `json:"approvers"` // people whose approval was used
}

// Version is one introduction of a request file's bytes and what is known of it.
type Version struct {
	forge.Introduction
	SeenAt   time.Time       `json:"seenAt"`             // when the reconciler took it in
	Evidence *forge.Evidence `json:"evidence,omitempty"` // nil: not read yet
	Verdict  *Verdict        `json:"verdict,omitempty"`  // nil: not judged yet
	Attempts int             `json:"attempts,omitempty"` // failed readings of the evidence
	RetryAt  time.Time       `json:"retryAt,omitzero"`
	Problem  string          `json:"problem,omitempty"` // last error, or why the file could not be read
	Passed   bool            `json:"passed,omitempty"`  // a later version came in the same look at the branch, so it was never seen to stand there
	Broken   bool            `json:"broken,omitempty"`  // the bytes are not a valid request: not in force, and in nobody's way
}

// Record is the life of one request file on the branch, from the commit that
// brought it to the commit that removed it.
type Record struct {
	ID       string    `json:"id"` // path@first 12 digits of the first introduction's commit
	Path     string    `json:"path"`
	Versions []Version `json:"versions"`         // oldest first; never empty
	GoneIn   string    `json:"goneIn,omitempty"` // commit that removed the file; empty: it is there
	GoneAt   time.Time `json:"goneAt,omitzero"`
}

// Judgement is everything that judging one version looks at.
type Judgement struct {
	Request        *schema.AccessRequest // the version's own document
	Previous       *schema.AccessRequest // the version before, when it was in force; nil: the file is new
	Laundered      bool                  // the version before was not in force and its bytes differ
	Hidden         string                // the file is new, and the same change takes this one away, which nobody approved; empty: none
	Evidence       forge.Evidence
	Trusted        *schema.Tree  // trusted state before the pull request
	Host           string        // of the forge: identities match on (host, id)
	ForgeType      string        // key of Person.Forge, such as "github"
	ApprovalsValid time.Duration // 0: 7 days
	Canonical      Canonical

	// FirstMerged is the Anchor of the first proven version of the file, where its
	// window is counted from; zero: this version is the first.
	FirstMerged time.Time
	// Rules are the compiled rules of Trusted, for callers that judge many
	// requests against one tree; nil: compiled here.
	Rules *Rules
	// Others are the decisions of every other request and emergency that came before
	// this one, for rules that look across requests.
	Others []grants.Decision
}

// DecideInput is everything that deciding on one request looks at. None of it
// depends on the present time, except At, which only dates new removals.
type DecideInput struct {
	Record    Record
	Docs      func(blob string) *schema.AccessRequest // of any version; nil: no valid request
	Tree      *schema.Tree                            // the trusted state in force at the head
	Branch    *schema.Tree                            // what the branch says, approved or not: it can only take away; nil: nothing more
	Commit    string                                  // full hash of the accepted head: where a removal is first seen
	At        time.Time                               // when the reconciler looks
	Previous  grants.Decision                         // zero: none
	Canonical Canonical                               // nil: entitlements are compared as written
}
