package policy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

const testCommit = "dddddddddddddddddddddddddddddddddddddddd"

// life builds the input of Decide version by version.
type life struct {
	in   DecideInput
	docs map[string]*schema.AccessRequest
	n    int
}

func newLife() *life {
	l := &life{docs: map[string]*schema.AccessRequest{}}
	l.in = DecideInput{
		Record: Record{ID: "requests/a.yaml@cccccccccccc", Path: "requests/a.yaml"},
		Docs:   func(blob string) *schema.AccessRequest { return l.docs[blob] },
		Tree:   world(), Commit: testCommit, At: clock("12:00"), Canonical: canonical,
	}
	return l
}

// version appends a version with its own bytes and returns it.
func (l *life) version(doc *schema.AccessRequest, merged time.Time, proven bool) *Version {
	l.n++
	blob := fmt.Sprintf("blob%d", l.n)
	l.docs[blob] = doc
	return l.again(blob, merged, proven)
}

// again appends a version with bytes that were there before. A zero merge is one
// that nothing is known of.
func (l *life) again(blob string, merged time.Time, proven bool) *Version {
	v := Version{Introduction: forge.Introduction{Path: l.in.Record.Path, Blob: blob, Commit: fmt.Sprintf("%040d", l.n)}}
	if !merged.IsZero() {
		j := good()
		j.Request = l.docs[blob]
		j.Evidence.Introduction = v.Introduction
		j.Evidence.HeadBlob = blob
		j.Evidence.Pull.MergedAt = merged
		j.Evidence.ReadAt = merged.Add(2 * time.Hour)
		j.Evidence.Pull.CreatedAt = merged.Add(-2 * time.Hour)
		j.Evidence.HeadPushes[0].At = merged.Add(-2 * time.Hour)
		j.Evidence.Reviews[0].SubmittedAt = merged.Add(-time.Hour)
		j.FirstMerged = l.firstMerged()
		if !proven {
			j.Evidence.Reviews = nil
		}
		v.Evidence = &j.Evidence
		verdict := Judge(j)
		if verdict.Proven != proven {
			panic(lines(verdict.Checks))
		}
		v.Verdict = &verdict
	}
	l.in.Record.Versions = append(l.in.Record.Versions, v)
	return &l.in.Record.Versions[len(l.in.Record.Versions)-1]
}

func (l *life) firstMerged() time.Time {
	for _, v := range l.in.Record.Versions {
		if v.Verdict != nil && v.Verdict.Proven {
			return v.Evidence.Pull.MergedAt
		}
	}
	return time.Time{}
}

// decide decides and makes the result the previous decision.
func (l *life) decide() grants.Decision {
	d := Decide(l.in)
	l.in.Previous = d
	return d
}

// holds says what a decision holds at an instant: who and what, and until when.
func holds(d grants.Decision, at time.Time) string {
	items, until := d.At(at)
	if len(items) == 0 {
		return "nothing"
	}
	out := ""
	for _, it := range items {
		out += it.Subject + " " + it.Entitlement + " "
	}
	return out + until.Format("15:04")
}

const aliceWrites = "alice postgres:role=orders_rw "

func wantHolds(t *testing.T, d grants.Decision, at time.Time, want string) {
	t.Helper()
	if got := holds(d, at); got != want {
		t.Errorf("at %s: holds %q, want %q\n%s", stamp(at), got, want, lines(d.Checks))
	}
}

func wantRemoved(t *testing.T, d grants.Decision, want ...grants.Cause) {
	t.Helper()
	var got []grants.Cause
	for _, r := range d.Removals {
		got = append(got, r.Cause)
	}
	if !slices.Equal(got, want) {
		t.Errorf("removals %v, want %v", d.Removals, want)
	}
}

func hours(n int) *schema.AccessRequest {
	r := ask("alice", "writer")
	r.Duration = time.Duration(n) * time.Hour
	return r
}

