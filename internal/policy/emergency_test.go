package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/schema"
)

// glass is a use of break-glass that is granted: alice, who is on call, pushed a branch
// at 09:00 and opened a pull request at 09:01 that adds one request for two hours.
func glass() EmergencyJudgement {
	tree := world()
	breakGlass(tree)
	r := ask("alice", "writer")
	r.Emergency, r.Duration = true, 2*time.Hour
	return EmergencyJudgement{
		Request: r, Trusted: tree, Host: testHost, ForgeType: "github", Canonical: canonical,
		Pull: forge.PullRequest{
			Number: 9, State: "open", Author: aliceID, BaseRepoID: testRepo, BaseRef: "main",
			HeadRepoID: testRepo, HeadRef: "alice-now", HeadSHA: testHead, Commits: 1, CreatedAt: clock("09:01"),
		},
		Files:        []forge.FileChange{{Path: "requests/now.yaml", Kind: forge.FileAdded, Blob: testBlob}},
		HeadPushes:   []forge.Push{{Actor: aliceID, At: clock("09:00"), Ref: "alice-now", After: testHead, Kind: forge.PushCreate}},
		RepositoryID: testRepo, WatchedRef: "main", ReadAt: clock("09:02"),
	}
}

func TestAnEmergencyIsGrantedAtOnce(t *testing.T) {
	v := JudgeEmergency(glass())
	if !v.Granted || !v.Final || v.Subject != "alice" {
		t.Fatalf("want granted to alice, got %+v\n%s", v, lines(v.Checks))
	}
	if want := (grants.Window{From: clock("09:01"), Until: clock("11:01")}); v.Window != want {
		t.Errorf("window %v, want %v", v.Window, want)
	}
	if want := clock("09:01").Add(24 * time.Hour); !v.ReviewBy.Equal(want) {
		t.Errorf("review by %v, want %v", v.ReviewBy, want)
	}
	if len(v.Items) != 1 || v.Items[0].String() != "orders-db: postgres:role=orders_rw for alice" || v.Items[0].Role != "writer" {
		t.Errorf("items: %+v", v.Items)
	}
	if bad := failed(v.Checks); len(bad) > 0 {
		t.Errorf("failed checks of an emergency that is granted: %q", bad)
	}
}

