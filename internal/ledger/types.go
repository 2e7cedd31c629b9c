// Package ledger is the memory of what was done: who holds what because of which
// request, what is being attempted, and an append-only chain of events. Git is
// the memory of what was asked; this package knows nothing of it.
//
// The SQL lives here once, for both dialects. The sub-packages sqlite and
// postgres open a database and bring their driver; ledgertest is the suite that
// both pass. Every write is one transaction, committed synchronously; durable
// jobs (package jobs) are inserted in the transaction that caused them.
package ledger

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

// Event is one entry of the chain. Seq, Prev and Hash are set by the ledger.
type Event struct {
	Seq     int64           `json:"seq"`
	At      time.Time       `json:"at"`
	Kind    string          `json:"kind"` // such as "grant.intended"; see the Event constants
	Target  string          `json:"target,omitempty"`
	Account string          `json:"account,omitempty"`
	Request string          `json:"request,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"` // details, never a secret
	Prev    string          `json:"prev"`           // hex SHA-256 of the entry before
	Hash    string          `json:"hash"`           // hex SHA-256 over Prev and this entry's canonical JSON
}

// The kinds of events.
const (
	EventGrantIntended  = "grant.intended"
	EventGranted        = "grant.done"
	EventGrantFailed    = "grant.failed"
	EventRenewed        = "grant.renewed"
	EventAdopted        = "access.pre-existing"
	EventRevokeIntended = "revoke.intended"
	EventRevokeAccepted = "revoke.accepted" // the target said yes; not yet read back
	EventRevokeFailed   = "revoke.failed"
	EventRevoked        = "revoke.verified" // read back: it is gone
	EventReleased       = "hold.released"   // nothing to take away
	EventDrift          = "drift.found"
	EventDriftGone      = "drift.gone"
	EventJudged         = "request.judged"
	EventTrusted        = "trust.judged" // a change of the configuration
	EventEnded          = "request.ended"
	EventWithheld       = "guard.withheld"
	EventConfirmed      = "operator.confirmed"
	EventHead           = "head.accepted"
	EventDiverged       = "head.diverged"
	EventRevert         = "revert.changed"
	EventPaused         = "operator.paused"
	EventResumed        = "operator.resumed"
)

// Job is a durable side effect. It runs after the transaction that carries it,
// at least once, and is retried until it succeeds.
type Job struct {
	Kind  string          // name of the worker
	Key   string          // jobs of one kind and key that have not run yet are one job
	Args  json.RawMessage // never a secret
	RunAt time.Time       // zero: now
}

// Batch is what one step on a target writes, in one transaction.
type Batch struct {
	Put    []grants.Hold        // inserted or replaced, by Grant
	Delete []grants.Grant       // holds that are over; done before Put
	Floors map[string]time.Time // by request: Decision.Floor, only ever raised
	Drift  *DriftReport         // nil: unchanged
	Listed []Scope              // whose first list of strangers is being taken away; Target, Entitlement and Since count
	Events []Event
	Jobs   []Job
}

// DriftReport replaces what is known of the drift on a target, except of the
// entitlements in Unseen: nobody could look there, so what was known stays.
type DriftReport struct {
	Target string
	Found  []grants.Grant
	Unseen map[string]bool
	At     time.Time
}

// Drift is access that nobody asked for, with since when it is known.
type Drift struct {
	Grant grants.Grant `json:"grant"`
	Since time.Time    `json:"since"`
}

// Request is one request's row. Body belongs to package intake (its versions,
// evidence and verdicts); the ledger stores it as it is.
type Request struct {
	ID       string // Decision.Request
	Path     string
	Live     bool // the file is on the branch; of an emergency: it is not over
	Pull     int  // the pull request of an emergency, see Emergencies; 0: a file on the branch
	Body     json.RawMessage
	Decision grants.Decision
	// EndedAt is set once, by Finish, and never unset: an ended request stays ended.
	EndedAt time.Time
	// Floor is Decision.Floor; only ever raised, by Commit.
	Floor time.Time
	// Revert is the key of the revert pull request that removes the file; set by Finish.
	Revert string
}

// ConfigState says which bytes of the configuration files (all kinds but
// requests) are in force at a first-parent commit.
type ConfigState struct {
	Commit  string
	Files   map[string]string // path → blob id
	Replace bool              // over what is known of the commit; false: that stays
}

// InForce stands for a commit in the ConfigState that says what is in force now, by
// whichever commit it came.
const InForce = "in force"

// IntakeBatch is what taking in one or more commits writes, in one transaction.
type IntakeBatch struct {
	Head     string        // accepted head; empty: unchanged
	Diverged *string       // nil: unchanged; "": no longer; else the head that does not descend from the accepted one
	Forget   []string      // commits whose state is to be found out anew; done before States
	States   []ConfigState // stored once a content
	Requests []Request     // inserted or replaced by ID; EndedAt, Floor and Revert kept
	Spent    []string      // commits whose confirmations have been acted on and serve no second time
	Scopes   []Scope       // replaces what drift is looked for in; nil: unchanged
	Events   []Event
	Jobs     []Job
	// NotInForce replaces what is known of files that are not in force; nil: unchanged.
	NotInForce *[]NotInForce
}

// Head is where the intake stands.
type Head struct {
	Accepted     string // full hash; empty: nothing yet
	Diverged     string // full hash of a head that is not followed; empty: none
	RepositoryID int64  // pinned id of the repository on the forge; 0: not yet
}

// Revert is a revert pull request that the reconciler opened or will open.
type Revert struct {
	Key     string    `json:"key"`
	Number  int       `json:"number"` // 0: not opened yet
	URL     string    `json:"url"`
	State   string    `json:"state"`   // "due", "open", "merged", "closed"
	HeadSHA string    `json:"headSHA"` // of the bot's own commit
	Paths   []string  `json:"paths"`
	DueAt   time.Time `json:"dueAt"`
}

// ErrLeased is returned by Acquire when somebody else has the lease.
var ErrLeased = errors.New("lease is held by another worker")

// ErrLostLease is returned by writes whose lease is no longer held: stop at once.
var ErrLostLease = errors.New("lease lost")