func TestDurationCountsFromTheFirstProvenMerge(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	d := l.decide()
	wantHolds(t, d, clock("10:59"), "nothing")
	wantHolds(t, d, clock("11:00"), aliceWrites+"15:00")
	wantHolds(t, d, clock("15:00"), "nothing")
	if d.Request != "requests/a.yaml@cccccccccccc" || d.Author != "alice" || d.Reason == "" || d.Ticket != "INC-4211" || d.Blob != "blob1" {
		t.Errorf("decision lacks what it is about: %+v", d)
	}

	// An approved edit of other fields does not restart the clock.
	edit := hours(4)
	edit.Reason = "the job is still stuck"
	l.version(edit, clock("13:00"), true)
	d = l.decide()
	wantHolds(t, d, clock("14:00"), aliceWrites+"15:00")
	wantHolds(t, d, clock("15:00"), "nothing")
	// An approved edit of a window field moves the end, and still counts from the first merge.
	l.version(hours(8), clock("14:00"), true)
	d = l.decide()
	wantHolds(t, d, clock("15:00"), aliceWrites+"19:00")
	wantRemoved(t, d)
}

func TestStartsAtOpensTheWindow(t *testing.T) {
	l := newLife()
	doc := hours(2)
	doc.StartsAt = clock("14:00")
	l.version(doc, clock("11:00"), true)
	d := l.decide()
	wantHolds(t, d, clock("13:59"), "nothing")
	wantHolds(t, d, clock("14:00"), aliceWrites+"16:00")
}

func TestNothingIsGrantedBeforeAProvenVersion(t *testing.T) {
	l := newLife()
	l.version(hours(4), time.Time{}, false)
	d := l.decide()
	wantHolds(t, d, clock("12:00"), "nothing")
	if d.Granted {
		t.Error("granted without a judged version")
	}
	mustContain(t, lines(d.Checks), "is not judged yet")
	l.version(hours(3), clock("11:00"), false)
	d = l.decide()
	if d.Granted {
		t.Error("granted although refused")
	}
	mustContain(t, lines(d.Checks), "missing: 1 of orders-leads")
}

func TestBrokenFirstVersionSaysSo(t *testing.T) {
	l := newLife()
	l.version(nil, clock("00:00"), false)
	l.in.Record.Versions[0] = Version{Introduction: l.in.Record.Versions[0].Introduction, Broken: true, Problem: "unknown key rolez"}
	d := l.decide()
	mustContain(t, lines(d.Checks), "unknown key rolez")
	if d.Granted {
		t.Error("granted a broken file")
	}
}

func TestUnprovenEdits(t *testing.T) {
	for _, pending := range []bool{true, false} { // not judged yet, or refused for good
		merged := clock("12:00")
		if pending {
			merged = time.Time{}
		}
		t.Run(fmt.Sprintf("pending %v: a longer window waits", pending), func(t *testing.T) {
			l := newLife()
			l.version(hours(4), clock("11:00"), true)
			l.decide()
			l.version(hours(8), merged, false)
			wantHolds(t, l.decide(), clock("12:30"), aliceWrites+"15:00")
		})
		t.Run(fmt.Sprintf("pending %v: a shorter window takes effect", pending), func(t *testing.T) {
			l := newLife()
			l.version(hours(4), clock("11:00"), true)
			l.decide()
			l.version(hours(2), merged, false)
			d := l.decide()
			wantHolds(t, d, clock("12:30"), aliceWrites+"13:00")
			wantRemoved(t, d)
		})
		t.Run(fmt.Sprintf("pending %v: other roles and subjects are not added", pending), func(t *testing.T) {
			l := newLife()
			l.version(hours(4), clock("11:00"), true)
			l.decide()
			edit := ask("alice", "writer", "deployer")
			edit.Subjects = []string{"alice", "erin"}
			l.version(edit, merged, false)
			wantHolds(t, l.decide(), clock("12:30"), aliceWrites+"15:00")
		})
		t.Run(fmt.Sprintf("pending %v: another subject instead takes away", pending), func(t *testing.T) {
			l := newLife()
			l.version(hours(4), clock("11:00"), true)
			l.decide()
			edit := ask("erin", "writer")
			l.version(edit, merged, false)
			d := l.decide()
			wantHolds(t, d, clock("12:30"), "nothing")
			wantRemoved(t, d, grants.CauseNarrowed)
		})
		t.Run(fmt.Sprintf("pending %v: a later start is a gap", pending), func(t *testing.T) {
			l := newLife()
			l.version(hours(4), clock("11:00"), true)
			l.decide()
			edit := hours(4)
			edit.StartsAt = clock("13:00")
			l.version(edit, merged, false)
			d := l.decide()
			wantHolds(t, d, clock("12:30"), "nothing")
			wantHolds(t, d, clock("13:30"), aliceWrites+"15:00")
		})
	}
}

