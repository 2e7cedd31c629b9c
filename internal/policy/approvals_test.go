package policy

import (
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

// approvedBy has a request judged that these people approved, in this order.
func approvedBy(change func(*Judgement), who ...string) Verdict {
	j := good()
	j.Evidence.Reviews = nil
	change(&j)
	for i, name := range who {
		r := approval(int64(i+1), user(name, j.Trusted.People[name].Forge["github"].ID), "10:00")
		r.SubmittedAt = r.SubmittedAt.Add(time.Duration(i) * time.Minute)
		j.Evidence.Reviews = append(j.Evidence.Reviews, r)
	}
	return Judge(j)
}

// needs sets the approval items of the role writer.
func needs(items ...schema.Approval) func(*Judgement) {
	return func(j *Judgement) { j.Trusted.Roles["writer"].Approvals = items }
}

func groups(j *Judgement, members map[string][]string) {
	for name, m := range members {
		j.Trusted.Groups[name] = &schema.Group{Name: name, Members: m}
	}
}

func TestApprovalItemsAreMetByDistinctPeople(t *testing.T) {
	leads := schema.Approval{From: []string{"orders-leads"}, Count: 1}
	security := schema.Approval{From: []string{"security"}, Count: 1}
	three := func(j *Judgement) {
		groups(j, map[string][]string{"a": {"bob", "carol", "dave"}, "b": {"bob", "carol"}, "c": {"bob"}})
		needs(schema.Approval{From: []string{"a"}, Count: 1}, schema.Approval{From: []string{"b"}, Count: 1}, schema.Approval{From: []string{"c"}, Count: 1})(j)
	}
	twoOfThree := func(j *Judgement) {
		groups(j, map[string][]string{"orders": {"bob", "carol"}, "platform": {"carol", "dave", "frank"}})
		needs(schema.Approval{From: []string{"orders", "platform"}, Count: 2}, schema.Approval{From: []string{"platform"}, Count: 2})(j)
	}
	long := func(j *Judgement) {
		j.Request.Duration = 5 * time.Hour
		needs(leads, schema.Approval{From: []string{"security"}, Count: 1, When: "request.duration > duration('4h')"})(j)
	}
	for _, c := range []struct {
		name   string
		change func(*Judgement)
		by     []string
		used   []string // nil: not proven
		detail string
	}{
		{"each item its own person", needs(leads, security), []string{"bob", "dave"}, []string{"bob", "dave"}, ""},
		{"the order of the approvals does not matter", needs(leads, security), []string{"dave", "bob"}, []string{"bob", "dave"}, ""},
		{"whom no item needs is not an approver", needs(leads), []string{"bob", "dave"}, []string{"bob"}, ""},

		// Whoever is served first must not take the only one of another item.
		{"three items, each narrower", three, []string{"bob", "carol", "dave"}, []string{"bob", "carol", "dave"}, ""},
		{"three items, two people", three, []string{"bob", "carol"}, nil, "missing: 1 of c (nobody)"},
		{"three items, nobody for the narrowest", three, []string{"carol", "dave"}, nil, "missing: 1 of c (bob)"},
		{"two of two groups and two of one", twoOfThree, []string{"bob", "carol", "dave", "frank"}, []string{"bob", "carol", "dave", "frank"}, ""},
		{"two of two groups and two of one, by three", twoOfThree, []string{"bob", "carol", "dave"}, nil, "missing: 1 of platform (frank)"},
		{"in two groups, and counted once", func(j *Judgement) {
			groups(j, map[string][]string{"a": {"bob"}, "b": {"bob", "dave"}})
			needs(schema.Approval{From: []string{"a", "b"}, Count: 2})(j)
		}, []string{"bob"}, nil, "missing: 1 of a (nobody) or b (dave)"},
		{"in the groups of two items, and counted once", func(j *Judgement) {
			groups(j, map[string][]string{"a": {"bob"}, "b": {"bob", "dave"}})
			needs(schema.Approval{From: []string{"a"}, Count: 1}, schema.Approval{From: []string{"b"}, Count: 1})(j)
		}, []string{"bob"}, nil, "missing: 1 of b (dave)"},
		{"manager and lead at once, and counted once", needs(leads, schema.Approval{From: []string{schema.SubjectManager}, Count: 1}),
			[]string{"carol"}, nil, "missing: 1 of subject.manager (nobody)"},
		{"a lead, and the manager who is one, too", needs(leads, schema.Approval{From: []string{schema.SubjectManager}, Count: 1}),
			[]string{"carol", "bob"}, []string{"bob", "carol"}, ""},

		{"a group within a group within a group", func(j *Judgement) {
			groups(j, map[string][]string{"deep": {"frank"}, "middle": {"deep"}, "top": {"middle"}})
			needs(schema.Approval{From: []string{"top"}, Count: 1})(j)
		}, []string{"frank"}, []string{"frank"}, ""},
		{"the outer group does not approve for the inner one", func(j *Judgement) {
			groups(j, map[string][]string{"inner": {"frank"}, "outer": {"inner", "dave"}})
			needs(schema.Approval{From: []string{"inner"}, Count: 1})(j)
		}, []string{"dave"}, nil, "missing: 1 of inner (frank)"},
		{"groups that contain each other", func(j *Judgement) {
			groups(j, map[string][]string{"x": {"y", "bob"}, "y": {"x"}})
			needs(schema.Approval{From: []string{"y"}, Count: 1})(j)
		}, []string{"bob"}, []string{"bob"}, ""},
		{"a group that does not exist", needs(schema.Approval{From: []string{"nobodies"}, Count: 1}), []string{"bob"}, nil, "missing: 1 of nobodies (nobody)"},

		{"a condition that applies, met", long, []string{"bob", "dave"}, []string{"bob", "dave"}, ""},
		{"a condition that applies, not met", long, []string{"bob"}, nil, "missing: 1 of security (dave)"},
		{"a condition that does not apply", func(j *Judgement) { long(j); j.Request.Duration = 4 * time.Hour }, []string{"bob"}, []string{"bob"}, ""},
		{"a condition on an extension, by the window as a whole", func(j *Judgement) {
			long(j)
			j.Request.Duration, j.Request.ExpiresAt, j.FirstMerged = 0, clock("12:30"), clock("08:00")
		}, []string{"bob"}, nil, "missing: 1 of security (dave)"},

		{"on leave", func(j *Judgement) { needs(leads)(j); j.Trusted.People["bob"].Active = false }, []string{"bob"}, nil, "missing: 1 of orders-leads (carol)"},
		{"the manager on leave", func(j *Judgement) {
			needs(schema.Approval{From: []string{schema.SubjectManager}, Count: 1})(j)
			j.Trusted.People["carol"].Active = false
		}, []string{"carol"}, nil, "missing: 1 of subject.manager (nobody)"},
		{"an account that two people claim", func(j *Judgement) {
			needs(leads)(j)
			j.Trusted.People["mallory"].Forge["github"] = schema.ForgeAccount{ID: 2}
		}, []string{"bob"}, nil, "claimed by several people (bob, mallory)"},

		{"the manager of all subjects", func(j *Judgement) {
			needs(schema.Approval{From: []string{schema.SubjectManager}, Count: 1})(j)
			j.Trusted.People["erin"].Manager = "carol"
			j.Request.Subjects = []string{"alice", "erin"}
		}, []string{"carol"}, []string{"carol"}, ""},
		{"two managers, each of one subject", func(j *Judgement) {
			needs(schema.Approval{From: []string{schema.SubjectManager}, Count: 1})(j)
			j.Request.Subjects = []string{"alice", "erin"} // carol's and bob's
		}, []string{"bob", "carol"}, nil, "missing: 1 of subject.manager (nobody)"},
		{"a manager who is a subject", func(j *Judgement) {
			needs(schema.Approval{From: []string{schema.SubjectManager}, Count: 1})(j)
			j.Request.Subjects = []string{"alice", "carol"}
		}, []string{"carol"}, nil, "carol is a subject of the request"},
		{"nobody's subject", func(j *Judgement) {
			needs(schema.Approval{From: []string{schema.SubjectManager}, Count: 1})(j)
			j.Trusted.People["alice"].Manager = ""
		}, []string{"carol"}, nil, "missing: 1 of subject.manager (nobody)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := approvedBy(c.change, c.by...)
			if v.Proven != (c.used != nil) || !slices.Equal(v.Approvers, c.used) {
				t.Errorf("proven %v by %v, want %v\n%s", v.Proven, v.Approvers, c.used, lines(v.Checks))
			}
			mustContain(t, lines(v.Checks), c.detail)
		})
	}
}

