package policy

import (
	"strings"
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
	Files        []forge.FileChange // all that the pull request changes, at Pull.HeadSHA
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
	ReadAt       time.Time         // when HeadPushes was read, by the forge's clock; zero: long after the opening
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

// recordTime is how long after the opening of a pull request the forge's push record
// may still be incomplete. Pushes come before the opening and are recorded within
// seconds; who waits for access cannot wait for longer.
const recordTime = time.Minute

// ownBranches begin the names of the branches that the reconciler makes itself.
const ownBranches = "tenure/"

// JudgeEmergency says whether a pull request is a use of break-glass that its roles
// allow, and for what. It looks at every rule and never stops at the first that
// fails. A use is granted whole or not at all.
func JudgeEmergency(j EmergencyJudgement) EmergencyVerdict {
	c := &judging{Judgement: Judgement{
		Request: j.Request, Trusted: j.Trusted, Rules: j.Rules, Host: j.Host, ForgeType: j.ForgeType, Canonical: j.Canonical, Others: j.Others,
		Evidence: forge.Evidence{RepositoryID: j.RepositoryID, Branch: j.WatchedRef, BaseChange: j.BaseChange, HeadPushes: j.HeadPushes, ReadAt: j.ReadAt},
	}}
	c.pull = &j.Pull
	c.open()
	c.onlyChange(j.Files)
	if c.askedFor() {
		c.people()
		c.himself()
		c.ownHead()
		c.roles()
		c.guardrails()
		c.notTakenAway(j.Branch)
		c.allReviewed(j.Unreviewed)
	}
	within := c.reviewWithin()
	v := EmergencyVerdict{Granted: !c.denied, Final: c.refused || !c.waiting, Checks: c.checks}
	if c.author != nil {
		v.Subject = c.author.Name
	}
	if v.Granted {
		from := Anchor(j.Request, c.pull)
		v.Items = c.items
		v.Window = grants.Window{From: from, Until: from.Add(j.Request.Duration)}
		v.ReviewBy = from.Add(within)
	}
	return v
}

// open checks that the pull request is one into the watched branch from a branch of
// the same repository, and waits to be merged.
func (c *judging) open() {
	p := c.pull
	if p.State != "open" || !p.MergedAt.IsZero() {
		c.fail("pull-request", "pull request #%d is not open; an emergency ends with it", p.Number)
	} else {
		c.pass("pull-request", "pull request #%d is open", p.Number)
	}
	c.place("is to be merged")
	if !c.Evidence.BaseChange.IsZero() {
		c.fail("base-branch", "its base branch was changed at %s; an emergency asks from the beginning", stamp(c.Evidence.BaseChange))
	}
	switch {
	case p.HeadRepoID != c.Evidence.RepositoryID:
		c.fail("head-branch", "it comes from another repository (id %d); an emergency is asked for from a branch of this one", p.HeadRepoID)
	case p.HeadRef == "" || strings.HasPrefix(p.HeadRef, ownBranches):
		c.fail("head-branch", "it comes from the branch %q; those below %s are the reconciler's own", p.HeadRef, ownBranches)
	default:
		c.pass("head-branch", "it comes from the branch %s of the same repository", p.HeadRef)
	}
}

// onlyChange checks that the pull request adds one document and does nothing else.
func (c *judging) onlyChange(files []forge.FileChange) {
	switch {
	case len(files) != 1:
		c.fail("change", "it changes %d files; an emergency adds one request and changes nothing else", len(files))
	case files[0].Kind != forge.FileAdded || files[0].OldPath != "" || files[0].Blob == "":
		c.fail("change", "%s is not a new file (%s); an emergency adds one request and changes nothing else", files[0].Path, files[0].Kind)
	case !schema.IsDocument(files[0].Path):
		c.fail("change", "%s is not the path of a request: those end in .yaml or .yml, and no part begins with a dot", files[0].Path)
	default:
		c.pass("change", "its only change adds %s", files[0].Path)
	}
}

// askedFor checks that there is a request for break-glass, and something to judge it
// by. It returns false when there is nothing further to look at.
func (c *judging) askedFor() bool {
	switch {
	case c.Request == nil:
		c.fail("request", "what it adds is not a valid request")
		return false
	case !c.Request.Emergency:
		c.fail("emergency", "the request does not say emergency: true, so it is granted after the merge")
	}
	if c.Trusted == nil {
		c.wait("trust", "the trusted state is not known yet")
		return false
	}
	return true
}

// himself checks that the one subject is the person who opened the pull request.
func (c *judging) himself() {
	subjects := c.Request.Subjects
	switch {
	case len(subjects) != 1 || c.Trusted.People[subjects[0]] == nil:
		c.fail("subject", "an emergency is for one person, who asks for it themselves; it is for %s", names(subjects))
	case c.author == nil || c.author.Name != subjects[0]:
		c.fail("subject", "an emergency is for its author; it is for %s", subjects[0])
	default:
		c.pass("subject", "%s asks for themselves", subjects[0])
	}
}

// ownHead checks that the author alone made the head, and that it is the one that the
// pull request was opened with: a new head is never granted by the same pull request.
func (c *judging) ownHead() {
	h := readHead(c.Evidence.HeadPushes, c.pull, time.Time{})
	missing := c.fail
	if at := c.Evidence.ReadAt; !at.IsZero() && at.Before(c.pull.CreatedAt.Add(recordTime)) {
		missing = c.wait
	}
	switch {
	case !h.led:
		missing("head", "no push record says who brought its head %s", short(c.pull.HeadSHA))
	case !h.created:
		missing("head", "the push record does not reach back to the creation of the branch %s, so it cannot be told who made it", c.pull.HeadRef)
	case h.unknown != nil:
		missing("head", "somebody unknown pushed %s to it at %s", short(h.unknown.After), stamp(h.unknown.At))
	default:
		c.pass("head", "the push record reaches from the creation of the branch to the head %s", short(c.pull.HeadSHA))
	}
	if h.changed.After(c.pull.CreatedAt) {
		c.fail("head", "its head was changed at %s, after it was opened; open another pull request", stamp(h.changed))
	}
	for _, p := range h.pushers {
		if !p.Same(c.pull.Author) {
			c.fail("head", "%s pushed to it, too; an emergency is the work of its author alone", account(p))
		}
	}
}

// reviewWithin returns how soon after the opening somebody must have looked: the
// soonest that a role asks for.
func (c *judging) reviewWithin() time.Duration {
	var soonest time.Duration
	for _, role := range c.asked() {
		if role.Emergency == nil {
			continue // said with the requesters
		}
		within := role.Emergency.ReviewWithin
		if within <= 0 {
			c.fail("review-within", "role %s does not say within what time an emergency is reviewed", role.Name)
			continue
		}
		c.pass("review-within", "role %s wants it reviewed within %s", role.Name, length(within))
		if soonest == 0 || within < soonest {
			soonest = within
		}
	}
	return soonest
}

// asked returns the roles that are asked for and exist.
func (c *judging) asked() []*schema.Role {
	var out []*schema.Role
	if c.Request == nil || c.Trusted == nil {
		return nil
	}
	for _, use := range c.Request.Roles {
		if role := c.Trusted.Roles[use.Role]; role != nil {
			out = append(out, role)
		}
	}
	return out
}

// notTakenAway checks that the branch, approved or not, does not take away what the
// trusted state allows.
func (c *judging) notTakenAway(branch *schema.Tree) {
	now := presentOf(nil, branch, c.Canonical)
	subjects := now.subjects(c.Request)
	for _, it := range c.items {
		if why := now.lost(c.Request, subjects, it); why != "" {
			c.fail("present", "%s on %s is about to be taken away by a change on the branch: %s", it.Entitlement, it.Target, why)
		}
	}
	for _, t := range now.states {
		for _, use := range c.Request.Roles {
			role := t.Roles[use.Role]
			if role == nil {
				continue // said of its items
			}
			if terms, ok := termsFor(c.Request, role); ok && c.Request.Duration > terms.longest {
				c.fail("present", "the window lasts %s; a change on the branch lets role %s allow %s in an emergency",
					length(c.Request.Duration), role.Name, length(terms.longest))
			}
		}
	}
}

// allReviewed checks that the person has no other use of one of the roles that nobody
// has looked at yet.
func (c *judging) allReviewed(due []Use) {
	for _, u := range due {
		for _, use := range c.Request.Roles {
			if u.Role == use.Role && u.Pull != c.pull.Number && c.author != nil && u.Subject == c.author.Name {
				c.fail("unreviewed", "%s used %s in an emergency before (pull request #%d), and nobody has reviewed it yet", u.Subject, u.Role, u.Pull)
			}
		}
	}
}
