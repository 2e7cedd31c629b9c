package ways_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/minihub"
)

func TestBreakingTheGlassGivesAccessAtOnceAndAReviewClosesIt(t *testing.T) {
	s := glass(t, nil)
	n := s.Ask("alice", file(urgent()))
	opened := s.Now()
	s.Pass()
	s.Expect("bastion", "ops,alice")
	if got := s.Said(n); !strings.Contains(got, "has access now") || !strings.Contains(got, "A review is due") {
		t.Errorf("the comment says:\n%s", got)
	}
	if holds := s.Holds("bastion"); len(holds) != 1 || holds[0].Until.After(opened.Add(time.Hour)) {
		t.Errorf("holds: %+v", holds)
	}
	s.Approve(n, "carol")
	s.Pass()
	if len(s.Events(ledger.EventEmergencyReviewed)) != 1 {
		t.Error("the review is not noted")
	}
	if got := s.Said(n); !strings.Contains(got, "Reviewed by `carol`") {
		t.Errorf("the comment says:\n%s", got)
	}
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
	// Reviewed, so that the next time is possible.
	s.Ask("alice", map[string]string{"requests/next.yaml": urgent()})
	s.Pass()
	s.Expect("bastion", "ops,alice")
}

func TestTheCommentOnAClosedEmergencySaysThatItIsOver(t *testing.T) {
	s := glass(t, nil)
	n := s.Ask("alice", file(urgent()))
	s.Pass()
	s.Second()
	must(t, s.Hub.ClosePull(stage.Repo, n, stage.Login("alice")))
	s.Pass()
	if got := s.Said(n); strings.Contains(got, "has access now") || !strings.Contains(got, "its pull request was closed") {
		t.Errorf("the comment says:\n%s", got)
	}
	s.Second()
	s.Approve(n, "carol")
	s.Pass()
	if got := s.Said(n); !strings.Contains(got, "Reviewed by `carol`") {
		t.Errorf("the comment says:\n%s", got)
	}
}

func TestShorteningIsSaidToNeedNoApproval(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask("duration: 2h"))
	s.Pass()
	n := s.Ask("alice", file(ask("duration: 1h")))
	s.Pass()
	if st := s.Status(n); st.State != "success" {
		t.Errorf("status %+v\n%s", st, s.Said(n))
	}
	longer := s.Ask("alice", file(ask("duration: 3h")))
	s.Pass()
	if st := s.Status(longer); st.State != "pending" {
		t.Errorf("status %+v", st)
	}
}

func TestAReviewThatIsLateIsSaidOnce(t *testing.T) {
	s := glass(t, nil)
	n := s.Ask("alice", file(urgent()))
	s.Pass()
	s.Advance(25 * time.Hour)
	s.Pass()
	s.Pass()
	if len(s.Events(ledger.EventEmergencyLate)) != 1 {
		t.Error("the late review is not noted, or more than once")
	}
	// It can still be given, also after the pull request was closed.
	must(t, s.Hub.ClosePull(stage.Repo, n, stage.Login("alice")))
	s.Second()
	s.Approve(n, "dave")
	s.Pass()
	if len(s.Events(ledger.EventEmergencyReviewed)) != 1 {
		t.Error("the review is not noted")
	}
}

func TestAnOpenPullRequestSaysWhatItWouldGrantAndWhatIsMissing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", file(ask("duration: 2h")))
	s.Pass()
	said := s.Said(n)
	for _, want := range []string{"group=ops on bastion to alice (role ops", "for 2h from the merge", "carol, dave", "approvals are missing"} {
		if !strings.Contains(said, want) {
			t.Errorf("the comment does not say %q:\n%s", want, said)
		}
	}
	if st := s.Status(n); st.State != "pending" || !strings.Contains(st.Description, "carol") {
		t.Errorf("status %+v", st)
	}
	s.Approve(n, "carol")
	s.Pass()
	if st := s.Status(n); st.State != "success" {
		t.Errorf("status after the approval: %+v", st)
	}
	if said := s.Said(n); !strings.Contains(said, "takes effect when it is merged") || !strings.Contains(said, "carol's approval") {
		t.Errorf("the comment says:\n%s", said)
	}
	s.Expect("bastion")
	s.Merge(n)
	s.Pass()
	s.Expect("bastion", "ops,alice")
}

func TestARefusedPullRequestSaysWhy(t *testing.T) {
	s := begin(t, stage.Options{})
	for name, c := range map[string]struct{ by, text, why string }{
		"too long":      {"alice", ask("duration: 9h"), "role ops allows 8h"},
		"not a request": {"alice", "kind: AccessRequest\n", "line 1"},
		"not for her":   {"mallory", stage.Request("zoe", "ops", "duration: 1h"), "zoe may not ask for ops"},
		"no such role":  {"alice", stage.Request("alice", "root", "duration: 1h"), "role root does not exist"},
	} {
		n := s.Ask(c.by, map[string]string{"requests/" + strings.ReplaceAll(name, " ", "-") + ".yaml": c.text})
		s.Approve(n, "carol")
		s.Pass()
		if st := s.Status(n); st.State != "failure" {
			t.Errorf("%s: status %+v", name, st)
		}
		if said := s.Said(n); !strings.Contains(said, c.why) {
			t.Errorf("%s: the comment does not say %q:\n%s", name, c.why, said)
		}
	}
}

