package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

// TrustJudgement is everything that judging one change of a configuration file
// looks at. An introduction without a blob is the file's deletion.
type TrustJudgement struct {
	Evidence       forge.Evidence
	Laundered      bool          // what stood at the path before the pull request was not in force
	Hidden         string        // as Judgement.Hidden
	Trusted        *schema.Tree  // trusted state before the pull request
	Host           string        // of the forge
	ForgeType      string        // key of Person.Forge
	ApprovalsValid time.Duration // 0: 7 days
	Group          string        // whose members extend the chain of trust
	Count          int           // how many of them; less than 1 means 1
}

// JudgeTrust says whether a change of a role, group, person, target or policy is
// trusted: brought by a pull request of an active person that enough members of
// the group approved, as the state before it says who they are. Reviews count as
// they do for requests. Verdict.Items stays empty.
func JudgeTrust(j TrustJudgement) Verdict {
	return judgeChange(j, func(c *judging) { c.admins(j.Group, max(j.Count, 1)) })
}

// judgeChange looks at the change, the people and the reviews, and leaves it to
// enough whether those who approved suffice.
func judgeChange(j TrustJudgement, enough func(*judging)) Verdict {
	c := &judging{Judgement: Judgement{
		Request: &schema.AccessRequest{}, Evidence: j.Evidence, Laundered: j.Laundered, Hidden: j.Hidden, Trusted: j.Trusted,
		Host: j.Host, ForgeType: j.ForgeType, ApprovalsValid: j.ApprovalsValid,
	}}
	c.deletion = j.Evidence.Introduction.Blob == ""
	if c.change() {
		c.opener()
		c.reviews()
		enough(c)
	}
	v := Verdict{Proven: !c.denied, Final: c.refused || !c.waiting, Checks: c.checks}
	if c.author != nil {
		v.Author = c.author.Name
	}
	if v.Proven {
		v.Final, v.Approvers = true, c.approvers
	}
	return v
}

// admins checks that enough members of the trust group approved.
func (c *judging) admins(group string, count int) {
	var met, able []string
	for _, name := range c.Trusted.MembersOf(group) {
		if _, ok := c.counted[name]; ok {
			met = append(met, name)
		} else if p := c.Trusted.People[name]; p != nil && p.Active && !p.Service && c.excluded[name] == "" {
			able = append(able, name)
		}
	}
	slices.Sort(met)
	c.approvers = met
	if short := count - len(met); short > 0 {
		missing := c.fail
		if c.waiting { // for the push record, without which no approval can be dated
			missing = c.wait
		}
		missing("trust", "missing: %d of %s (%s), who decide what the configuration is", short, group, names(able))
		return
	}
	c.pass("trust", "%d of %s: %s", count, group, strings.Join(met, ", "))
}
