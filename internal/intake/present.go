package intake

import (
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
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
	InForce bool                  // these bytes are in force: as configuration, or proven as a request
	Request *schema.AccessRequest // of a valid request file; nil: configuration, or broken
	// FirstMerged is where the window of a proven request is counted from; zero: not
	// proven.
	FirstMerged time.Time
}

// Present returns what is in force at the accepted head; false before the first
// pass that found out, and while somebody else reads the branch. It may be called at
// any time, by anybody.
func (in *Intake) Present() (Present, bool) {
	now := in.now.Load()
	if now == nil {
		return Present{}, false
	}
	return *now, true
}

// Deactivated reports whether a person was deactivated or removed for certain. It
// may be called at any time, by anybody; before the first pass it knows of nobody.
func (in *Intake) Deactivated(person string) bool {
	now := in.now.Load()
	return now != nil && policy.Left(now.Trusted, now.Branch, person)
}

// standing is the part of the present that requests are held to: what is trusted,
// and what the branch says. Trust decides what may be added; taking away needs no
// approval.
func (in *Intake) standing(v *view) (*Present, error) {
	now := &Present{Head: v.head, Diverged: v.diverged != "", Repo: in.repoID}
	var err error
	if now.Trusted, now.Rules, err = in.trees.get(v.config); err != nil {
		return nil, err
	}
	now.Branch, err = in.branchTree(v)
	return now, err
}

// tell fills in the rest: the files, and what is held because of them.
func (in *Intake) tell(v *view, now *Present) error {
	now.Files = make(map[string]Standing, len(v.files))
	for path, blob := range v.files {
		s := Standing{Blob: blob, InForce: v.config[path] == blob}
		if rec := v.records[path]; rec != nil {
			last := len(rec.Versions) - 1
			if !rec.Versions[last].Broken {
				s.Request = in.files.document(path, blob)
				s.InForce = in.inForce(rec, last)
			}
			s.FirstMerged = in.firstMerged(rec, last+1)
		}
		now.Files[path] = s
	}
	now.Held = make([]grants.Decision, 0, len(v.rows))
	for _, row := range v.rows {
		now.Held = append(now.Held, row.Decision)
	}
	slices.SortFunc(now.Held, func(a, b grants.Decision) int { return strings.Compare(a.Request, b.Request) })
	return in.files.failed()
}

// tellDiverged says that the branch is not followed. What was in force stays.
func (in *Intake) tellDiverged() error {
	told := in.now.Load()
	if told == nil { // after a restart
		if in.view.unsettled || in.view.head == "" {
			return nil
		}
		now, err := in.standing(in.view)
		if err != nil {
			return err
		}
		if err := in.tell(in.view, now); err != nil {
			return err
		}
		told = now
	}
	now := *told
	now.Diverged = true
	in.now.Store(&now)
	return nil
}

// firstMerged is where the window of a request is counted from by its versions
// before one; zero: none of them is proven.
func (in *Intake) firstMerged(rec *policy.Record, before int) time.Time {
	var origin *forge.PullRequest
	for i := range rec.Versions[:before] {
		v := &rec.Versions[i]
		if v.Verdict == nil || !v.Verdict.Proven || v.Evidence == nil || v.Evidence.Pull == nil {
			continue
		}
		if origin == nil {
			origin = v.Evidence.Pull
		}
		if doc := in.files.document(rec.Path, v.Blob); doc != nil {
			return policy.Anchor(doc, origin)
		}
	}
	return policy.Anchor(nil, origin)
}
