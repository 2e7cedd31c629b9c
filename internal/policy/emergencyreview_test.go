package policy

import (
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

// looked is alice's use of break-glass, which bob approved an hour after it began.
func looked() ReviewJudgement {
	j := glass()
	return ReviewJudgement{
		Request: j.Request, Pull: j.Pull, Head: testHead, HeadPushes: j.HeadPushes, Trusted: j.Trusted,
		Host: j.Host, ForgeType: j.ForgeType, Reviews: []forge.Review{approval(1, bobID, "10:00")},
	}
}

func TestAReviewOfAnEmergencyCountsAtAnyTime(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(j *ReviewJudgement)
		reviewed bool
		detail   string
	}{
		{name: "while it is open", change: func(*ReviewJudgement) {}, reviewed: true},
		{name: "when it is closed", change: func(j *ReviewJudgement) { j.Pull.State = "closed" }, reviewed: true},
		{name: "before the merge", change: func(j *ReviewJudgement) { j.Pull.State, j.Pull.MergedAt = "closed", clock("11:00") }, reviewed: true},
		{name: "after the merge", change: func(j *ReviewJudgement) { j.Pull.State, j.Pull.MergedAt = "closed", clock("09:30") }, reviewed: true},
		{name: "after the branch was deleted", change: func(j *ReviewJudgement) {
			j.Pull.State, j.Pull.MergedAt = "closed", clock("09:30")
			j.HeadPushes = append(j.HeadPushes, forge.Push{Actor: bobID, At: clock("09:31"), Before: testHead, Kind: forge.PushDelete})
		}, reviewed: true},
		{name: "weeks later", change: func(j *ReviewJudgement) { j.Reviews[0].SubmittedAt = clock("10:00").AddDate(0, 0, 30) }, reviewed: true},
		{name: "nobody", change: func(j *ReviewJudgement) { j.Reviews = nil }, detail: "missing: 1 of orders-leads (bob, carol)"},
		{name: "a comment", change: func(j *ReviewJudgement) { j.Reviews[0].State = forge.ReviewCommented }, detail: "missing: 1"},
		{name: "dismissed", change: func(j *ReviewJudgement) { j.Reviews[0].State = forge.ReviewDismissed }, detail: "it was dismissed"},
		{name: "refused later", change: func(j *ReviewJudgement) {
			r := approval(2, bobID, "11:00")
			r.State = forge.ReviewChangesRequested
			j.Reviews = append(j.Reviews, r)
		}, detail: "it does not approve"},
		{name: "by the author", change: func(j *ReviewJudgement) {
			j.Trusted.Groups["orders-leads"].Members = []string{"alice"}
			j.Reviews[0].Reviewer = aliceID
		}, detail: "alice is the author of the pull request"},
		{name: "by the author of what is for another", change: func(j *ReviewJudgement) {
			j.Request.Subjects = []string{"dave"}
			j.Pull.Author = bobID
		}, detail: "bob is the author"},
		{name: "by somebody who is not active", change: func(j *ReviewJudgement) { j.Reviews[0].Reviewer = zoeID }, detail: "zoe, who is not active"},
		{name: "by somebody outside the items", change: func(j *ReviewJudgement) { j.Reviews[0].Reviewer = daveID }, detail: "missing: 1 of orders-leads"},
		{name: "on another head", change: func(j *ReviewJudgement) { j.Reviews[0].Commit = "1111" }, detail: "not for the final head"},
		{name: "before the head was pushed", change: func(j *ReviewJudgement) { j.Reviews[0].SubmittedAt = clock("09:00") }, detail: "before the last push"},
		{name: "one of two", change: func(j *ReviewJudgement) { j.Trusted.Roles["writer"].Approvals[0].Count = 2 }, detail: "missing: 1 of"},
		{name: "the same person twice", change: func(j *ReviewJudgement) {
			j.Trusted.Roles["writer"].Approvals[0].Count = 2
			j.Reviews = append(j.Reviews, approval(2, bobID, "10:10"))
		}, detail: "missing: 1 of"},
		{name: "one role of two", change: func(j *ReviewJudgement) {
			j.Request.Roles = ask("alice", "writer", "deployer").Roles
			j.Trusted.Roles["deployer"].Approvals[0].From = []string{"security"}
		}, detail: "role deployer: missing: 1 of security (dave)"},
		{name: "an item with a condition", change: func(j *ReviewJudgement) {
			j.Trusted.Roles["writer"].Approvals = append(j.Trusted.Roles["writer"].Approvals,
				schema.Approval{From: []string{"security"}, Count: 1, When: "request.emergency"})
		}, detail: "missing: 1 of security (dave)"},
		{name: "the role is gone", change: func(j *ReviewJudgement) { delete(j.Trusted.Roles, "writer") }, detail: "role writer does not exist any more"},
		{name: "no role", change: func(j *ReviewJudgement) { j.Request.Roles = nil }, detail: "names no role"},
		{name: "no record of the head", change: func(j *ReviewJudgement) { j.HeadPushes = nil }, detail: "no push record says"},
		{name: "the head has never been there", change: func(j *ReviewJudgement) { j.Head = "2222" }, detail: "no push record says"},

		// A head that moved on.
		{name: "given before the head moved on", change: func(j *ReviewJudgement) { moved(j, "10:30") }, reviewed: true},
		{name: "given when the head had moved on, for the old one", change: func(j *ReviewJudgement) { moved(j, "09:30") }, detail: "at or after the next change of the head at 2026-11-23T09:30:00Z"},
		{name: "given in the second in which the head moved on", change: func(j *ReviewJudgement) { moved(j, "10:00") }, detail: "the next change of the head"},
		{name: "moved on in the second in which it was pushed", change: func(j *ReviewJudgement) { moved(j, "09:00") }, detail: "the next change of the head"},
		{name: "moved away and back, and approved then", change: func(j *ReviewJudgement) {
			moved(j, "09:20")
			j.HeadPushes = append(j.HeadPushes, push(aliceID, "09:30", testHead))
			j.Pull.HeadSHA = testHead
		}, reviewed: true},
		{name: "the order of the record does not matter", change: func(j *ReviewJudgement) {
			moved(j, "09:20")
			j.HeadPushes = append([]forge.Push{push(aliceID, "09:30", testHead)}, j.HeadPushes...)
			j.Pull.HeadSHA, j.Reviews[0].SubmittedAt = testHead, clock("09:30")
		}, detail: "before the last push at 2026-11-23T09:30:00Z"},
		{name: "moved away and back after the approval", change: func(j *ReviewJudgement) {
			moved(j, "10:20")
			j.HeadPushes = append(j.HeadPushes, push(aliceID, "10:30", testHead))
			j.Pull.HeadSHA = testHead
		}, detail: "before the last push at 2026-11-23T10:30:00Z"},
		{name: "the branch was used again after the merge", change: func(j *ReviewJudgement) {
			j.Pull.State, j.Pull.MergedAt = "closed", clock("09:30")
			j.HeadPushes = append(j.HeadPushes, forge.Push{Actor: aliceID, At: clock("09:50"), After: testHead, Kind: forge.PushCreate})
		}, reviewed: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := looked()
			c.change(&j)
			v := JudgeReview(j)
			if v.Proven != c.reviewed || v.Final != c.reviewed {
				t.Errorf("reviewed %v, final %v\n%s", v.Proven, v.Final, lines(v.Checks))
			}
			want := []string{"bob"}
			if !c.reviewed {
				want = nil
			}
			if !slices.Equal(v.Approvers, want) {
				t.Errorf("reviewed by %v, want %v", v.Approvers, want)
			}
			mustContain(t, lines(v.Checks), c.detail)
		})
	}
}