func TestShorteningIntoThePastIsARemoval(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	l.decide()
	l.version(hours(1), time.Time{}, false) // over at 12:00, which is now
	d := l.decide()
	wantHolds(t, d, clock("12:00"), "nothing")
	wantRemoved(t, d, grants.CauseShortened)
	if r := d.Removals[0]; r.Commit != testCommit || !r.At.Equal(clock("12:00")) || r.Grant.Account != "alice" {
		t.Errorf("removal: %+v", r)
	}
}

func TestBringingBackProvenBytesNeedsNoApproval(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	l.decide()
	l.version(hours(2), time.Time{}, false)
	wantHolds(t, l.decide(), clock("12:30"), aliceWrites+"13:00")
	l.again("blob1", time.Time{}, false)
	d := l.decide()
	wantHolds(t, d, clock("12:30"), aliceWrites+"15:00")
	if len(d.Terms) != 1 {
		t.Errorf("terms: %+v", d.Terms)
	}
}

func TestEditOnAnUnprovenEditStaysNarrow(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	l.decide()
	l.version(hours(2), time.Time{}, false)
	l.version(hours(3), time.Time{}, false) // wider than the edit before it, and not proven either
	wantHolds(t, l.decide(), clock("12:30"), aliceWrites+"13:00")
}

func TestBrokenEditLeavesTheLastGoodVersion(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	l.in.Record.Versions = append(l.in.Record.Versions, Version{Introduction: forge.Introduction{Blob: "garbage"}, Broken: true, Problem: "not YAML"})
	d := l.decide()
	wantHolds(t, d, clock("12:30"), aliceWrites+"15:00")
	if d.Blob != "garbage" {
		t.Errorf("blob %q is not the one on the branch", d.Blob)
	}
	mustContain(t, lines(d.Checks), "broken")
}

func TestDeletionEndsAtOnce(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	l.decide()
	l.in.Record.GoneIn, l.in.Record.GoneAt = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", clock("12:00")
	d := l.decide()
	wantHolds(t, d, clock("12:30"), "nothing")
	wantRemoved(t, d, grants.CauseDeleted)
	if d.Granted || d.Blob != "" || d.Removals[0].Commit != l.in.Record.GoneIn {
		t.Errorf("decision: %+v", d)
	}
	again := l.decide()
	wantRemoved(t, again, grants.CauseDeleted) // once
}

func TestEndedIsFinal(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	d := l.decide()
	d.EndedAt = clock("12:00")
	d.Floor = clock("12:00")
	l.in.Previous = d
	l.version(hours(8), clock("11:30"), true)
	got := l.decide()
	wantHolds(t, got, clock("12:30"), "nothing")
	if !got.EndedAt.Equal(clock("12:00")) || !got.Floor.Equal(clock("12:00")) || got.Blob != "blob2" {
		t.Errorf("decision: %+v", got)
	}
}

func TestExtensionMergedAfterTheEndBringsNothingBack(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	l.version(hours(8), clock("15:00"), true) // the end itself
	d := l.decide()
	wantHolds(t, d, clock("15:30"), "nothing")
	if !d.EndedAt.Equal(clock("15:00")) {
		t.Errorf("ended at %v", d.EndedAt)
	}
	mustContain(t, lines(d.Checks), "a new one needs a new file")
}