// Every case is a way in that must stay shut, or a way that must stay open.
func TestJudgeEmergencyWaysIn(t *testing.T) {
	created := forge.Push{Actor: aliceID, At: clock("08:50"), Ref: "alice-now", After: "1111", Kind: forge.PushCreate}
	for _, c := range []struct {
		name    string
		change  func(j *EmergencyJudgement)
		granted bool
		waits   bool
		detail  string
	}{
		// The pull request.
		{name: "closed", change: func(j *EmergencyJudgement) { j.Pull.State = "closed" }, detail: "is not open"},
		{name: "merged", change: func(j *EmergencyJudgement) { j.Pull.MergedAt = clock("09:30") }, detail: "is not open"},
		{name: "another repository of the same name", change: func(j *EmergencyJudgement) { j.Pull.BaseRepoID = 4243 }, detail: "not to the configured id"},
		{name: "repository not pinned", change: func(j *EmergencyJudgement) {
			j.RepositoryID, j.Pull.BaseRepoID, j.Pull.HeadRepoID = 0, 0, 0
		}, detail: "not to the configured id"},
		{name: "into another branch", change: func(j *EmergencyJudgement) { j.Pull.BaseRef = "staging" }, detail: "not into the watched branch"},
		{name: "no branch is watched", change: func(j *EmergencyJudgement) { j.WatchedRef, j.Pull.BaseRef = "", "" }, detail: "not into the watched branch"},
		{name: "retargeted and back", change: func(j *EmergencyJudgement) { j.BaseChange = clock("09:02") }, detail: "its base branch was changed"},
		{name: "fork", change: func(j *EmergencyJudgement) { j.Pull.HeadRepoID = 99 }, detail: "from another repository (id 99)"},
		{name: "fork that is gone", change: func(j *EmergencyJudgement) { j.Pull.HeadRepoID = 0 }, detail: "from another repository (id 0)"},
		{name: "branch of the reconciler's own", change: func(j *EmergencyJudgement) { j.Pull.HeadRef = "tenure/revert/x" }, detail: "the reconciler's own"},
		{name: "branch unknown", change: func(j *EmergencyJudgement) { j.Pull.HeadRef = "" }, detail: "the reconciler's own"},

		// The change.
		{name: "two files", change: func(j *EmergencyJudgement) {
			j.Files = append(j.Files, forge.FileChange{Path: "requests/other.yaml", Kind: forge.FileAdded, Blob: "b"})
		}, detail: "it changes 2 files"},
		{name: "no file", change: func(j *EmergencyJudgement) { j.Files = nil }, detail: "it changes 0 files"},
		{name: "a file that was there", change: func(j *EmergencyJudgement) { j.Files[0].Kind = forge.FileModified }, detail: "is not a new file (modified)"},
		{name: "a renamed file", change: func(j *EmergencyJudgement) {
			j.Files[0].Kind, j.Files[0].OldPath = forge.FileRenamed, "requests/old.yaml"
		}, detail: "is not a new file (renamed)"},
		{name: "an added file with a past", change: func(j *EmergencyJudgement) { j.Files[0].OldPath = "requests/old.yaml" }, detail: "is not a new file"},
		{name: "no bytes", change: func(j *EmergencyJudgement) { j.Files[0].Blob = "" }, detail: "is not a new file"},
		{name: "not the path of a document", change: func(j *EmergencyJudgement) { j.Files[0].Path = ".github/now.yaml" }, detail: "is not the path of a request"},
		{name: "not a document's name", change: func(j *EmergencyJudgement) { j.Files[0].Path = "requests/now.txt" }, detail: "is not the path of a request"},
		{name: "not a valid request", change: func(j *EmergencyJudgement) { j.Request = nil }, detail: "not a valid request"},
		{name: "not an emergency", change: func(j *EmergencyJudgement) { j.Request.Emergency = false }, detail: "does not say emergency: true"},

		// The person.
		{name: "for somebody else", change: func(j *EmergencyJudgement) { j.Request.Subjects = []string{"dave"} }, detail: "is for its author; it is for dave"},
		{name: "for two", change: func(j *EmergencyJudgement) { j.Request.Subjects = []string{"alice", "dave"} }, detail: "is for one person"},
		{name: "for nobody", change: func(j *EmergencyJudgement) { j.Request.Subjects = nil }, detail: "is for one person"},
		{name: "for a group of one", change: func(j *EmergencyJudgement) {
			j.Trusted.Groups["me"] = &schema.Group{Name: "me", Members: []string{"alice"}}
			j.Request.Subjects = []string{"me"}
		}, detail: "is for one person, who asks for it themselves; it is for me"},
		{name: "opened by another account with the same login", change: func(j *EmergencyJudgement) {
			j.Pull.Author.ID, j.HeadPushes[0].Actor.ID = 999, 999
		}, detail: "no person has that id"},
		{name: "opened on another host", change: func(j *EmergencyJudgement) {
			j.Pull.Author.Host, j.HeadPushes[0].Actor.Host = "ghe.example.com", "ghe.example.com"
		}, detail: "is an account of host"},
		{name: "opened by a bot", change: func(j *EmergencyJudgement) { j.Pull.Author.Type = "Bot" }, detail: "a bot can remove access"},
		{name: "not active", change: func(j *EmergencyJudgement) { j.Trusted.People["alice"].Active = false }, detail: "alice-gh (id 1), which is alice, who is not active"},
		{name: "a service account", change: func(j *EmergencyJudgement) { j.Trusted.People["alice"].Service = true }, detail: "service account"},

		// The head.
		{name: "pushed to after the opening", change: func(j *EmergencyJudgement) {
			j.HeadPushes[0].After = "1111"
			j.HeadPushes = append(j.HeadPushes, push(aliceID, "09:02", testHead))
		}, detail: "its head was changed at 2026-11-23T09:02:00Z, after it was opened"},
		{name: "pushed away and back after the opening", change: func(j *EmergencyJudgement) {
			j.HeadPushes = append(j.HeadPushes, push(aliceID, "09:02", "1111"), push(aliceID, "09:03", testHead))
		}, detail: "its head was changed at 2026-11-23T09:03:00Z"},
		{name: "restored after the opening", change: func(j *EmergencyJudgement) {
			j.HeadPushes = append(j.HeadPushes, forge.Push{Actor: aliceID, At: clock("09:02"), Before: testHead, Kind: forge.PushDelete},
				forge.Push{Actor: aliceID, At: clock("09:03"), After: testHead, Kind: forge.PushCreate})
		}, detail: "its head was changed at 2026-11-23T09:03:00Z"},
		{name: "several pushes before the opening", change: func(j *EmergencyJudgement) {
			j.HeadPushes = []forge.Push{created, push(aliceID, "08:55", testHead)}
		}, granted: true},
		{name: "pushed to in the second of the opening", change: func(j *EmergencyJudgement) { j.HeadPushes[0].At = clock("09:01") }, granted: true},
		{name: "somebody else pushed, too", change: func(j *EmergencyJudgement) {
			j.HeadPushes = []forge.Push{created, push(bobID, "08:55", testHead)}
		}, detail: "bob-gh (id 2) pushed to it, too"},
		{name: "somebody else made the branch", change: func(j *EmergencyJudgement) {
			made := created
			made.Actor = bobID
			j.HeadPushes = []forge.Push{made, push(aliceID, "08:55", testHead)}
		}, detail: "bob-gh (id 2) pushed to it, too"},
		{name: "somebody else had a branch of that name before", change: func(j *EmergencyJudgement) {
			j.HeadPushes = append([]forge.Push{{Actor: bobID, At: clock("07:00"), After: "7777", Kind: forge.PushCreate},
				{Actor: bobID, At: clock("07:30"), Kind: forge.PushDelete}}, j.HeadPushes...)
		}, granted: true},
		{name: "somebody unknown pushed", change: func(j *EmergencyJudgement) { j.HeadPushes[0].Actor.ID = 0 }, detail: "somebody unknown pushed"},
		{name: "the record does not lead to the head", change: func(j *EmergencyJudgement) { j.HeadPushes[0].After = "1111" }, detail: "no push record says who brought its head"},
		{name: "the head is not known", change: func(j *EmergencyJudgement) { j.Pull.HeadSHA, j.HeadPushes[0].After = "", "" }, detail: "no push record says"},
		{name: "the record does not reach back to the creation", change: func(j *EmergencyJudgement) { j.HeadPushes[0].Kind = forge.PushPush }, detail: "does not reach back to the creation"},
		{name: "no record, a minute after the opening", change: func(j *EmergencyJudgement) {
			j.HeadPushes, j.ReadAt = nil, clock("09:02")
		}, detail: "no push record says"},
		{name: "no record, right after the opening", change: func(j *EmergencyJudgement) {
			j.HeadPushes, j.ReadAt = nil, clock("09:02").Add(-time.Second)
		}, waits: true, detail: "no push record says"},
		{name: "a part of the record, right after the opening", change: func(j *EmergencyJudgement) {
			j.HeadPushes[0].Kind, j.ReadAt = forge.PushPush, clock("09:01")
		}, waits: true, detail: "does not reach back to the creation"},
		{name: "no record, read nobody knows when", change: func(j *EmergencyJudgement) {
			j.HeadPushes, j.ReadAt = nil, time.Time{}
		}, detail: "no push record says"},
		{name: "no record yet, and refused for good anyway", change: func(j *EmergencyJudgement) {
			j.HeadPushes, j.ReadAt, j.Pull.HeadRepoID = nil, clock("09:01"), 99
		}, detail: "from another repository"},
		{name: "the trusted state is not known", change: func(j *EmergencyJudgement) { j.Trusted = nil }, waits: true, detail: "trusted state is not known yet"},

		// The terms.
		{name: "role without emergency terms", change: func(j *EmergencyJudgement) { j.Trusted.Roles["writer"].Emergency = nil }, detail: "role writer has no emergency terms"},
		{name: "one role of two without emergency terms", change: func(j *EmergencyJudgement) {
			twoRoles(j)
			j.Trusted.Roles["deployer"].Emergency = nil
		}, detail: "role deployer has no emergency terms"},
		{name: "not on call", change: func(j *EmergencyJudgement) { j.Trusted.Groups["on-call"].Members = []string{"dave"} }, detail: "alice may not ask for writer: not in on-call"},
		{name: "not in the requesters, but on call", change: func(j *EmergencyJudgement) { j.Trusted.Roles["writer"].Requesters = nil }, granted: true},
		{name: "two roles", change: twoRoles, granted: true},
		{name: "longer than an emergency may be", change: func(j *EmergencyJudgement) { j.Request.Duration += time.Second }, detail: "role writer allows 2h in an emergency"},
		{name: "longer than the second role allows", change: func(j *EmergencyJudgement) {
			twoRoles(j)
			j.Request.Duration = 61 * time.Minute
		}, detail: "role deployer allows 1h in an emergency"},
		{name: "without a duration", change: func(j *EmergencyJudgement) { j.Request.Duration = 0 }, detail: "exactly one of duration"},
		{name: "until an instant", change: func(j *EmergencyJudgement) {
			j.Request.Duration, j.Request.ExpiresAt = 0, clock("10:00")
		}, detail: "a duration and nothing else"},
		{name: "a negative duration", change: func(j *EmergencyJudgement) { j.Request.Duration = -time.Hour }, detail: "negative"},
		{name: "opened nobody knows when", change: func(j *EmergencyJudgement) { j.Pull.CreatedAt = time.Time{} }, detail: "not known when pull request #9 was opened"},
		{name: "no time to review it is given", change: func(j *EmergencyJudgement) { j.Trusted.Roles["writer"].Emergency.ReviewWithin = 0 }, detail: "does not say within what time"},
		{name: "no ticket", change: func(j *EmergencyJudgement) {
			j.Trusted.Roles["writer"].Require.Ticket = "^INC-[0-9]+$"
			j.Request.Ticket = ""
		}, detail: "none is given"},
		{name: "role unknown", change: func(j *EmergencyJudgement) { j.Request.Roles[0].Role = "admin" }, detail: "role admin does not exist"},
		{name: "no role", change: func(j *EmergencyJudgement) { j.Request.Roles = nil }, detail: "names no role"},
		{name: "parameter outside its values", change: func(j *EmergencyJudgement) {
			twoRoles(j)
			j.Request.Roles[1].Params["namespace"] = "kube-system"
		}, detail: "does not allow namespace: kube-system"},
		{name: "above the ceiling", change: func(j *EmergencyJudgement) { j.Trusted.Targets["orders-db"].Allow = nil }, detail: "does not allow"},
		{name: "target unknown", change: func(j *EmergencyJudgement) { delete(j.Trusted.Targets, "orders-db") }, detail: "target orders-db does not exist"},
		{name: "no account", change: func(j *EmergencyJudgement) { j.Trusted.People["alice"].Accounts = map[string]string{"orders-db": ""} }, detail: "alice has no account"},
		{name: "guardrail denies", change: func(j *EmergencyJudgement) { guardGlass(j, "request.ticket.startsWith('CHG-')") }, detail: "be sensible (writer as alice)"},
		{name: "guardrail sees the window", change: func(j *EmergencyJudgement) {
			guardGlass(j, "request.emergency && request.startsAt == timestamp('2026-11-23T09:01:00Z') && request.expiresAt == timestamp('2026-11-23T11:01:00Z') && author.name == 'alice'")
		}, granted: true},
		{name: "guardrail across requests", change: func(j *EmergencyJudgement) {
			guardGlass(j, "role.holders <= 1")
			j.Others = []grants.Decision{holds1("bob", "writer", "11:00", "12:00")}
		}, detail: "be sensible"},

		// What the branch takes away.
		{name: "the branch says the same", change: func(j *EmergencyJudgement) { j.Branch = world(); breakGlass(j.Branch) }, granted: true},
		{name: "deactivated on the branch", change: onBranch(func(b *schema.Tree) { b.People["alice"].Active = false }), detail: "alice is not active any more"},
		{name: "gone from the branch", change: onBranch(func(b *schema.Tree) { delete(b.People, "alice") }), detail: "alice is not active any more"},
		{name: "role deleted on the branch", change: onBranch(func(b *schema.Tree) { delete(b.Roles, "writer") }), detail: "role writer does not exist any more"},
		{name: "emergency terms deleted on the branch", change: onBranch(func(b *schema.Tree) { b.Roles["writer"].Emergency = nil }), detail: "no emergency terms any more"},
		{name: "taken off call on the branch", change: onBranch(func(b *schema.Tree) { b.Groups["on-call"].Members = nil }), detail: "not in the requesters"},
		{name: "entitlement deleted on the branch", change: onBranch(func(b *schema.Tree) { b.Roles["writer"].Entitlements = nil }), detail: "does not bring it any more"},
		{name: "shorter emergencies on the branch", change: onBranch(func(b *schema.Tree) { b.Roles["writer"].Emergency.MaxDuration = time.Hour }), detail: "lets role writer allow 1h"},
		{name: "put on call on the branch only", change: func(j *EmergencyJudgement) {
			onBranch(func(*schema.Tree) {})(j)
			j.Trusted.Groups["on-call"].Members = nil
		}, detail: "alice may not ask for writer"},

		// The review that is due.
		{name: "an earlier use is not reviewed", change: func(j *EmergencyJudgement) { j.Unreviewed = []Use{{5, "alice", "writer"}} }, detail: "pull request #5), and nobody has reviewed it yet"},
		{name: "an earlier use of the second role", change: func(j *EmergencyJudgement) {
			twoRoles(j)
			j.Unreviewed = []Use{{5, "alice", "deployer"}}
		}, detail: "alice used deployer in an emergency before"},
		{name: "an earlier use of another role", change: func(j *EmergencyJudgement) { j.Unreviewed = []Use{{5, "alice", "deployer"}} }, granted: true},
		{name: "an earlier use by another person", change: func(j *EmergencyJudgement) { j.Unreviewed = []Use{{5, "dave", "writer"}} }, granted: true},
		{name: "an earlier use, asked for by nobody known", change: func(j *EmergencyJudgement) {
			j.Pull.Author.ID, j.Unreviewed = 999, []Use{{5, "alice", "writer"}}
		}, detail: "no person has that id"},
		{name: "this very use", change: func(j *EmergencyJudgement) { j.Unreviewed = []Use{{9, "alice", "writer"}} }, granted: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := glass()
			c.change(&j)
			v := JudgeEmergency(j)
			text := lines(v.Checks)
			if v.Granted != c.granted || v.Final == c.waits {
				t.Errorf("granted %v, final %v:\n%s", v.Granted, v.Final, text)
			}
			if bad := failed(v.Checks); (len(bad) == 0) != c.granted {
				t.Errorf("failed checks %q do not go with granted %v", bad, v.Granted)
			}
			if !v.Granted && (len(v.Items) > 0 || !v.Window.Until.IsZero() || !v.ReviewBy.IsZero()) {
				t.Errorf("refused, and yet %+v", v)
			}
			if !c.granted { // the rule itself denies, not only what follows from it
				text = strings.Join(failed(v.Checks), "\n")
			}
			mustContain(t, text, c.detail)
		})
	}
}

