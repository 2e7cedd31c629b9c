package policy

import (
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

func TestJudgeGrantsWhatWasApproved(t *testing.T) {
	v := Judge(good())
	if !v.Proven || !v.Final || v.Author != "alice" || !slices.Equal(v.Approvers, []string{"bob"}) {
		t.Fatalf("want proven by bob, got %+v\n%s", v, lines(v.Checks))
	}
	if len(v.Items) != 1 || v.Items[0].String() != "orders-db: postgres:role=orders_rw for alice" ||
		v.Items[0].Subject != "alice" || v.Items[0].Role != "writer" || v.Items[0].Spec != `{"role":"orders_rw"}` {
		t.Errorf("items: %+v", v.Items)
	}
	if bad := failed(v.Checks); len(bad) > 0 {
		t.Errorf("failed checks of a proven request: %q", bad)
	}
}

// Every case is a way in that must stay shut, or a way that must stay open.
func TestJudgeWaysIn(t *testing.T) {
	cases := []struct {
		name   string
		change func(j *Judgement)
		proven bool
		waits  bool   // not proven, and not final
		detail string // in the checks
	}{
		// The change.
		{name: "direct push", change: func(j *Judgement) {
			j.Evidence.Pull = nil
			j.Evidence.Problem = "commit cccc was pushed directly: no pull request brought it"
		}, detail: "no pull request brought it"},
		{name: "evidence not read yet", change: func(j *Judgement) { j.Evidence = forge.Evidence{} }, waits: true, detail: "no pull request is known yet"},
		{name: "ambiguous or indirect merge", change: func(j *Judgement) {
			j.Evidence.Problem = "two pull requests claim commit cccc"
		}, detail: "two pull requests claim"},
		{name: "not merged", change: func(j *Judgement) { j.Evidence.Pull.MergedAt = time.Time{} }, detail: "is not merged"},
		{name: "merge commit unknown", change: func(j *Judgement) { j.Evidence.Pull.MergeCommit = "" }, detail: "is not merged"},
		{name: "state before the pull request unknown", change: func(j *Judgement) { j.Evidence.Before = "" }, detail: "is not merged"},
		{name: "trusted state unknown", change: func(j *Judgement) { j.Trusted = nil }, waits: true, detail: "not known yet"},
		{name: "another repository of the same name", change: func(j *Judgement) { j.Evidence.Pull.BaseRepoID = 4243 }, detail: "not to the configured id"},
		{name: "repository not pinned", change: func(j *Judgement) { j.Evidence.RepositoryID, j.Evidence.Pull.BaseRepoID = 0, 0 }, detail: "not to the configured id"},
		{name: "merged into another branch", change: func(j *Judgement) { j.Evidence.Pull.BaseRef = "staging" }, detail: "not into the watched branch"},
		{name: "blob differs from the reviewed head", change: func(j *Judgement) { j.Evidence.HeadBlob = "beef" }, detail: "the merge changed what was reviewed"},
		{name: "file not in the reviewed head", change: func(j *Judgement) { j.Evidence.HeadBlob = "" }, detail: "nobody reviewed"},
		{name: "both blobs unknown", change: func(j *Judgement) { j.Evidence.HeadBlob, j.Evidence.Introduction.Blob = "", "" }, detail: "nobody reviewed"},
		{name: "hidden by a rename", change: func(j *Judgement) { j.Hidden = "requests/old.yaml" }, detail: "the same change takes away requests/old.yaml"},
		{name: "laundered", change: func(j *Judgement) { j.Laundered = true }, detail: "last trusted bytes"},
		{name: "retarget after approval", change: func(j *Judgement) { j.Evidence.BaseChange = clock("10:30") }, detail: "before the base branch changed"},
		{name: "retarget at the instant of the approval", change: func(j *Judgement) { j.Evidence.BaseChange = clock("10:00") }, detail: "before the base branch changed"},
		{name: "retarget before approval", change: func(j *Judgement) { j.Evidence.BaseChange = clock("09:30") }, proven: true},

		// The author and the subjects.
		{name: "opened by a bot", change: func(j *Judgement) { j.Evidence.Pull.Author.Type = "Bot" }, detail: "a bot can remove access, never grant it"},
		{name: "opened by a ghost", change: func(j *Judgement) { j.Evidence.Pull.Author.ID = 0 }, detail: "ghost"},
		{name: "re-registered login", change: func(j *Judgement) { j.Evidence.Pull.Author.ID = 999 }, detail: "no person has that id"},
		{name: "author on another host", change: func(j *Judgement) { j.Evidence.Pull.Author.Host = "ghe.example.com" }, detail: "is an account of host"},
		{name: "host not configured", change: func(j *Judgement) {
			j.Host, j.Evidence.Pull.Author.Host, j.Evidence.Reviews[0].Reviewer.Host = "", "", ""
		}, detail: "is an account of host"},
		{name: "author inactive", change: func(j *Judgement) { j.Trusted.People["alice"].Active = false }, detail: "who is not active"},
		{name: "author is a service account", change: func(j *Judgement) { j.Trusted.People["alice"].Service = true }, detail: "service account"},
		{name: "forge id claimed by two people", change: func(j *Judgement) {
			j.Trusted.People["mallory"].Forge["github"] = schema.ForgeAccount{ID: 1}
		}, detail: "is claimed by several people (alice, mallory)"},
		{name: "author may not request", change: func(j *Judgement) {
			j.Evidence.Pull.Author = user("mallory", 6)
		}, detail: "mallory may not ask for writer: not in engineering"},
		{name: "subject may not request", change: func(j *Judgement) { j.Request.Subjects = []string{"mallory"} }, detail: "mallory may not ask for writer"},
		{name: "one subject of two may not request", change: func(j *Judgement) { j.Request.Subjects = []string{"alice", "mallory"} }, detail: "mallory may not ask for writer"},
		{name: "requesters empty", change: func(j *Judgement) { j.Trusted.Roles["writer"].Requesters = nil }, detail: "so nobody may"},
		{name: "requesters unknown group", change: func(j *Judgement) { j.Trusted.Roles["writer"].Requesters = []string{"alice"} }, detail: "alice may not ask"},
		{name: "subject inactive", change: func(j *Judgement) { j.Request.Subjects = []string{"zoe"} }, detail: "zoe is not active"},
		{name: "subject unknown", change: func(j *Judgement) { j.Request.Subjects = []string{"alice", "nobody"} }, detail: "nobody is neither a person nor a group"},
		{name: "subject is an empty group", change: func(j *Judgement) { j.Request.Subjects = []string{"empty"} }, detail: "for nobody"},
		{name: "subject added by the pull request itself", change: func(j *Judgement) { delete(j.Trusted.People, "alice") }, detail: "alice is neither a person"},
		{name: "service account as subject", change: func(j *Judgement) {
			j.Request.Subjects = []string{"robot"}
		}, proven: true},

		// The reviews.
		{name: "no review", change: func(j *Judgement) { j.Evidence.Reviews = nil }, detail: "missing: 1 of orders-leads (bob, carol) or subject.manager (carol)"},
		{name: "self-approval", change: func(j *Judgement) {
			j.Trusted.Groups["orders-leads"].Members = append(j.Trusted.Groups["orders-leads"].Members, "alice")
			j.Evidence.Reviews = []forge.Review{approval(1, aliceID, "10:00")}
		}, detail: "alice is the author of the pull request"},
		{name: "approval by a subject", change: func(j *Judgement) {
			j.Request.Subjects = []string{"bob"}
		}, detail: "bob is a subject of the request"},
		{name: "approval by a member of the subject group", change: func(j *Judgement) {
			j.Request.Subjects = []string{"leads"}
			j.Trusted.People["zoe"].Active = true
		}, detail: "bob is a subject of the request"},
		{name: "approval before the last push, re-pointed to the new head", change: func(j *Judgement) {
			j.Evidence.HeadPushes = append(j.Evidence.HeadPushes, push(aliceID, "10:30", testHead))
			j.Evidence.HeadPushes[0].After = "1111"
		}, detail: "it was given before the last push at 2026-11-23T10:30:00Z"},
		{name: "approval in the instant of the last push", change: func(j *Judgement) { j.Evidence.HeadPushes[0].At = clock("10:00") }, detail: "before the last push"},
		{name: "head pushed away and back after the approval", change: func(j *Judgement) {
			j.Evidence.HeadPushes = append(j.Evidence.HeadPushes, push(aliceID, "10:20", "1111"),
				forge.Push{Actor: aliceID, At: clock("10:40"), Before: "1111", After: testHead, Kind: forge.PushForce})
		}, detail: "before the last push at 2026-11-23T10:40:00Z"},
		{name: "branch restored after the approval", change: func(j *Judgement) {
			j.Evidence.HeadPushes = append(j.Evidence.HeadPushes,
				forge.Push{Actor: aliceID, At: clock("10:20"), Before: testHead, Kind: forge.PushDelete},
				forge.Push{Actor: aliceID, At: clock("10:40"), After: testHead, Kind: forge.PushCreate})
		}, detail: "before the last push at 2026-11-23T10:40:00Z"},
		{name: "branch deleted by the approver after the merge", change: func(j *Judgement) {
			j.Evidence.HeadPushes = append(j.Evidence.HeadPushes, forge.Push{Actor: bobID, At: clock("11:05"), Before: testHead, Kind: forge.PushDelete})
		}, proven: true},
		{name: "branch name used again after the merge", change: func(j *Judgement) {
			j.Evidence.HeadPushes = append(j.Evidence.HeadPushes, forge.Push{Actor: bobID, At: clock("12:00"), After: "9999", Kind: forge.PushCreate})
		}, proven: true},
		{name: "approver pushed to an earlier life of the branch", change: func(j *Judgement) {
			j.Evidence.HeadPushes = append([]forge.Push{push(bobID, "07:00", "7777"),
				{Actor: bobID, At: clock("07:30"), Kind: forge.PushDelete}}, j.Evidence.HeadPushes...)
		}, proven: true},
		{name: "approver pushed before the branch was made anew under an open pull request", change: func(j *Judgement) {
			j.Evidence.HeadPushes = append(j.Evidence.HeadPushes, push(bobID, "09:10", "1111"),
				forge.Push{Actor: aliceID, At: clock("09:20"), Before: "1111", Kind: forge.PushDelete},
				forge.Push{Actor: aliceID, At: clock("09:30"), After: testHead, Kind: forge.PushCreate})
		}, detail: "bob is a pusher to the pull request"},
		{name: "branch deleted by the approver before the approval", change: func(j *Judgement) {
			j.Evidence.HeadPushes = append(j.Evidence.HeadPushes,
				forge.Push{Actor: bobID, At: clock("09:20"), Before: testHead, Kind: forge.PushDelete},
				forge.Push{Actor: aliceID, At: clock("09:30"), After: testHead, Kind: forge.PushCreate})
		}, proven: true},
		{name: "push record missing, long after the merge", change: func(j *Judgement) { j.Evidence.HeadPushes = nil }, detail: "no push record says when the head"},
		{name: "push record missing, soon after the merge", change: func(j *Judgement) {
			j.Evidence.HeadPushes = nil
			j.Evidence.ReadAt = clock("11:30")
		}, waits: true, detail: "no push record says when the head"},
		{name: "push record missing, and refused for good anyway", change: func(j *Judgement) {
			j.Evidence.HeadPushes = nil
			j.Evidence.ReadAt = clock("11:30")
			j.Request.Duration = 9 * time.Hour
		}, detail: "role writer allows 8h"},
		{name: "unknown pusher, soon after the merge", change: func(j *Judgement) {
			j.Evidence.HeadPushes[0].Actor.ID = 0
			j.Evidence.ReadAt = clock("11:30")
		}, waits: true, detail: "somebody unknown pushed"},
		{name: "push record never leads to the final head", change: func(j *Judgement) { j.Evidence.HeadPushes[0].After = "1111" }, detail: "no push record says when the head"},
		{name: "push record begins after the pull request was opened", change: func(j *Judgement) {
			j.Evidence.HeadPushes[0].At = j.Evidence.Pull.CreatedAt.Add(time.Second)
		}, detail: "cannot be told who pushed what it was opened with"},
		{name: "unknown pusher", change: func(j *Judgement) { j.Evidence.HeadPushes[0].Actor.ID = 0 }, detail: "somebody unknown pushed"},
		{name: "approver pushed to the pull request", change: func(j *Judgement) {
			j.Evidence.HeadPushes = append(j.Evidence.HeadPushes, push(bobID, "09:10", "1111"), push(aliceID, "09:20", testHead))
		}, detail: "bob is a pusher to the pull request"},
		{name: "approver merged the base into the pull request", change: func(j *Judgement) {
			j.Evidence.HeadPushes[0].After = "1111"
			j.Evidence.HeadPushes = append(j.Evidence.HeadPushes, forge.Push{Actor: bobID, At: clock("09:30"), After: testHead, Kind: forge.PushMerge})
		}, detail: "bob is a pusher to the pull request"},
		{name: "dismissed approval", change: func(j *Judgement) { j.Evidence.Reviews[0].State = forge.ReviewDismissed }, detail: "bob's dismissed review of 2026-11-23T10:00:00Z does not count"},
		{name: "changes requested after approval", change: func(j *Judgement) {
			r := approval(2, bobID, "10:30")
			r.State = forge.ReviewChangesRequested
			j.Evidence.Reviews = append(j.Evidence.Reviews, r)
		}, detail: "bob's request for changes of 2026-11-23T10:30:00Z does not count"},
		{name: "changes requested in the same instant", change: func(j *Judgement) {
			r := approval(0, bobID, "10:00")
			r.State = forge.ReviewChangesRequested
			j.Evidence.Reviews = append(j.Evidence.Reviews, r)
		}, detail: "bob's request for changes"},
		{name: "approval after changes requested", change: func(j *Judgement) {
			r := approval(2, bobID, "09:30")
			r.State = forge.ReviewChangesRequested
			j.Evidence.Reviews = append([]forge.Review{r}, j.Evidence.Reviews...)
		}, proven: true},
		{name: "comment after approval", change: func(j *Judgement) {
			r := approval(2, bobID, "10:30")
			r.State = forge.ReviewCommented
			j.Evidence.Reviews = append(j.Evidence.Reviews, r)
		}, proven: true},
		{name: "only a comment", change: func(j *Judgement) { j.Evidence.Reviews[0].State = forge.ReviewCommented }, detail: "missing: 1 of"},
		{name: "review state that nobody knows", change: func(j *Judgement) { j.Evidence.Reviews[0].State = "pending" }, detail: "it does not approve"},
		{name: "approval after the merge", change: func(j *Judgement) { j.Evidence.Reviews[0].SubmittedAt = clock("11:01") }, detail: "at or after the merge"},
		{name: "approval in the instant of the merge", change: func(j *Judgement) { j.Evidence.Reviews[0].SubmittedAt = clock("11:00") }, detail: "at or after the merge"},
		{name: "rejection after the merge changes nothing", change: func(j *Judgement) {
			r := approval(2, bobID, "11:30")
			r.State = forge.ReviewChangesRequested
			j.Evidence.Reviews = append(j.Evidence.Reviews, r)
		}, proven: true},
		{name: "approval outside the group", change: func(j *Judgement) { j.Evidence.Reviews[0].Reviewer = daveID }, detail: "missing: 1 of orders-leads (bob, carol)"},
		{name: "approval of another commit", change: func(j *Judgement) { j.Evidence.Reviews[0].Commit = "1111" }, detail: "not for the final head"},
		{name: "approval by a ghost", change: func(j *Judgement) { j.Evidence.Reviews[0].Reviewer.ID = 0 }, detail: "ghost"},
		{name: "approval by a bot", change: func(j *Judgement) { j.Evidence.Reviews[0].Reviewer.Type = "Bot" }, detail: "is a Bot, not a user"},
		{name: "approval by the approver's login with another id", change: func(j *Judgement) { j.Evidence.Reviews[0].Reviewer.ID = 998 }, detail: "no person has that id"},
		{name: "approval by an inactive person", change: func(j *Judgement) { j.Evidence.Reviews[0].Reviewer = zoeID }, detail: "zoe, who is not active"},
		{name: "approval by a service account", change: func(j *Judgement) { j.Evidence.Reviews[0].Reviewer = robotID }, detail: "service account"},
		{name: "approval on another host", change: func(j *Judgement) { j.Evidence.Reviews[0].Reviewer.Host = "ghe.example.com" }, detail: "is an account of host"},
		{name: "stale approval", change: func(j *Judgement) {
			j.Evidence.Reviews[0].SubmittedAt = clock("10:00").Add(-8 * 24 * time.Hour)
			j.Evidence.HeadPushes[0].At = clock("09:00").Add(-8 * 24 * time.Hour)
		}, detail: "approvals are valid for 7d"},
		{name: "stale by configuration", change: func(j *Judgement) { j.ApprovalsValid = 59 * time.Minute }, detail: "at the merge it was 1h old"},
		{name: "as old as is allowed", change: func(j *Judgement) { j.ApprovalsValid = time.Hour }, proven: true},
		{name: "pull request that adds its own approver", change: func(j *Judgement) {
			// mallory is in the groups only after this pull request.
			j.Evidence.Reviews[0].Reviewer = user("mallory", 6)
		}, detail: "missing: 1 of"},
		{name: "approval by the manager", change: func(j *Judgement) {
			j.Trusted.Groups["orders-leads"].Members = []string{"bob"}
			j.Evidence.Reviews[0].Reviewer = carolID
		}, proven: true},
		{name: "manager of one subject of two", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Approvals[0].From = []string{schema.SubjectManager}
			j.Request.Subjects = []string{"alice", "erin"} // erin's manager is bob
			j.Evidence.Reviews[0].Reviewer = carolID
		}, detail: "missing: 1 of subject.manager (nobody)"},
		{name: "approval by a named person", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Approvals[0].From = []string{"dave"}
			j.Evidence.Reviews[0].Reviewer = daveID
		}, proven: true},

		// The items.
		{name: "one approver for two items", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Approvals = []schema.Approval{{From: []string{"orders-leads"}, Count: 1}, {From: []string{"orders-leads"}, Count: 1}}
		}, detail: "missing: 1 of orders-leads (carol)"},
		{name: "count of two", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Approvals[0].Count = 2
			j.Evidence.Reviews = append(j.Evidence.Reviews, approval(2, carolID, "10:10"))
		}, proven: true},
		{name: "the same person twice", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Approvals[0].Count = 2
			j.Evidence.Reviews = append(j.Evidence.Reviews, approval(2, bobID, "10:10"))
		}, detail: "missing: 1 of"},
		{name: "matching that a greedy choice would miss", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Approvals = []schema.Approval{{From: []string{"bob", "carol"}, Count: 1}, {From: []string{"bob"}, Count: 1}}
			j.Evidence.Reviews = append(j.Evidence.Reviews, approval(2, carolID, "10:10"))
		}, proven: true},
		{name: "no unconditional item", change: func(j *Judgement) { j.Trusted.Roles["writer"].Approvals[0].When = "true" }, detail: "no approval is asked for in any case"},
		{name: "no item at all", change: func(j *Judgement) { j.Trusted.Roles["writer"].Approvals = nil }, detail: "no approval is asked for in any case"},
		{name: "item that asks for nobody", change: func(j *Judgement) { j.Trusted.Roles["writer"].Approvals[0].Count = 0 }, detail: "asks for nobody"},
		{name: "item without alternatives", change: func(j *Judgement) { j.Trusted.Roles["writer"].Approvals[0].From = nil }, detail: "asks for nobody"},
		{name: "huge count", change: func(j *Judgement) { j.Trusted.Roles["writer"].Approvals[0].Count = 1 << 60 }, detail: "missing"},
		{name: "conditional item that applies", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Approvals = append(j.Trusted.Roles["writer"].Approvals,
				schema.Approval{From: []string{"security"}, Count: 1, When: "request.duration > duration('2h')"})
		}, detail: "missing: 1 of security (dave)"},
		{name: "conditional item that does not apply", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Approvals = append(j.Trusted.Roles["writer"].Approvals,
				schema.Approval{From: []string{"security"}, Count: 1, When: "request.duration > duration('4h')"})
		}, proven: true},
		{name: "conditional item that applies to the first of two subjects", change: func(j *Judgement) {
			j.Request.Subjects = []string{"erin", "alice"}
			j.Trusted.Roles["writer"].Approvals = append(j.Trusted.Roles["writer"].Approvals,
				schema.Approval{From: []string{"security"}, Count: 1, When: "subject.name == 'alice'"})
		}, detail: "missing: 1 of security (dave)"},
		{name: "condition that does not compile", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Approvals = append(j.Trusted.Roles["writer"].Approvals,
				schema.Approval{From: []string{"security"}, Count: 1, When: "request.durration > 4"})
		}, detail: "is not valid"},
		{name: "condition that fails", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Approvals = append(j.Trusted.Roles["writer"].Approvals,
				schema.Approval{From: []string{"security"}, Count: 1, When: "request.roles[5] == 'x'"})
		}, detail: "cannot be evaluated"},
		{name: "one approval serves two roles", change: func(j *Judgement) { j.Request = ask("alice", "writer", "deployer") }, proven: true},
		{name: "one role of two not approved", change: func(j *Judgement) {
			j.Request = ask("alice", "writer", "deployer")
			j.Trusted.Roles["deployer"].Approvals[0].From = []string{"security"}
		}, detail: "role deployer: missing: 1 of security (dave)"},

		// The role's terms.
		{name: "no role", change: func(j *Judgement) { j.Request.Roles = nil }, detail: "names no role"},
		{name: "role unknown", change: func(j *Judgement) { j.Request.Roles[0].Role = "admin" }, detail: "role admin does not exist"},
		{name: "longer than the role allows", change: func(j *Judgement) { j.Request.Duration = 9 * time.Hour }, detail: "the window lasts 9h; role writer allows 8h"},
		{name: "as long as the role allows", change: func(j *Judgement) { j.Request.Duration = 8 * time.Hour }, proven: true},
		{name: "role without a limit", change: func(j *Judgement) { j.Trusted.Roles["writer"].MaxDuration = 0 }, detail: "no maxDuration"},
		{name: "until an instant too far ahead", change: func(j *Judgement) {
			j.Request.Duration, j.Request.ExpiresAt = 0, clock("19:01")
		}, detail: "the window lasts 8h1m"},
		{name: "until an instant", change: func(j *Judgement) { j.Request.Duration, j.Request.ExpiresAt = 0, clock("19:00") }, proven: true},
		{name: "extension counts from the first merge", change: func(j *Judgement) {
			j.Request.Duration, j.Request.ExpiresAt, j.FirstMerged = 0, clock("19:00"), clock("10:59")
		}, detail: "the window lasts 8h1m"},
		{name: "over before the merge", change: func(j *Judgement) { j.Request.Duration, j.Request.ExpiresAt = 0, clock("11:00") }, detail: "ended at 2026-11-23T11:00:00Z"},
		{name: "two ends", change: func(j *Judgement) { j.Request.ExpiresAt = clock("15:00") }, detail: "exactly one of"},
		{name: "no end", change: func(j *Judgement) { j.Request.Duration = 0 }, detail: "exactly one of"},
		{name: "negative duration", change: func(j *Judgement) { j.Request.Duration = -time.Hour }, detail: "negative"},
		{name: "standing where the role has none", change: func(j *Judgement) {
			j.Request.Duration, j.Request.ReviewBy = 0, day.AddDate(0, 1, 0)
		}, detail: "does not allow standing access"},
		{name: "standing", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Standing = true
			j.Request.Duration, j.Request.ReviewBy = 0, day.AddDate(0, 0, 90)
		}, proven: true},
		{name: "standing with the review too far ahead", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Standing = true
			j.Request.Duration, j.Request.ReviewBy = 0, day.AddDate(0, 0, 92)
		}, detail: "role writer allows 90d"},
		{name: "schedule", change: func(j *Judgement) { schedule(j, 8*time.Hour, 29) }, proven: true},
		{name: "schedule with long occurrences", change: func(j *Judgement) { schedule(j, 9*time.Hour, 29) }, detail: "each occurrence lasts 9h"},
		{name: "schedule that runs too long", change: func(j *Judgement) { schedule(j, 8*time.Hour, 31) }, detail: "role writer allows 30d"},
		{name: "schedule where the role has no span", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].MaxSpan = 0
			schedule(j, time.Hour, 1)
		}, detail: "role writer allows 8h"},
		{name: "no ticket", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Require.Ticket = "^INC-[0-9]+$"
			j.Request.Ticket = ""
		}, detail: "none is given"},
		{name: "ticket with something after it", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Require.Ticket = "^INC-[0-9]+$"
			j.Request.Ticket = "INC-1\nx"
		}, detail: "does not match"},
		{name: "ticket", change: func(j *Judgement) { j.Trusted.Roles["writer"].Require.Ticket = "^INC-[0-9]+$" }, proven: true},
		{name: "ticket expression broken", change: func(j *Judgement) { j.Trusted.Roles["writer"].Require.Ticket = "(" }, detail: "not a valid expression"},
		{name: "parameter", change: func(j *Judgement) { j.Request = ask("alice", "deployer") }, proven: true},
		{name: "parameter outside its values", change: func(j *Judgement) {
			j.Request = ask("alice", "deployer")
			j.Request.Roles[0].Params["namespace"] = "kube-system"
		}, detail: "does not allow namespace: kube-system"},
		{name: "parameter missing", change: func(j *Judgement) {
			j.Request = ask("alice", "deployer")
			j.Request.Roles[0].Params = nil
		}, detail: "needs the parameter namespace"},
		{name: "parameter unknown", change: func(j *Judgement) {
			j.Request.Roles[0].Params = map[string]string{"role": "postgres"}
		}, detail: "has no parameter role"},
		{name: "target unknown", change: func(j *Judgement) { delete(j.Trusted.Targets, "orders-db") }, detail: "target orders-db does not exist"},
		{name: "above the ceiling", change: func(j *Judgement) { j.Trusted.Targets["orders-db"].Allow = []map[string]any{{"role": "orders_ro"}} }, detail: "does not allow"},
		{name: "no ceiling", change: func(j *Judgement) { j.Trusted.Targets["orders-db"].Allow = nil }, detail: "does not allow"},
		{name: "empty ceiling item", change: func(j *Judgement) { j.Trusted.Targets["orders-db"].Allow = []map[string]any{{}} }, detail: "does not allow"},
		{name: "connector refuses", change: func(j *Judgement) {
			j.Trusted.Roles["writer"].Entitlements[0].Spec["with"] = "admin"
		}, detail: "unknown key with"},
		{name: "connector unknown", change: func(j *Judgement) { j.Canonical = nil }, detail: "no connector is known"},
		{name: "role without entitlements", change: func(j *Judgement) { j.Trusted.Roles["writer"].Entitlements = nil }, detail: "has no entitlements"},
		{name: "emergency, merged", change: mergedEmergency, proven: true, detail: "judged like any other"},
		{name: "emergency, merged without approval", change: func(j *Judgement) {
			mergedEmergency(j)
			j.Evidence.Reviews = nil
		}, detail: "missing: 1 of"},
		{name: "emergency, merged, where the role has no terms for one", change: func(j *Judgement) {
			mergedEmergency(j)
			j.Trusted.Roles["writer"].Emergency = nil
		}, detail: "role writer has no emergency terms"},
		{name: "emergency, merged, by somebody who may ask without one only", change: func(j *Judgement) {
			mergedEmergency(j)
			j.Trusted.Groups["on-call"].Members = []string{"bob"}
		}, detail: "alice may not ask for writer: not in on-call"},
		{name: "emergency, merged, by somebody who may ask in one only", change: func(j *Judgement) {
			mergedEmergency(j)
			j.Trusted.Groups["engineering"].Members = nil
		}, proven: true},
		{name: "emergency, merged, too long for one", change: func(j *Judgement) {
			mergedEmergency(j)
			j.Request.Duration = 2*time.Hour + time.Second
		}, detail: "role writer allows 2h in an emergency"},
		{name: "emergency, merged, as long as one may be", change: func(j *Judgement) {
			mergedEmergency(j)
			j.Trusted.Roles["writer"].MaxDuration = time.Hour
			j.Request.Duration = 2 * time.Hour
		}, proven: true},
		{name: "emergency, merged when it was over", change: func(j *Judgement) {
			mergedEmergency(j)
			j.Request.Duration = 90 * time.Minute
		}, proven: true, detail: "the emergency was over at 2026-11-23T10:31:00Z"},
		{name: "emergency, opened nobody knows when", change: func(j *Judgement) {
			mergedEmergency(j)
			j.Evidence.Pull.CreatedAt = time.Time{}
		}, detail: "not known when pull request #7 was opened"},
		{name: "emergency that begins later", change: func(j *Judgement) {
			mergedEmergency(j)
			j.Request.StartsAt = clock("12:00")
		}, detail: "a duration and nothing else"},
		{name: "emergency with a schedule", change: func(j *Judgement) {
			mergedEmergency(j)
			j.Request.Schedule = &schema.Schedule{Cron: "0 9 * * *", Duration: time.Hour}
		}, detail: "a duration and nothing else"},
		{name: "emergency until an instant", change: func(j *Judgement) {
			mergedEmergency(j)
			j.Request.Duration, j.Request.ExpiresAt = 0, clock("12:00")
		}, detail: "a duration and nothing else"},

		// Guardrails.
		{name: "guardrail holds", change: func(j *Judgement) { guard(j, "role.labels.env == 'prod'", "request.ticket != ''") }, proven: true, detail: "guardrail: no-nonsense holds"},
		{name: "guardrail denies", change: func(j *Judgement) {
			guard(j, "role.labels.env == 'prod'", "request.ticket != ''")
			j.Request.Ticket = ""
		}, detail: "no-nonsense: be sensible (writer as alice)"},
		{name: "guardrail fails", change: func(j *Judgement) { guard(j, "", "request.roles[3] == 'x'") }, detail: "cannot be evaluated and so denies"},
		{name: "guardrail does not compile", change: func(j *Judgement) { guard(j, "", "request.tickit != ''") }, detail: "cannot be evaluated and so denies"},
		{name: "guardrail with a broken condition", change: func(j *Judgement) { guard(j, "1", "true") }, detail: "cannot be evaluated and so denies"},
		{name: "guardrail without a requirement", change: func(j *Judgement) { guard(j, "true", "") }, detail: "cannot be evaluated and so denies"},
		{name: "guardrail on one subject of two", change: func(j *Judgement) {
			guard(j, "", "subject.name != 'erin'")
			j.Request.Subjects = []string{"alice", "erin"}
		}, detail: "(writer as erin)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			j := good()
			c.change(&j)
			v := Judge(j)
			text := lines(v.Checks)
			if v.Proven != c.proven {
				t.Errorf("proven %v, want %v:\n%s", v.Proven, c.proven, text)
			}
			if v.Final == c.waits {
				t.Errorf("final %v, want %v", v.Final, !c.waits)
			}
			if bad := failed(v.Checks); (len(bad) == 0) != c.proven {
				t.Errorf("failed checks %q do not go with proven %v", bad, v.Proven)
			}
			if !v.Proven && (len(v.Items) > 0 || len(v.Approvers) > 0) {
				t.Errorf("a request that is not proven brings %v by %v", v.Items, v.Approvers)
			}
			mustContain(t, text, c.detail)
		})
	}
}