func TestProvenBytesThatComeBackAfterTheEndBringNothingBack(t *testing.T) {
	for name, c := range map[string]struct {
		seen string // when the proven bytes came back
		want string // at 12:30
	}{
		"while it runs":          {"11:59", aliceWrites + "15:00"},
		"at the end itself":      {"12:00", "nothing"},
		"when it has been ended": {"12:10", "nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife()
			l.version(hours(4), clock("11:00"), true)
			l.decide()
			l.version(hours(1), time.Time{}, false).SeenAt = clock("11:10") // until 12:00
			l.decide()
			l.again("blob1", time.Time{}, false).SeenAt = clock(c.seen)
			l.in.At = clock(c.seen)
			d := l.decide()
			wantHolds(t, d, clock("12:30"), c.want)
			l.version(hours(4), clock("12:20"), false) // nor does anything later
			l.again("blob1", time.Time{}, false).SeenAt = clock("12:25")
			wantHolds(t, l.decide(), clock("12:30"), c.want)
			if c.want != "nothing" {
				return
			}
			if !d.EndedAt.Equal(clock("12:00")) {
				t.Errorf("ended at %v", d.EndedAt)
			}
			mustContain(t, lines(d.Checks), "a new one needs a new file")
		})
	}
}

func TestAnEditThatWasUndoneBeforeItWasSeenEndsNothing(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	l.decide()
	l.version(hours(1), time.Time{}, false).SeenAt = clock("13:00")
	l.again("blob1", time.Time{}, false).SeenAt = clock("13:00")
	wantHolds(t, l.decide(), clock("13:30"), aliceWrites+"15:00")
}

func TestAnExtensionThatIsProvenLateIsNotEndedByWhatCameBackAfterIt(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	l.decide() // until 15:00
	l.version(hours(8), clock("14:50"), true).SeenAt = clock("16:00")
	edit := hours(8)
	edit.Reason = "other words"
	l.version(edit, time.Time{}, false).SeenAt = clock("16:00")
	l.again("blob2", time.Time{}, false).SeenAt = clock("16:00")
	wantHolds(t, l.decide(), clock("16:30"), aliceWrites+"19:00")
}

func TestAnEndAheadOfTheClockLetsADeletionTakeAwayAtOnce(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	l.version(hours(8), clock("15:00"), true) // the forge's clock is ahead of ours, 12:00
	wantHolds(t, l.decide(), clock("12:30"), aliceWrites+"15:00")
	if d := l.decide(); !d.EndedAt.Equal(clock("15:00")) {
		t.Errorf("ended at %v", d.EndedAt)
	}
	l.in.Record.GoneIn, l.in.Record.GoneAt = testCommit, clock("12:00")
	d := l.decide()
	wantHolds(t, d, clock("12:30"), "nothing")
	if !d.EndedAt.Equal(clock("15:00")) {
		t.Errorf("after the deletion ended at %v", d.EndedAt)
	}
}

func TestFloorIsKept(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	l.in.Previous = grants.Decision{Request: l.in.Record.ID, Floor: clock("09:00")}
	if d := l.decide(); !d.Floor.Equal(clock("09:00")) {
		t.Errorf("floor %v", d.Floor)
	}
}

