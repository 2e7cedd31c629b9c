package policy

import (
	"slices"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

// ReviewJudgement is everything that judging the review of a use of break-glass looks
// at.
type ReviewJudgement struct {
	Request    *schema.AccessRequest
	Pull       forge.PullRequest // as it is now: open, closed or merged
	Head       string            // full hash of the head that was granted
	HeadPushes []forge.Push      // record of the head branch
	Reviews    []forge.Review
	Trusted    *schema.Tree // says who approves for its roles
	Rules      *Rules       // of Trusted; nil: compiled here
	Host       string       // of the forge
	ForgeType  string       // key of Person.Forge
	Others     []grants.Decision
}

// JudgeReview says whether a use of break-glass was reviewed: whether approvals meet
// every approval item of every role of it, as they would for a request. They count at
// any time, before or after the end, the close or the merge, where they were given on
// the head that was granted, while that was the head. Verdict.Approvers are the people.
// A verdict that is not proven is never final: somebody may look at it tomorrow.
func JudgeReview(j ReviewJudgement) Verdict {
	if j.Request == nil || j.Trusted == nil || j.Head == "" {
		return Verdict{Checks: []grants.Check{{Rule: "review", Detail: "it is not known what is to be reviewed"}}}
	}
	pull := j.Pull
	pull.HeadSHA = j.Head
	since, left := stay(j.HeadPushes, &j.Pull, j.Head)
	record := slices.DeleteFunc(slices.Clone(j.HeadPushes), func(p forge.Push) bool { return p.At.After(since) })
	c := &judging{
		Judgement: Judgement{
			Request: j.Request, Trusted: j.Trusted, Rules: j.Rules, Host: j.Host, ForgeType: j.ForgeType, Others: j.Others,
			Evidence: forge.Evidence{Pull: &pull, HeadPushes: record, Reviews: j.Reviews},
		},
		pull: &pull, closed: left, closing: "the next change of the head",
	}
	c.subjects, _ = subjectsOf(j.Trusted, j.Request)
	c.author, _ = c.personOf(pull.Author) // not to be found any more: no approver either
	c.ask = c.asking()
	if len(j.Request.Roles) == 0 {
		c.fail("role", "the request names no role")
	}
	for _, use := range j.Request.Roles {
		if j.Trusted.Roles[use.Role] == nil {
			c.fail("role", "role %s does not exist any more, so nothing says who reviews it", use.Role)
		}
	}
	c.reviews()
	c.approvals()
	v := Verdict{Proven: !c.denied, Final: !c.denied, Checks: c.checks}
	if c.author != nil {
		v.Author = c.author.Name
	}
	if v.Proven {
		v.Approvers = c.approvers
	}
	return v
}

// stay returns since when a pull request's head was last at a commit (zero: it was never
// there), and when it left it (zero: it has not).
func stay(record []forge.Push, pull *forge.PullRequest, commit string) (since, left time.Time) {
	var changes []forge.Push
	for _, p := range record {
		if p.Kind != forge.PushDelete && (pull.MergedAt.IsZero() || !p.At.After(pull.MergedAt)) {
			changes = append(changes, p)
		}
	}
	for _, p := range changes {
		if p.After == commit && p.At.After(since) {
			since = p.At
		}
	}
	if pull.HeadSHA == commit {
		return since, time.Time{} // what came later is another life of the branch
	}
	for _, p := range changes {
		if p.After != commit && p.At.After(since) && (left.IsZero() || p.At.Before(left)) {
			left = p.At
		}
	}
	if left.IsZero() {
		left = since // moved in the same second, or the record does not say when
	}
	return since, left
}
