package policy

import (
	"slices"
	"testing"

	"github.com/tenure-dev/tenure/internal/forge"
)

// trusting is a change of a group that is trusted: alice opened it, dave of
// security approved it.
func trusting() TrustJudgement {
	g := good()
	g.Evidence.Introduction.Path = "groups/orders-leads.yaml"
	g.Evidence.Reviews = []forge.Review{approval(1, daveID, "10:00")}
	return TrustJudgement{Evidence: g.Evidence, Trusted: g.Trusted, Host: g.Host, ForgeType: g.ForgeType, Group: "security", Count: 1}
}

func TestJudgeTrustNeedsTheTrustGroup(t *testing.T) {
	v := JudgeTrust(trusting())
	if !v.Proven || !v.Final || v.Author != "alice" || !slices.Equal(v.Approvers, []string{"dave"}) {
		t.Fatalf("want trusted by dave, got %+v\n%s", v, lines(v.Checks))
	}
	if bad := failed(v.Checks); len(bad) > 0 {
		t.Errorf("failed checks of a trusted change: %q", bad)
	}
}

func TestJudgeTrustWaysIn(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(j *TrustJudgement)
		proven bool
		waits  bool
		detail string
	}{
		{name: "direct push", change: func(j *TrustJudgement) { j.Evidence.Problem = "it was pushed directly" }, detail: "pushed directly"},
		{name: "nobody approved", change: func(j *TrustJudgement) { j.Evidence.Reviews = nil }, detail: "missing: 1 of security (dave)"},
		{name: "a lead approved", change: func(j *TrustJudgement) { j.Evidence.Reviews[0].Reviewer = bobID }, detail: "missing: 1 of security (dave)"},
		{name: "an admin approves their own change", change: func(j *TrustJudgement) { j.Evidence.Pull.Author = daveID }, detail: "missing: 1 of security (nobody)"},
		{name: "an admin pushed to it", change: func(j *TrustJudgement) {
			j.Evidence.HeadPushes = append(j.Evidence.HeadPushes, push(daveID, "09:30", testHead))
		}, detail: "dave is a pusher"},
		{name: "a push after the approval", change: func(j *TrustJudgement) {
			j.Evidence.HeadPushes = append(j.Evidence.HeadPushes, push(aliceID, "10:30", testHead))
		}, detail: "before the last push"},
		{name: "opened by a bot", change: func(j *TrustJudgement) { j.Evidence.Pull.Author.Type = "Bot" }, detail: "a bot can remove access"},
		{name: "opened by nobody known", change: func(j *TrustJudgement) { j.Evidence.Pull.Author.ID = 999 }, detail: "no person has that id"},
		{name: "two are asked for", change: func(j *TrustJudgement) { j.Count = 2 }, detail: "missing: 1 of security (nobody)"},
		{name: "no group", change: func(j *TrustJudgement) { j.Group = "" }, detail: "missing: 1"},
		{name: "a group that does not exist", change: func(j *TrustJudgement) { j.Group = "admins" }, detail: "missing: 1"},
		{name: "an admin who is not active", change: func(j *TrustJudgement) { j.Trusted.People["dave"].Active = false }, detail: "dave, who is not active"},
		{name: "hidden by a rename", change: func(j *TrustJudgement) { j.Hidden = "roles/old.yaml" }, detail: "the same change takes away roles/old.yaml"},
		{name: "laundered", change: func(j *TrustJudgement) { j.Laundered = true }, detail: "last trusted bytes"},
		{name: "other bytes than reviewed", change: func(j *TrustJudgement) { j.Evidence.HeadBlob = "beef" }, detail: "changed what was reviewed"},
		{name: "gone at the head, there on the branch", change: func(j *TrustJudgement) { j.Evidence.HeadBlob = "" }, detail: "nobody reviewed"},
		{name: "gone on the branch, there at the head", change: func(j *TrustJudgement) { j.Evidence.Introduction.Blob = "" }, detail: "nobody reviewed"},
		{name: "an approved deletion", change: func(j *TrustJudgement) { j.Evidence.Introduction.Blob, j.Evidence.HeadBlob = "", "" }, proven: true},
		{name: "count below one means one", change: func(j *TrustJudgement) { j.Count, j.Evidence.Reviews = -1, nil }, detail: "missing: 1"},
		{name: "the state before is not known", change: func(j *TrustJudgement) { j.Trusted = nil }, waits: true, detail: "not known yet"},
		{name: "the push record is behind", change: func(j *TrustJudgement) {
			j.Evidence.HeadPushes, j.Evidence.ReadAt = nil, clock("11:05")
		}, waits: true, detail: "no push record says"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := trusting()
			c.change(&j)
			v := JudgeTrust(j)
			if v.Proven != c.proven || v.Final == c.waits {
				t.Errorf("proven %v, final %v\n%s", v.Proven, v.Final, lines(v.Checks))
			}
			mustContain(t, lines(v.Checks), c.detail)
		})
	}
}