func TestTheStateInForceNarrows(t *testing.T) {
	cases := []struct {
		name   string
		change func(t *schema.Tree)
		want   string // at 12:30
		cause  []grants.Cause
	}{
		{"nothing changed", func(*schema.Tree) {}, aliceWrites + "15:00", nil},
		{"person deactivated", func(t *schema.Tree) { t.People["alice"].Active = false }, "nothing", []grants.Cause{grants.CauseDeactivated}},
		{"person deleted", func(t *schema.Tree) { delete(t.People, "alice") }, "nothing", []grants.Cause{grants.CauseDeactivated}},
		{"role deleted", func(t *schema.Tree) { delete(t.Roles, "writer") }, "nothing", []grants.Cause{grants.CauseNarrowed}},
		{"requester removed", func(t *schema.Tree) { t.Groups["engineering"].Members = []string{"erin"} }, "nothing", []grants.Cause{grants.CauseNarrowed}},
		{"requesters emptied", func(t *schema.Tree) { t.Roles["writer"].Requesters = nil }, "nothing", []grants.Cause{grants.CauseNarrowed}},
		{"entitlement lost", func(t *schema.Tree) { t.Roles["writer"].Entitlements[0].Spec["role"] = "orders_ro" }, "nothing", []grants.Cause{grants.CauseNarrowed}},
		{"target deleted", func(t *schema.Tree) { delete(t.Targets, "orders-db") }, "nothing", []grants.Cause{grants.CauseNarrowed}},
		{"ceiling lowered", func(t *schema.Tree) { t.Targets["orders-db"].Allow = []map[string]any{{"role": "orders_ro"}} }, "nothing", []grants.Cause{grants.CauseNarrowed}},
		{"account changed", func(t *schema.Tree) { t.People["alice"].Accounts = map[string]string{"orders-db": "root"} }, "nothing", []grants.Cause{grants.CauseNarrowed}},
		{"limit lowered", func(t *schema.Tree) { t.Roles["writer"].MaxDuration = 2 * time.Hour }, aliceWrites + "13:00", nil},
		{"limit lowered below what is used", func(t *schema.Tree) { t.Roles["writer"].MaxDuration = time.Hour }, "nothing", []grants.Cause{grants.CauseNarrowed}},
		{"limit raised", func(t *schema.Tree) { t.Roles["writer"].MaxDuration = 80 * time.Hour }, aliceWrites + "15:00", nil},
		{"entitlement added", func(t *schema.Tree) {
			t.Roles["writer"].Entitlements = append(t.Roles["writer"].Entitlements,
				schema.Entitlement{Target: "orders-db", Spec: map[string]any{"role": "orders_ro"}})
		}, aliceWrites + "15:00", nil},
		{"approvals tightened", func(t *schema.Tree) { t.Roles["writer"].Approvals[0].Count = 5 }, aliceWrites + "15:00", nil},
		{"ticket rule tightened", func(t *schema.Tree) { t.Roles["writer"].Require.Ticket = "^X$" }, aliceWrites + "15:00", nil},
		{"guardrail added that fails", func(t *schema.Tree) {
			t.Policies = []*schema.Policy{{Rules: []schema.Rule{{Name: "x", Require: "1/0 == 1"}}}}
		}, aliceWrites + "15:00", nil},
		{"approver deactivated", func(t *schema.Tree) { t.People["bob"].Active = false }, aliceWrites + "15:00", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := newLife()
			l.version(hours(4), clock("11:00"), true)
			l.decide()
			c.change(l.in.Tree)
			l.in.At = clock("12:30")
			d := l.decide()
			wantHolds(t, d, clock("12:30"), c.want)
			wantRemoved(t, d, c.cause...)
		})
	}
}

func TestOneSubjectOfAGroupLosesItsOwnOnly(t *testing.T) {
	l := newLife()
	l.in.Tree.Groups["pair"] = &schema.Group{Name: "pair", Members: []string{"alice", "erin"}}
	doc := ask("alice", "writer")
	doc.Subjects = []string{"alice", "erin"}
	l.version(doc, clock("11:00"), true)
	wantHolds(t, l.decide(), clock("12:30"), aliceWrites+"erin postgres:role=orders_rw 15:00")
	l.in.Tree.People["erin"].Active = false
	d := l.decide()
	wantHolds(t, d, clock("12:30"), aliceWrites+"15:00")
	wantRemoved(t, d, grants.CauseDeactivated)
}

func TestTheStrictestRoleBoundsTheWholeRequest(t *testing.T) {
	l := newLife()
	l.version(ask("alice", "writer", "deployer"), clock("11:00"), true)
	l.in.Tree.Roles["writer"].MaxDuration = 2 * time.Hour
	want := "alice kubernetes:clusterRole=edit,namespace=orders "
	wantHolds(t, l.decide(), clock("12:30"), want+aliceWrites+"13:00")
	// Losing the strict role's entitlement gives the other no time back.
	l.in.Tree.Roles["writer"].Requesters = nil
	wantHolds(t, l.decide(), clock("12:30"), want+"13:00")
}