// moved is a push of another head.
func moved(j *ReviewJudgement, at string) {
	j.HeadPushes = append(j.HeadPushes, push(aliceID, at, "9999"))
	j.Pull.HeadSHA = "9999"
}

func TestJudgeReviewOfNothingIsNone(t *testing.T) {
	for _, remove := range []func(*ReviewJudgement){
		func(j *ReviewJudgement) { *j = ReviewJudgement{} },
		func(j *ReviewJudgement) { j.Request = nil },
		func(j *ReviewJudgement) { j.Trusted = nil },
		func(j *ReviewJudgement) {
			j.Head, j.HeadPushes[0].After, j.Reviews[0].Commit, j.Pull.HeadSHA = "", "", "", ""
		},
	} {
		j := looked()
		remove(&j)
		v := JudgeReview(j)
		if v.Proven || v.Final {
			t.Errorf("reviewed: %+v", v)
		}
		mustContain(t, lines(v.Checks), "not known what is to be reviewed")
	}
}

// emergencyLife is a request that was asked for as an emergency at 10:00.
func emergencyLife(length time.Duration) (*life, *schema.AccessRequest) {
	l := newLife()
	breakGlass(l.in.Tree)
	doc := hours(0)
	doc.Emergency, doc.Duration = true, length
	return l, doc
}

