package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

const (
	// defaultApprovalsValid is how old an approval may be at the merge.
	defaultApprovalsValid = 7 * 24 * time.Hour
	// settleTime is how long after a merge the forge's push record may still be
	// incomplete. What is missing from it later than that stays missing.
	settleTime = time.Hour
)

// Judge says whether one version of a request is proven: brought by a pull request
// that the right people approved, within the terms of its roles. It looks at every
// rule and never stops at the first that fails, so that the checks tell all that
// is missing. A request is proven whole or not at all.
//
// A check called "review" tells of one review whether it counts; it does not by
// itself decide. Every other check that is not OK denies.
func Judge(j Judgement) Verdict {
	c := &judging{Judgement: j}
	if c.change() {
		if c.Request.Emergency {
			c.pass("emergency", "once merged, a request with emergency: true is judged like any other and needs the same approvals")
		}
		c.people()
		c.roles()
		c.reviews()
		c.approvals()
		c.guardrails()
	}
	v := Verdict{
		Proven: !c.denied,
		Final:  c.refused || !c.waiting,
		Checks: c.checks,
	}
	if c.author != nil {
		v.Author = c.author.Name
	}
	if v.Proven {
		v.Final = true
		v.Items = c.items
		v.Approvers = c.approvers
	}
	return v
}

// judging is the state of one call of Judge.
type judging struct {
	Judgement
	deletion bool // the change takes the file away (configuration only)
	checks   []grants.Check
	denied   bool
	refused  bool // something denies for good
	waiting  bool // something denies that may still turn up

	pull     *forge.PullRequest
	author   *schema.Person   // nil: not known
	subjects []*schema.Person // groups expanded, by name
	pushers  []forge.Identity // to the pull request's head
	changed  time.Time        // last change of the head; zero: not known
	closed   time.Time        // reviews count before it; zero: at any time
	closing  string           // what happened then
	valid    time.Duration    // how old an approval may be then; 0: as old as it likes
	counted  map[string]time.Time
	excluded map[string]string // people whose approval cannot count, and why
	ask      *asking

	items     []grants.Item
	approvers []string
}

func (c *judging) pass(rule, format string, args ...any) {
	c.checks = append(c.checks, grants.Check{Rule: rule, OK: true, Detail: fmt.Sprintf(format, args...)})
}

func (c *judging) fail(rule, format string, args ...any) {
	c.refused = true
	c.deny(rule, format, args...)
}

func (c *judging) deny(rule, format string, args ...any) {
	c.denied = true
	c.checks = append(c.checks, grants.Check{Rule: rule, Detail: fmt.Sprintf(format, args...)})
}

// note tells of one review; it decides nothing by itself.
func (c *judging) note(ok bool, format string, args ...any) {
	c.checks = append(c.checks, grants.Check{Rule: "review", OK: ok, Detail: fmt.Sprintf(format, args...)})
}

// wait is a failure that is not final.
func (c *judging) wait(rule, format string, args ...any) {
	c.waiting = true
	c.deny(rule, format, args...)
}

// settled reports whether the push record, as it was read, can still grow.
func (c *judging) settled() bool {
	return !c.Evidence.ReadAt.Before(c.pull.MergedAt.Add(settleTime))
}

// start is when the request's window opens, if it is proven.
func (c *judging) start() time.Time {
	if !c.FirstMerged.IsZero() && c.FirstMerged.Before(c.pull.MergedAt) {
		return startOf(c.Request, c.FirstMerged)
	}
	return startOf(c.Request, Anchor(c.Request, c.pull))
}

// compiled returns the rules of the trusted state.
func (c *judging) compiled() *Rules {
	if c.Rules == nil {
		c.Rules, _ = Compile(c.Trusted)
	}
	return c.Rules
}

// names prints a list of names.
func names(list []string) string {
	if len(list) == 0 {
		return "nobody"
	}
	return strings.Join(list, ", ")
}