func schedule(j *Judgement, each time.Duration, days int) {
	j.Request.Duration = 0
	j.Request.ExpiresAt = day.AddDate(0, 0, days)
	j.Request.Schedule = &schema.Schedule{Cron: "0 9 * * MON-FRI", Duration: each}
}

func mergedEmergency(j *Judgement) {
	j.Request.Emergency, j.Request.Duration = true, 2*time.Hour
	breakGlass(j.Trusted)
}

func guard(j *Judgement, when, require string) {
	j.Trusted.Policies = []*schema.Policy{{Rules: []schema.Rule{{Name: "no-nonsense", When: when, Require: require, Message: "be sensible"}}}}
}

func TestJudgeWithNothingRefuses(t *testing.T) {
	if v := Judge(Judgement{}); v.Proven || !v.Final {
		t.Errorf("an empty judgement: %+v", v)
	}
}

func TestJudgeDoesNotChangeItsInput(t *testing.T) {
	j := good()
	j.Request = ask("leads", "writer")
	Judge(j)
	if got := j.Trusted.Groups["orders-leads"].Members; !slices.Equal(got, []string{"bob", "carol", "robot", "zoe"}) {
		t.Errorf("members were changed: %v", got)
	}
	if !slices.Equal(j.Request.Subjects, []string{"leads"}) {
		t.Errorf("subjects were changed: %v", j.Request.Subjects)
	}
}
