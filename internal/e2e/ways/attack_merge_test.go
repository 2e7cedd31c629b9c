package ways_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/minihub"
)

func TestADirectPushGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("alice", stage.Change{Write: file(ask(long))})
	denied(s, "pushed directly")
}

func TestADirectPushOfAnApproversOwnGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("carol", stage.Change{Write: file(ask(long))})
	denied(s, "pushed directly")
}

func TestAnApprovedPullRequestThatIsNotMergedGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", file(ask(long)))
	s.Approve(n, "carol")
	s.Pass()
	if _, seen := s.Row(asked); seen {
		t.Error("a file that is not on the branch is in the ledger")
	}
	s.Expect("bastion")
}

func TestAPullRequestMergedBecauseAnotherCarriedItsCommitsGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	own := s.Propose("alice", stage.Change{Branch: "ask", Write: file(ask(long))})
	s.Approve(own, "carol")
	other := s.Propose("bob", stage.Change{Branch: "docs", From: "ask", Write: map[string]string{"README.md": "Hello\n"}})
	s.Merge(other)
	p, err := s.Hub.Pull(stage.Repo, own)
	must(t, err)
	if !p.Merged {
		t.Fatal("the forge does not call the first pull request merged")
	}
	denied(s, "missing: 1 of leads")
}

func TestPushingAnApprovedHeadToTheBranchGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Propose("alice", stage.Change{Branch: "ask", Write: file(ask(long))})
	s.Approve(n, "carol")
	s.Move("alice", "main", s.Head("ask"))
	denied(s, "merged indirectly")
}

func TestTwoPullRequestsWithTheSameHeadGrantNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	one := s.Propose("alice", stage.Change{Branch: "ask", Write: file(ask(long))})
	s.Approve(one, "carol")
	s.Move("mallory", "copy", s.Head("ask"))
	two := s.Open("mallory", "copy")
	s.Merge(two)
	denied(s, "ambiguous")
}

func TestAPullRequestRetargetedAfterItsApprovalGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("bob", stage.Change{Branch: "playground", From: "main", Write: map[string]string{"README.md": "Play here\n"}})
	s.Push("alice", stage.Change{Branch: "ask", Write: file(ask(long))})
	s.Second()
	n, err := s.Hub.OpenPull(stage.Repo, stage.Login("alice"), minihub.PullRequest{Title: "Only a test", Head: "ask", Base: "playground"})
	must(t, err)
	s.Approve(n, "carol")
	s.Second()
	must(t, s.Hub.Retarget(stage.Repo, n, stage.Login("alice"), "main"))
	s.Merge(n)
	denied(s, "before the base branch changed")
}

func TestAnApprovalForAnotherBaseBranchGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("bob", stage.Change{Branch: "playground", From: "main", Write: map[string]string{"README.md": "Play here\n"}})
	s.Push("alice", stage.Change{Branch: "ask", Write: file(ask(long))})
	s.Second()
	n, err := s.Hub.OpenPull(stage.Repo, stage.Login("alice"), minihub.PullRequest{Title: "Only a test", Head: "ask", Base: "playground"})
	must(t, err)
	s.Approve(n, "carol")
	s.Merge(n)
	s.Merge(s.Open("alice", "playground")) // with everything that is on it
	denied(s, "missing: 1 of leads")
}

func TestAForkWhoseRecordCannotBeReadGrantsNothing(t *testing.T) {
	for name, hide := range map[string]func(s *stage.Stage, fork string) error{
		"private": func(s *stage.Stage, fork string) error { return s.Hub.SetPrivate(fork, true) },
		"deleted": func(s *stage.Stage, fork string) error { return s.Hub.DeleteRepo(fork) },
		"without its record": func(s *stage.Stage, fork string) error {
			s.Hub.Fail(func(r *http.Request) *minihub.Failure {
				if strings.Contains(r.URL.Path, fork+"/activity") {
					return &minihub.Failure{Status: http.StatusNotFound}
				}
				return nil
			})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, stage.Options{})
			n, fork := forked(s)
			s.Approve(n, "carol")
			s.Merge(n)
			must(t, hide(s, fork))
			denied(s, "no push record says when the head")
		})
	}
}