func twoRoles(j *EmergencyJudgement) {
	roles := ask("alice", "writer", "deployer").Roles
	j.Request.Roles, j.Request.Duration = roles, time.Hour
}

func guardGlass(j *EmergencyJudgement, require string) {
	j.Trusted.Policies = []*schema.Policy{{Rules: []schema.Rule{{Name: "no-nonsense", Require: require, Message: "be sensible"}}}}
}

// onBranch is a change on the branch that nobody has approved.
func onBranch(change func(*schema.Tree)) func(*EmergencyJudgement) {
	return func(j *EmergencyJudgement) {
		j.Branch = world()
		breakGlass(j.Branch)
		change(j.Branch)
	}
}

// holds1 is a decision by which somebody has a role for some hours of the test day.
func holds1(who, role, from, until string) grants.Decision {
	return grants.Decision{
		Request: "requests/" + who + role + ".yaml@1", Granted: true,
		Terms: []grants.Terms{{
			Span:  grants.Window{From: clock(from), Until: clock(until)},
			Items: []grants.Item{{Grant: grants.Grant{Target: "orders-db", Account: who, Entitlement: role}, Subject: who, Role: role}},
		}},
	}
}

func TestTheSoonestReviewOfTheRolesIsDue(t *testing.T) {
	j := glass()
	twoRoles(&j)
	v := JudgeEmergency(j)
	if want := clock("09:01").Add(12 * time.Hour); !v.ReviewBy.Equal(want) {
		t.Errorf("review by %v, want %v", v.ReviewBy, want)
	}
	if len(v.Items) != 2 {
		t.Errorf("items: %+v", v.Items)
	}
}