func TestSchedulesAreCutToLimitsThatWereLowered(t *testing.T) {
	l := newLife()
	doc := ask("alice", "writer")
	doc.Duration = 0
	doc.ExpiresAt = day.AddDate(0, 0, 20)
	doc.Schedule = &schema.Schedule{Cron: "0 9 * * *", Duration: 8 * time.Hour}
	l.version(doc, clock("11:00"), true)
	tomorrow := day.AddDate(0, 0, 1)
	d := l.decide()
	wantHolds(t, d, tomorrow.Add(10*time.Hour), aliceWrites+"17:00")
	l.in.Tree.Roles["writer"].MaxDuration = 2 * time.Hour
	l.in.Tree.Roles["writer"].MaxSpan = 48 * time.Hour
	d = l.decide()
	wantHolds(t, d, tomorrow.Add(10*time.Hour), aliceWrites+"11:00")
	wantHolds(t, d, tomorrow.Add(12*time.Hour), "nothing")
	wantHolds(t, d, day.AddDate(0, 0, 3).Add(10*time.Hour), "nothing")
	if doc.Schedule.Duration != 8*time.Hour {
		t.Error("the document was changed")
	}
}

func TestStandingAccessEndsAtItsReview(t *testing.T) {
	l := newLife()
	doc := ask("alice", "writer")
	doc.Duration, doc.ReviewBy = 0, clock("20:00")
	base := good()
	base.Trusted.Roles["writer"].Standing = true
	base.Request = doc
	verdict := Judge(base)
	if !verdict.Proven {
		t.Fatal(lines(verdict.Checks))
	}
	l.docs[testBlob] = doc
	l.in.Record.Versions = []Version{{Introduction: base.Evidence.Introduction, Evidence: &base.Evidence, Verdict: &verdict}}
	l.in.Tree.Roles["writer"].Standing = true
	wantHolds(t, l.decide(), clock("19:59"), aliceWrites+"20:00")
	l.in.Tree.Roles["writer"].MaxReview = 2 * time.Hour
	wantHolds(t, l.decide(), clock("12:30"), aliceWrites+"13:00")
	l.in.Tree.Roles["writer"].Standing = false
	d := l.decide()
	wantHolds(t, d, clock("12:30"), "nothing")
	wantRemoved(t, d, grants.CauseNarrowed)
}

func TestEvidenceThatNoLongerCountsTakesAway(t *testing.T) {
	l := newLife()
	v := l.version(hours(4), clock("11:00"), true)
	l.decide()
	v.Verdict = &Verdict{Final: true}
	d := l.decide()
	wantHolds(t, d, clock("12:30"), "nothing")
	wantRemoved(t, d, grants.CauseUnproven)
}

func TestWithoutAStateTheLastDecisionStays(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	before := l.decide()
	l.in.Tree = nil
	if got := l.decide(); holds(got, clock("12:30")) != holds(before, clock("12:30")) {
		t.Errorf("got %+v", got)
	}
}

func TestProvenDocumentThatCannotBeReadKeepsWhatWasHeld(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	l.decide()
	delete(l.docs, "blob1")
	d := l.decide()
	wantHolds(t, d, clock("12:30"), aliceWrites+"15:00")
	mustContain(t, lines(d.Checks), "cannot be read")
	l.in.Tree.People["alice"].Active = false
	d = l.decide()
	wantHolds(t, d, clock("12:30"), "nothing")
	wantRemoved(t, d, grants.CauseDeactivated)
	l.in.Previous = grants.Decision{}
	if l.decide().Granted {
		t.Error("granted what cannot be read and was not held")
	}
}

func TestProvenDocumentThatCannotBeReadKeepsNothingNew(t *testing.T) {
	l := newLife()
	l.version(hours(4), clock("11:00"), true)
	l.decide()
	l.version(hours(8), clock("12:00"), true)
	delete(l.docs, "blob2")
	wantHolds(t, l.decide(), clock("12:30"), aliceWrites+"15:00")
}

func TestAnUnreadableFirstVersionDoesNotRestartTheClock(t *testing.T) {
	l := newLife()
	first := l.version(hours(4), clock("10:00"), true).Blob
	l.version(hours(6), clock("12:00"), true)
	delete(l.docs, first)
	d := l.decide()
	wantHolds(t, d, clock("15:59"), holds(d, clock("12:30")))
	if end := d.Ends(); !end.Equal(clock("16:00")) {
		t.Errorf("ends at %s, six hours after the first merge are over at 16:00", end)
	}
}