func TestConfigurationSaysWhoseApprovalItNeeds(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", map[string]string{"groups/leads.yaml": stage.Group("leads", "carol", "dave", "bob")})
	s.Pass()
	if st := s.Status(n); st.State != "pending" || !strings.Contains(st.Description, "admins (erin)") {
		t.Errorf("status %+v", st)
	}
	s.Approve(n, "erin")
	s.Pass()
	if st := s.Status(n); st.State != "success" {
		t.Errorf("status %+v", st)
	}
	plain := s.Ask("alice", map[string]string{"README.md": "Hello\n"})
	s.Pass()
	if st := s.Status(plain); st.State != "success" {
		t.Errorf("status of a pull request that has nothing to do with access: %+v", st)
	}
}

func TestThereIsOneCommentAndNobodyElseCanWriteIt(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", file(ask("duration: 2h")))
	s.Pass()
	first := s.Said(n)
	comments, err := s.Hub.Comments(stage.Repo, n)
	must(t, err)
	if len(comments) != 1 {
		t.Fatalf("%d comments", len(comments))
	}
	// An administrator of the forge changes what the reconciler said.
	s.Second()
	must(t, s.Hub.EditComment(stage.Repo, comments[0].ID, stage.Login("erin"), strings.Split(first, "\n")[0]+"\nAll is approved."))
	s.Second()
	must(t, s.Hub.Comment(stage.Repo, n, stage.Login("mallory"), strings.Split(first, "\n")[0]+"\nI am the reconciler."))
	s.Pass()
	if got := s.Said(n); got != first {
		t.Errorf("the comment was not put right:\n%s", got)
	}
	comments, err = s.Hub.Comments(stage.Repo, n)
	must(t, err)
	if len(comments) != 2 {
		t.Errorf("%d comments", len(comments))
	}
	s.Hub.ResetRequests()
	s.Advance(10 * time.Second)
	s.Pass()
	s.Pass()
	for _, r := range s.Hub.Requests() {
		if r.Method != "GET" && !strings.HasPrefix(r.Path, "/"+stage.Repo) && !strings.Contains(r.Path, "git-upload-pack") {
			t.Errorf("a look at what did not change writes: %s %s", r.Method, r.Path)
		}
	}
}

func TestWhatAPullRequestSaysIsHarmlessInTheComment(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", map[string]string{
		"requests/x.yaml":           stage.Request("alice", "ops", "duration: 1h", "ticket: \"@erin-gh ![x](http://example.com/x) <img src=x>\""),
		"requests/@erin-gh `y.yaml": strings.Replace(ask(), "Something", "</sub> @carol-gh", 1),
	})
	s.Pass()
	said := s.Said(n)
	for line := range strings.SplitSeq(said, "\n") {
		outside := ""
		for i, part := range strings.Split(line, "`") {
			if i%2 == 0 {
				outside += part
			}
		}
		if strings.ContainsAny(outside, "@") || strings.Contains(outside, "<img") || strings.Contains(outside, "](") {
			t.Errorf("markup outside of code: %s", line)
		}
	}
}

func TestSilenceIsKeptAndTheGlassBreaksAllTheSame(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{
		Files: map[string]string{
			"groups/on-call.yaml": stage.Group("on-call", "alice"),
			"roles/ops.yaml":      stage.Role("ops", "{target: bastion, group: ops}") + "emergency: {requesters: [on-call], maxDuration: 1h, reviewWithin: 24h}\n",
		},
		Forge: ", report: none",
	})
	s.Pass()
	n := s.Ask("alice", file(urgent()))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	comments, err := s.Hub.Comments(stage.Repo, n)
	must(t, err)
	if len(comments) != 0 || s.Status(n) != (minihub.Status{}) {
		t.Error("something was said")
	}
}

func TestAnEmergencyThatWaitedForAReviewBeginsWithIt(t *testing.T) {
	s := glass(t, nil)
	first := s.Ask("alice", file(urgent("duration: 30m")))
	s.Pass()
	s.Advance(10 * time.Minute)
	s.Ask("alice", map[string]string{"requests/again.yaml": urgent()})
	s.Pass()
	s.Advance(25 * time.Minute)
	s.Pass()
	s.Expect("bastion")
	s.Approve(first, "carol")
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Advance(46 * time.Minute)
	s.Pass()
	s.Expect("bastion")
}

func TestTheStatusOfAHeadIsThatOfAllItsPullRequests(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("alice", stage.Change{Branch: "one", Write: file(ask("duration: 2h"))})
	n := s.Open("alice", "one")
	s.Approve(n, "carol")
	s.Pass()
	if st := s.Status(n); st.State != "success" {
		t.Fatalf("status alone: %+v", st)
	}
	s.Advance(10 * time.Second)
	s.Pass()
	s.Move("mallory", "two", s.Head("one"))
	twin := s.Open("mallory", "two")
	s.Pass()
	s.Advance(10 * time.Second)
	s.Pass()
	must(t, s.Hub.Comment(stage.Repo, n, stage.Login("alice"), "Please look."))
	s.Pass()
	if st := s.Status(n); st.State == "success" {
		t.Errorf("status with a twin: %+v", st)
	}
	s.Second()
	must(t, s.Hub.ClosePull(stage.Repo, twin, stage.Login("mallory")))
	s.Pass()
	if st := s.Status(n); st.State != "success" {
		t.Errorf("status alone again: %+v", st)
	}
}

func TestWhatDidNotChangeIsNotReadAgainInSilence(t *testing.T) {
	s := begin(t, stage.Options{Forge: ", report: none"})
	s.Ask("alice", file(ask()))
	s.Advance(10 * time.Second)
	s.Pass()
	s.Hub.ResetRequests()
	s.Pass()
	for _, r := range s.Hub.Requests() {
		if strings.HasSuffix(r.Path, "/files") {
			t.Errorf("read again: %s", r.Path)
		}
	}
}