func TestJudgeEmergencyWithNothingRefuses(t *testing.T) {
	if v := JudgeEmergency(EmergencyJudgement{}); v.Granted || !v.Final {
		t.Errorf("an empty judgement: %+v", v)
	}
}

// Whatever else is drawn, an emergency is for its author alone, from the same
// repository, and by one file.
func TestPropertyAnEmergencyIsForItsAuthorByOneFileOfTheSameRepository(t *testing.T) {
	granted := 0
	who := map[string]forge.Identity{"alice": aliceID, "bob": bobID, "dave": daveID}
	rapid.Check(t, func(t *rapid.T) {
		j := glass()
		j.Trusted.Groups["on-call"].Members = []string{"alice", "bob", "dave"}
		often := func(name string, usual, other any) any {
			if rapid.IntRange(0, 4).Draw(t, name) > 0 {
				return usual
			}
			return other
		}
		names := []string{"alice", "bob", "dave"}
		author := rapid.SampledFrom(names).Draw(t, "author")
		subject := often("for themselves", author, rapid.SampledFrom(names).Draw(t, "subject")).(string)
		j.Pull.Author = who[author]
		j.Request.Subjects = []string{subject}
		if rapid.IntRange(0, 9).Draw(t, "another subject") == 0 {
			j.Request.Subjects = append(j.Request.Subjects, rapid.SampledFrom(names).Draw(t, "second subject"))
		}
		j.HeadPushes = nil
		at := clock("08:30")
		for range rapid.IntRange(1, 3).Draw(t, "pushes") {
			at = at.Add(time.Duration(rapid.IntRange(0, 15).Draw(t, "minutes")) * time.Minute)
			pusher := often("own push", author, rapid.SampledFrom(names).Draw(t, "pusher")).(string)
			kind := forge.PushPush
			if len(j.HeadPushes) == 0 {
				kind = forge.PushCreate
			}
			j.HeadPushes = append(j.HeadPushes, forge.Push{Actor: who[pusher], At: at, Kind: kind, After: testHead})
		}
		j.Pull.HeadRepoID = often("same repository", int64(testRepo), rapid.Int64Range(0, 5).Draw(t, "fork")).(int64)
		for range rapid.IntRange(0, 9).Draw(t, "files") / 8 {
			j.Files = append(j.Files, forge.FileChange{Path: "requests/more.yaml", Kind: forge.FileAdded, Blob: "b"})
		}
		j.Request.Duration = time.Duration(rapid.IntRange(1, 150).Draw(t, "duration")) * time.Minute
		v := JudgeEmergency(j)
		if !v.Granted {
			return
		}
		granted++
		for _, p := range j.HeadPushes {
			if p.Actor.ID != j.Pull.Author.ID || p.At.After(j.Pull.CreatedAt) {
				t.Fatalf("granted with the push %+v", p)
			}
		}
		switch {
		case !slices.Equal(j.Request.Subjects, []string{author}) || v.Subject != author:
			t.Fatalf("%s was granted what is for %v", author, j.Request.Subjects)
		case j.Pull.HeadRepoID != testRepo:
			t.Fatalf("granted from repository %d", j.Pull.HeadRepoID)
		case len(j.Files) != 1:
			t.Fatalf("granted by %d files", len(j.Files))
		case v.Window.Until.Sub(v.Window.From) > 2*time.Hour || !v.Window.From.Equal(j.Pull.CreatedAt):
			t.Fatalf("granted for %v", v.Window)
		}
		for _, it := range v.Items {
			if it.Subject != author {
				t.Fatalf("%s was granted to %s", it.Grant, it.Subject)
			}
		}
	})
	if granted == 0 {
		t.Error("nothing that was drawn was granted: the property is empty")
	}
}

