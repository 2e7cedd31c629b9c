package grants

import "time"

// Item is one grant that a request asks for, with what reports and connectors
// need to know about it.
type Item struct {
	Grant
	Subject string `json:"subject"` // the person (or service account) who holds it
	Role    string `json:"role"`    // the role that brings it
	Spec    string `json:"spec"`    // the role's entitlement as JSON, parameters filled in
}

// Terms is what one version of a request allows: what, and when. A request may
// be under several terms at once (an unproven edit beside the proven version,
// the present limits of the role); it then holds only what all of them allow.
type Terms struct {
	Span     Window    `json:"span"`               // hard bounds
	Schedule *Schedule `json:"schedule,omitempty"` // nil: the whole span
	Items    []Item    `json:"items"`
}

// Cause says why something that a request held is no longer asked for. The guard
// treats causes differently: an expiry is never withheld.
type Cause string

// The causes of a removal.
const (
	CauseExpired     Cause = "expired"     // the window closed
	CauseDeleted     Cause = "deleted"     // the request file is gone from the branch
	CauseShortened   Cause = "shortened"   // the request's window was made shorter by an edit
	CauseNarrowed    Cause = "narrowed"    // a role, group, limit or the request lost it
	CauseDeactivated Cause = "deactivated" // the person was deactivated or removed
	CauseUnproven    Cause = "unproven"    // evidence that was counted no longer counts
	CauseExclusive   Cause = "exclusive"   // nobody asked for it, and a role owns the entitlement; see Exclusive
)

// Removal records that a request lost a grant before its window closed, and the
// commit in which that was first seen.
type Removal struct {
	Grant  Grant     `json:"grant"`
	Cause  Cause     `json:"cause"`
	Commit string    `json:"commit"` // full hash of the first-parent commit
	At     time.Time `json:"at"`     // when the reconciler first saw it
}

// Decision is everything the core needs to know about one request. It is stored
// in the ledger, so that time moves on without Git and without the forge.
type Decision struct {
	Request  string    `json:"request"`        // identity: path@first 12 digits of the commit that brought the file
	Path     string    `json:"path"`           // file in the access repository
	Blob     string    `json:"blob,omitempty"` // blob id of the file on the branch; empty: it is gone
	Author   string    `json:"author"`         // person who opened the pull request, if known
	Reason   string    `json:"reason"`         // the request's own words
	Ticket   string    `json:"ticket,omitempty"`
	Granted  bool      `json:"granted"`            // false: nothing is in force, Checks says why
	Terms    []Terms   `json:"terms,omitempty"`    // all must allow; none: nothing is allowed
	Removals []Removal `json:"removals,omitempty"` // what it lost early, oldest first
	Checks   []Check   `json:"checks,omitempty"`   // every rule that was looked at
	EndedAt  time.Time `json:"endedAt,omitzero"`   // final: nothing is in force from here on
	// ReviewBy is when standing access ends unless it is renewed, as the version in force
	// says; zero: it is not standing. Present limits may end it earlier: see Ends.
	ReviewBy time.Time `json:"reviewBy,omitzero"`
	// Floor is the end of the last window that was revoked as expired. The request
	// holds nothing before it, even when the clock is set back.
	Floor time.Time `json:"floor,omitzero"`
	// Finished says that the ledger has recorded the end and asked for the file to be
	// removed. An end that only the decision knows of has yet to be recorded.
	Finished bool `json:"-"`
}

// Check is one rule that was applied to a request, and its result. A list of
// checks is what `reconciler explain` prints.
type Check struct {
	Rule   string `json:"rule"` // short stable name, such as "approval", "author-active"
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // who, what, when; or what is missing
}

// floored returns the decision with its floor built into its terms: no window
// begins before it.
func (d Decision) floored() Decision {
	if d.Floor.IsZero() {
		return d
	}
	terms := make([]Terms, len(d.Terms))
	for i, t := range d.Terms {
		t.Span.From = later(t.Span.From, d.Floor)
		terms[i] = t
	}
	d.Terms = terms
	return d
}
