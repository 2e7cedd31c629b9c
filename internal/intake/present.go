package intake

import (
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

// Present is what is in force at the accepted head, for those who look at pull
// requests that are not merged yet. It never changes once it is handed out.
type Present struct {
	Head     string        // accepted head
	Diverged bool          // the branch is not followed: nothing new may be granted
	Trusted  *schema.Tree  // configuration in force
	Rules    *policy.Rules // of Trusted
	Branch   *schema.Tree  // what the branch says, approved or not; nil: the same
	Repo     int64         // pinned id of the repository; 0: not known yet
	Files    map[string]Standing
	Held     []grants.Decision // of every request that is live, sorted by request
}

// Standing is one file as it stands on the branch at the accepted head. Files that
// are no documents are not listed.
type Standing struct {
	Blob    string
	InForce bool                  // these bytes are in force
	Request *schema.AccessRequest // of a valid request file; nil: configuration, or broken
	// FirstMerged is where the window of a proven request is counted from; zero: not
	// proven.
	FirstMerged time.Time
}

// Present returns what is in force at the accepted head; false before the first
// pass that found out. It may be called at any time, by anybody.
func (in *Intake) Present() (Present, bool) {
	return Present{}, false
}