func TestAnApprovalIsValidForAWhile(t *testing.T) {
	for _, c := range []struct {
		valid, age time.Duration
		proven     bool
	}{
		{0, 7 * 24 * time.Hour, true},
		{0, 7*24*time.Hour + time.Second, false},
		{24 * time.Hour, 24 * time.Hour, true},
		{24 * time.Hour, 24*time.Hour + time.Second, false},
		{30 * 24 * time.Hour, 20 * 24 * time.Hour, true},
	} {
		j := good()
		j.ApprovalsValid = c.valid
		j.Evidence.Reviews[0].SubmittedAt = j.Evidence.Pull.MergedAt.Add(-c.age)
		j.Evidence.HeadPushes[0].At = j.Evidence.Reviews[0].SubmittedAt.Add(-time.Minute)
		j.Evidence.Pull.CreatedAt = j.Evidence.HeadPushes[0].At
		if v := Judge(j); v.Proven != c.proven {
			t.Errorf("valid for %v, %v old: proven %v\n%s", c.valid, c.age, v.Proven, lines(v.Checks))
		}
		trust := trusting()
		trust.ApprovalsValid = c.valid
		trust.Evidence.HeadPushes, trust.Evidence.Pull = j.Evidence.HeadPushes, j.Evidence.Pull
		trust.Evidence.Reviews[0].SubmittedAt = j.Evidence.Reviews[0].SubmittedAt
		if v := JudgeTrust(trust); v.Proven != c.proven {
			t.Errorf("configuration, valid for %v, %v old: proven %v\n%s", c.valid, c.age, v.Proven, lines(v.Checks))
		}
	}
}

