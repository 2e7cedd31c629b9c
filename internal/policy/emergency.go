package policy

import (
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

// EmergencyJudgement is everything that judging a use of break-glass looks at: an
// open pull request whose only change adds one request with emergency: true.
type EmergencyJudgement struct {
	Request      *schema.AccessRequest // in the one file that is added; nil: there is none that is valid
	Pull         forge.PullRequest
	Files        []forge.FileChange // all that the pull request changes
	HeadPushes   []forge.Push       // record of the head branch, as Evidence has it
	BaseChange   time.Time          // zero: never retargeted
	RepositoryID int64              // as configured and pinned
	WatchedRef   string             // branch that is watched
	Trusted      *schema.Tree       // in force at the accepted head
	Branch       *schema.Tree       // what the branch says, approved or not: it can only take away; nil: the same
	Rules        *Rules             // of Trusted; nil: compiled here
	Host         string             // of the forge
	ForgeType    string             // key of Person.Forge
	Canonical    Canonical
	Others       []grants.Decision // what other requests and emergencies hold, for rules that look across them
	Unreviewed   []Use             // earlier uses whose review is still due
}

// Use is one use of break-glass.
type Use struct {
	Pull    int
	Subject string
	Role    string
}

// EmergencyVerdict is the result. Nothing of it depends on the present time: the
// caller looks whether the window is still open.
type EmergencyVerdict struct {
	Granted bool           `json:"granted"`
	Final   bool           `json:"final"` // false: the record is incomplete, judge again
	Checks  []grants.Check `json:"checks"`
	Subject string         `json:"subject"`
	Items   []grants.Item  `json:"items"`
	// Window starts when the pull request was created, by the forge's clock.
	Window grants.Window `json:"window"`
	// ReviewBy is when somebody must have looked at it: the earliest of what its
	// roles say.
	ReviewBy time.Time `json:"reviewBy"`
}

// JudgeEmergency says whether a pull request is a use of break-glass that its roles
// allow, and for what. It looks at every rule and never stops at the first that
// fails.
func JudgeEmergency(j EmergencyJudgement) EmergencyVerdict {
	return EmergencyVerdict{Final: true, Checks: []grants.Check{{Rule: "emergency", Detail: "not implemented"}}}
}