// forked opens alice's pull request from a fork of hers.
func forked(s *stage.Stage) (number int, fork string) {
	s.T.Helper()
	r, err := s.Hub.Fork(stage.Repo, stage.Login("alice"))
	if err != nil {
		s.T.Fatal(err)
	}
	s.Push("alice", stage.Change{Repo: r.FullName, Branch: "ask", Write: file(ask(long))})
	return s.Open("alice", stage.Login("alice")+":ask"), r.FullName
}

func TestAMergeThatChangesTheReviewedBytesExtendsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	body := func(reason, window string) string {
		return "apiVersion: tenure.dev/v1\nkind: AccessRequest\nsubjects: [alice]\nroles: [ops]\n" +
			"reason: " + reason + "\n# 1\n# 2\n# 3\n# 4\n# 5\n" + window + "\n"
	}
	s.Grant("alice", asked, body("Something has to be repaired", "duration: 1h"))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	until := s.Holds("bastion")[0].Until

	n := s.Ask("alice", file(body("Something has to be repaired soon", "duration: 1h")))
	s.Approve(n, "carol")
	s.Push("mallory", stage.Change{Write: file(body("Something has to be repaired", "duration: 8h"))})
	s.Merge(n) // joins the approved line with the pushed one
	s.Pass()
	s.Says(asked, "the merge changed what was reviewed")
	s.Expect("bastion", "ops,alice")
	if got := s.Holds("bastion")[0].Until; !got.Equal(until) {
		t.Errorf("held until %s, want %s as before", got, until)
	}
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
}

func TestAMergeCommitMadeByHandWithOtherBytesGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Propose("alice", stage.Change{Branch: "ask", Write: file(ask())})
	s.Approve(n, "carol")
	s.Push("mallory", stage.Change{Branch: "evil", Write: file(ask(long))})
	evil := s.Git("commit-tree", s.Head("evil")+"^{tree}", "-p", s.Head("main"), "-p", s.Head("ask"), "-m", "Merge pull request #1")
	s.Move("mallory", "main", evil)
	p, err := s.Hub.Pull(stage.Repo, n)
	must(t, err)
	if !p.Merged || p.MergeCommit != evil {
		t.Fatal("the forge does not call the pull request merged by that commit")
	}
	denied(s, "merged indirectly")
}

func TestARequestFromBeforeTheStartOfTrustGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{Earlier: file(ask(long))})
	denied(s, "before the chain of trust starts")
}

func TestARequestInTheCommitThatStartsTrustGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{Files: file(ask(long))})
	denied(s, "before the chain of trust starts")
}

func TestARepositoryRecreatedUnderTheSameNameGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("bob", "requests/bob.yaml", stage.Request("bob", "ops", "duration: 1h"))
	s.Pass()
	s.Expect("bastion", "ops,bob")
	old, _ := s.Hub.Repo(stage.Repo)
	head := s.Head("main")
	must(t, s.Hub.DeleteRepo(stage.Repo))
	_, err := s.Hub.CreateRepo(stage.Repo)
	must(t, err)
	for _, who := range []string{stage.Login("alice"), stage.Login("erin"), stage.Bot} {
		must(t, s.Hub.SetPermission(stage.Repo, who, minihub.Admin))
	}
	s.Git("fetch", "-q", old.Dir, "refs/heads/main")
	s.Move("erin", "main", head) // the very same history
	s.Grant("alice", asked, ask(long))
	pass := func() {
		t.Helper()
		if err := s.TryPass(); err == nil || !strings.Contains(err.Error(), "has id") {
			t.Errorf("a pass does not say that the repository is another one: %v", err)
		}
	}
	for range 3 {
		pass()
		s.Denied(asked, "the repository on the forge is another one than before")
		s.Expect("bastion", "ops,bob")
		s.Advance(10 * time.Minute)
	}
	s.Restart()
	s.Advance(time.Hour)
	pass()
	s.Denied(asked, "the repository on the forge is another one than before")
	s.Expect("bastion") // bob's ended on time
}