func TestTwoMustExtendTheChainOfTrustWhereItSaysSo(t *testing.T) {
	admins := func(change func(*TrustJudgement)) Verdict {
		j := trusting()
		j.Trusted.Groups["inner"] = &schema.Group{Name: "inner", Members: []string{"carol", "dave"}}
		j.Trusted.Groups["admins"] = &schema.Group{Name: "admins", Members: []string{"alice", "bob", "inner", "zoe"}}
		j.Group, j.Count = "admins", 2
		j.Evidence.Reviews = []forge.Review{approval(1, bobID, "10:00"), approval(2, daveID, "10:01")}
		change(&j)
		return JudgeTrust(j)
	}
	for _, c := range []struct {
		name   string
		change func(*TrustJudgement)
		by     []string // nil: not trusted
		detail string
	}{
		{"two", func(*TrustJudgement) {}, []string{"bob", "dave"}, "2 of admins: bob, dave"},
		{"three", func(j *TrustJudgement) {
			j.Evidence.Reviews = append(j.Evidence.Reviews, approval(3, carolID, "10:02"))
		}, []string{"bob", "carol", "dave"}, "2 of admins"},
		{"one", func(j *TrustJudgement) { j.Evidence.Reviews = j.Evidence.Reviews[:1] }, nil, "missing: 1 of admins (carol, dave)"},
		{"one, twice", func(j *TrustJudgement) { j.Evidence.Reviews[1].Reviewer = bobID }, nil, "missing: 1 of admins (carol, dave)"},
		{"one and the author", func(j *TrustJudgement) { j.Evidence.Reviews[1].Reviewer = aliceID }, nil, "alice is the author"},
		{"one and somebody on leave", func(j *TrustJudgement) { j.Evidence.Reviews[1].Reviewer = zoeID }, nil, "zoe, who is not active"},
		{"one and somebody else", func(j *TrustJudgement) { j.Evidence.Reviews[1].Reviewer = erinID }, nil, "missing: 1 of admins (carol, dave)"},
		{"one and a pusher", func(j *TrustJudgement) {
			j.Evidence.HeadPushes = append(j.Evidence.HeadPushes, push(daveID, "09:30", testHead))
		}, nil, "dave is a pusher"},
		{"one of them took it back", func(j *TrustJudgement) {
			r := approval(3, daveID, "10:30")
			r.State = forge.ReviewChangesRequested
			j.Evidence.Reviews = append(j.Evidence.Reviews, r)
		}, nil, "it does not approve"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := admins(c.change)
			if v.Proven != (c.by != nil) || !slices.Equal(v.Approvers, c.by) && c.by != nil {
				t.Errorf("trusted %v by %v\n%s", v.Proven, v.Approvers, lines(v.Checks))
			}
			mustContain(t, lines(v.Checks), c.detail)
		})
	}
}