// opened appends a proven version whose pull request was opened and merged then.
func (l *life) opened(t *testing.T, doc *schema.AccessRequest, opened, merged string) {
	t.Helper()
	v := l.version(doc, time.Time{}, false)
	j := good()
	j.Trusted, j.Request, j.FirstMerged = l.in.Tree, doc, time.Time{}
	j.Evidence.Introduction, j.Evidence.HeadBlob = v.Introduction, v.Blob
	j.Evidence.Pull.CreatedAt, j.Evidence.Pull.MergedAt = clock(opened), clock(merged)
	j.Evidence.HeadPushes[0].At, j.Evidence.Reviews[0].SubmittedAt = clock(opened), clock(opened).Add(time.Minute)
	for _, earlier := range l.in.Record.Versions {
		if earlier.Evidence != nil {
			j.FirstMerged = Anchor(l.docs[earlier.Blob], earlier.Evidence.Pull)
			break
		}
	}
	verdict := Judge(j)
	if !verdict.Proven {
		t.Fatal(lines(verdict.Checks))
	}
	v.Evidence, v.Verdict = &j.Evidence, &verdict
}

func TestAMergeDoesNotStartTheWindowOfAnEmergencyAnew(t *testing.T) {
	l, doc := emergencyLife(2 * time.Hour)
	l.opened(t, doc, "10:00", "11:00")
	d := l.decide()
	wantHolds(t, d, clock("11:30"), aliceWrites+"12:00")
	wantHolds(t, d, clock("12:00"), "nothing")
	// A later version that is no emergency counts from the same instant.
	l.opened(t, hours(4), "11:10", "11:40")
	d = l.decide()
	wantHolds(t, d, clock("13:59"), aliceWrites+"14:00")
	wantHolds(t, d, clock("14:00"), "nothing")
}

func TestAnEmergencyThatIsOverAtTheMergeBringsNothing(t *testing.T) {
	l, doc := emergencyLife(30 * time.Minute)
	l.opened(t, doc, "10:00", "11:00")
	d := l.decide()
	for _, at := range []string{"10:00", "10:29"} {
		wantHolds(t, d, clock(at), aliceWrites+"10:30")
	}
	wantHolds(t, d, clock("11:00"), "nothing")
	if next := d.Next(clock("11:00")); !next.IsZero() {
		t.Errorf("something happens at %v", next)
	}
	// Nor does an edit that is merged later.
	longer := *doc
	longer.Duration = 2 * time.Hour
	l.opened(t, &longer, "11:05", "11:30")
	wantHolds(t, l.decide(), clock("11:30"), "nothing")
}

func TestBytesThatCannotBeReadDoNotMoveTheAnchorOfAnEmergency(t *testing.T) {
	l, doc := emergencyLife(2 * time.Hour)
	l.opened(t, doc, "10:00", "11:00")
	delete(l.docs, "blob1") // a newer program refuses them
	edit := *doc
	edit.Reason = "the job is still stuck"
	l.opened(t, &edit, "10:30", "11:20")
	d := l.decide()
	wantHolds(t, d, clock("11:59"), aliceWrites+"12:00")
	wantHolds(t, d, clock("12:00"), "nothing")
}

func TestAMergedEmergencyIsNarrowedByItsOwnTerms(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*schema.Tree)
		want   string
	}{
		"off the ordinary requesters": {func(t *schema.Tree) { t.Roles["writer"].Requesters = nil }, aliceWrites + "12:00"},
		"off call":                    {func(t *schema.Tree) { t.Groups["on-call"].Members = nil }, "nothing"},
		"terms gone":                  {func(t *schema.Tree) { t.Roles["writer"].Emergency = nil }, "nothing"},
		"an ordinary limit":           {func(t *schema.Tree) { t.Roles["writer"].MaxDuration = time.Minute }, aliceWrites + "12:00"},
		"a lower limit":               {func(t *schema.Tree) { t.Roles["writer"].Emergency.MaxDuration = 90 * time.Minute }, aliceWrites + "11:30"},
	} {
		t.Run(name, func(t *testing.T) {
			l, doc := emergencyLife(2 * time.Hour)
			l.opened(t, doc, "10:00", "11:00")
			c.change(l.in.Tree)
			wantHolds(t, l.decide(), clock("11:10"), c.want)
		})
	}
}

func TestWhereAWindowIsCountedFrom(t *testing.T) {
	pull := &forge.PullRequest{CreatedAt: clock("09:00"), MergedAt: clock("11:00")}
	if at := Anchor(hours(1), pull); !at.Equal(clock("11:00")) {
		t.Errorf("a request: %v", at)
	}
	if at := Anchor(nil, pull); !at.Equal(clock("11:00")) {
		t.Errorf("a request that cannot be read: %v", at)
	}
	_, doc := emergencyLife(time.Hour)
	if at := Anchor(doc, pull); !at.Equal(clock("09:00")) {
		t.Errorf("an emergency: %v", at)
	}
	if at := Anchor(doc, nil); !at.IsZero() {
		t.Errorf("without a pull request: %v", at)
	}
}
