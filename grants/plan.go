package grants

import "time"

// Holder is one request that holds a claim.
type Holder struct {
	Request string    `json:"request"` // Decision.Request
	Path    string    `json:"path"`
	Until   time.Time `json:"until"` // end of this request's current window
}

// Claim is a grant that must exist now, and the requests that hold it.
type Claim struct {
	Item
	Until   time.Time `json:"until"`   // end of the unbroken run of windows that starts now
	Holders []Holder  `json:"holders"` // sorted by Request
}

// HoldState is how far an act on a target has come. The intent is recorded
// before the target is touched.
type HoldState string

// The states of a hold.
const (
	StateGranting HoldState = "granting" // intent recorded, outcome unknown
	StateHeld     HoldState = "held"     // the target confirmed the grant
	StateRevoking HoldState = "revoking" // revoke intended; owned until a read-back shows it gone
)

// Hold is what Tenure knows about a grant on a target that it touched, or that
// it found there before (PreExisting). Holds live in the ledger.
type Hold struct {
	Item
	State       HoldState `json:"state"`
	PreExisting bool      `json:"preExisting"`      // was there before our first intent: never renewed, never revoked
	Since       time.Time `json:"since"`            // first intent, or first sight of the pre-existing access
	Until       time.Time `json:"until"`            // end as of the last claim
	Deadline    time.Time `json:"deadline"`         // an act that has not returned may still take effect before this; zero: none under way
	Holders     []Holder  `json:"holders"`          // as of the last claim; none: see Stranger
	Revoked     time.Time `json:"revoked,omitzero"` // when the target last accepted a revoke; zero: never
	Failures    int       `json:"failures"`         // of the current act, in a row
	RetryAt     time.Time `json:"retryAt,omitzero"` // not to be tried again before this
	LastError   string    `json:"lastError,omitempty"`
}

// Overdue reports whether the access should be gone at t and is not known to be:
// its window is over, or its revoke has begun and is not verified yet.
func (h Hold) Overdue(t time.Time) bool {
	return !h.PreExisting && (h.State == StateRevoking || !h.Until.After(t))
}

// Op is what a change does.
type Op string

// The operations of a plan.
const (
	OpGrant   Op = "grant"   // asked for and not there
	OpRenew   Op = "renew"   // ours, there, and its end moved
	OpRevoke  Op = "revoke"  // ours, and no longer asked for
	OpRelease Op = "release" // no longer asked for and nothing to take away: forget the hold
	OpAdopt   Op = "adopt"   // asked for, but it was there before us: note it, never touch it
	OpLeave   Op = "leave"   // there, not asked for, not ours: drift, reported and left alone; see Reclaim
)

// Change is one step of a plan, with its reason.
type Change struct {
	Op      Op        `json:"op"`
	Item    Item      `json:"item"`
	Until   time.Time `json:"until,omitzero"` // end that the target is told, where it can end access itself
	Holders []Holder  `json:"holders,omitempty"`
	Cause   Cause     `json:"cause,omitempty"`  // of a revoke or release
	Commit  string    `json:"commit,omitempty"` // where a removal from Git was first seen; of a stranger see Reclaim
	Reason  string    `json:"reason"`           // one sentence for people
}