// running is the decision of a use of break-glass that is in force.
func running(v EmergencyVerdict) grants.Decision {
	return grants.Decision{Request: "pull/9", Granted: true, Terms: []grants.Terms{{Span: v.Window, Items: v.Items}}}
}

func TestARunningEmergencyEndsWithWhatAllowedIt(t *testing.T) {
	j := glass()
	twoRoles(&j)
	v := JudgeEmergency(j)
	if !v.Granted {
		t.Fatal(lines(v.Checks))
	}
	d := running(v)
	for _, c := range []struct {
		name   string
		change func(*schema.Tree)
		why    string // empty: it goes on
	}{
		{"nothing", func(*schema.Tree) {}, ""},
		{"deactivated", func(t *schema.Tree) { t.People["alice"].Active = false }, "alice is not active any more"},
		{"gone", func(t *schema.Tree) { delete(t.People, "alice") }, "alice is not active any more"},
		{"off call", func(t *schema.Tree) { t.Groups["on-call"].Members = []string{"dave"} }, "not in the requesters"},
		{"off the ordinary requesters", func(t *schema.Tree) { t.Roles["writer"].Requesters = nil }, ""},
		{"role gone", func(t *schema.Tree) { delete(t.Roles, "deployer") }, "role deployer does not exist any more"},
		{"no emergency terms", func(t *schema.Tree) { t.Roles["writer"].Emergency = nil }, "role writer has no emergency terms any more"},
		{"entitlement gone", func(t *schema.Tree) { t.Roles["writer"].Entitlements = nil }, "role writer does not bring it any more"},
		{"parameter's value gone", func(t *schema.Tree) {
			t.Roles["deployer"].Params["namespace"] = schema.Param{Enum: []string{"billing"}}
		}, "role deployer does not bring it any more"},
		{"another value gone", func(t *schema.Tree) { t.Roles["deployer"].Params["namespace"] = schema.Param{Enum: []string{"orders"}} }, ""},
		{"a parameter more", func(t *schema.Tree) { t.Roles["deployer"].Params["unused"] = schema.Param{Enum: []string{"x", "y"}} }, ""},
		{"target gone", func(t *schema.Tree) { delete(t.Targets, "cluster") }, "target cluster does not exist any more"},
		{"ceiling lowered", func(t *schema.Tree) { t.Targets["orders-db"].Allow = nil }, "role writer does not bring it any more"},
		{"another account", func(t *schema.Tree) { t.People["alice"].Accounts = map[string]string{"cluster": "other"} }, "the account of alice on cluster"},
	} {
		tree := world()
		breakGlass(tree)
		c.change(tree)
		whole := world()
		breakGlass(whole)
		for where, why := range map[string]string{
			"trusted": NarrowEmergency(d, tree, nil, canonical),
			"branch":  NarrowEmergency(d, whole, tree, canonical),
		} {
			if (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
				t.Errorf("%s, %s: %q, want %q", c.name, where, why, c.why)
			}
		}
	}
	if why := NarrowEmergency(d, nil, nil, canonical); why != "" {
		t.Errorf("without a trusted state it ends: %s", why)
	}
	if why := NarrowEmergency(grants.Decision{}, world(), nil, canonical); why != "" {
		t.Errorf("what is not granted ends: %s", why)
	}
}
