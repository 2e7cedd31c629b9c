package ways_test

import (
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/minihub"
)

// long outlasts what denied waits for, so that an ended window never hides a
// missing refusal.
const long = "duration: 8h"

func TestTheAuthorsOwnApprovalGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{Files: map[string]string{"groups/leads.yaml": stage.Group("leads", "alice", "carol")}})
	n := s.Ask("alice", file(ask(long)))
	s.Second()
	_, err := s.Hub.ForceReview(stage.Repo, n, stage.Login("alice"), minihub.Approved)
	must(t, err)
	s.Merge(n)
	denied(s, "alice is the author of the pull request")
}

func TestTheApprovalOfWhoAskedForSomebodyElseGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("carol", file(ask(long)))
	s.Second()
	_, err := s.Hub.ForceReview(stage.Repo, n, stage.Login("carol"), minihub.Approved)
	must(t, err)
	s.Merge(n)
	denied(s, "carol is the author of the pull request")
}

func TestTheApprovalOfASubjectGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", file(stage.Request("alice, carol", "ops", long)))
	s.Approve(n, "carol")
	s.Merge(n)
	denied(s, "carol is a subject of the request")
}

func TestAnApprovalBeforeTheLastPushGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Propose("alice", stage.Change{Branch: "ask", Write: file(ask())})
	s.Approve(n, "carol")
	s.Push("alice", stage.Change{Branch: "ask", Write: file(ask(long))})
	s.Merge(n)
	denied(s, "before the last push")
}

func TestAnApprovalThatTheForgeRepointedToTheNewHeadGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Propose("alice", stage.Change{Branch: "ask", Write: file(ask())})
	s.Approve(n, "carol")
	s.Push("alice", stage.Change{Branch: "ask", Write: file(ask(long))})
	must(t, s.Hub.RepointReviews(stage.Repo, n))
	s.Merge(n)
	denied(s, "before the last push")
}

func TestAnApprovalInTheSecondOfTheLastPushGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Propose("alice", stage.Change{Branch: "ask", Write: file(ask())})
	s.Push("alice", stage.Change{Branch: "ask", Write: file(ask(long))})
	must(t, s.Hub.Approve(stage.Repo, n, stage.Login("carol")))
	s.Merge(n)
	denied(s, "before the last push")
}

func TestADismissedApprovalGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", file(ask(long)))
	s.Second()
	id, err := s.Hub.Review(stage.Repo, n, stage.Login("carol"), "APPROVE", "")
	must(t, err)
	s.Second()
	must(t, s.Hub.DismissReview(stage.Repo, n, id, stage.Login("erin"), "Not like this"))
	s.Merge(n)
	denied(s, "it was dismissed")
}

func TestAnApprovalThatWasTakenBackGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", file(ask(long)))
	s.Approve(n, "carol")
	s.Second()
	_, err := s.Hub.Review(stage.Repo, n, stage.Login("carol"), "REQUEST_CHANGES", "Wait, why?")
	must(t, err)
	s.Merge(n)
	denied(s, "it does not approve")
}

func TestAnApprovalAfterTheMergeGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", file(ask(long)))
	s.Merge(n)
	s.Approve(n, "carol")
	denied(s, "at or after the merge")
}

func TestAnApprovalInTheSecondOfTheMergeGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", file(ask(long)))
	s.Merge(n)
	must(t, s.Hub.Approve(stage.Repo, n, stage.Login("carol")))
	denied(s, "at or after the merge")
}

func TestAnApprovalAfterTheMergeDoesNotRepairARefusedRequest(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", file(ask(long)))
	s.Merge(n)
	s.Pass()
	s.Denied(asked, "missing: 1 of leads")
	s.Approve(n, "carol")
	s.Restart()
	denied(s, "missing: 1 of leads")
}

func TestTheApprovalOfSomebodyOutsideTheGroupGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", file(ask(long)))
	s.Approve(n, "bob")
	s.Approve(n, "erin")
	s.Merge(n)
	denied(s, "missing: 1 of leads (carol, dave)")
}

func TestTheApprovalOfAStrangerGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Hub.AddUser("carol")
	n := s.Ask("alice", file(ask(long)))
	s.Second()
	must(t, s.Hub.Approve(stage.Repo, n, "carol")) // the login, not the person
	s.Merge(n)
	denied(s, "is nobody in the trusted state")
}

func TestTheApprovalOfAPusherGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Propose("alice", stage.Change{Branch: "ask", Write: file(ask())})
	s.Push("carol", stage.Change{Branch: "ask", Write: file(ask(long))})
	s.Approve(n, "carol")
	s.Merge(n)
	denied(s, "carol is a pusher to the pull request")
}

func TestTheApprovalOfWhoPushedBeforeThePullRequestWasOpenedGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("carol", stage.Change{Branch: "ask", Write: file(ask())})
	s.Push("alice", stage.Change{Branch: "ask", Write: file(ask(long))})
	n := s.Open("alice", "ask")
	s.Approve(n, "carol")
	s.Merge(n)
	denied(s, "carol is a pusher to the pull request")
}

func TestTheApprovalOfSomebodyInactiveGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{Files: map[string]string{"people/carol.yaml": stage.Person("carol", "active: false")}})
	n := s.Ask("alice", file(ask(long)))
	s.Approve(n, "carol")
	s.Merge(n)
	denied(s, "carol, who is not active")
}

func TestAStaleApprovalGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{ApprovalsValid: "2d"})
	n := s.Ask("alice", file(ask(long)))
	s.Approve(n, "carol")
	s.Advance(48*time.Hour + time.Minute)
	s.Merge(n)
	denied(s, "approvals are valid for 2d")
}

func TestTheApprovalOfAReRegisteredLoginGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	must(t, s.Hub.DeleteUser(stage.Login("carol")))
	s.Hub.AddUser(stage.Login("carol"))
	n := s.Ask("alice", file(ask(long)))
	s.Approve(n, "carol")
	s.Merge(n)
	denied(s, "is nobody in the trusted state")
}

func TestARequestByAReRegisteredLoginGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	must(t, s.Hub.DeleteUser(stage.Login("alice")))
	s.Hub.AddUser(stage.Login("alice"))
	must(t, s.Hub.SetPermission(stage.Repo, stage.Login("alice"), minihub.Write))
	s.Grant("alice", asked, ask(long))
	denied(s, "author: pull request #1 was opened by alice-gh")
}

func TestTheApprovalOfAGhostGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", file(ask(long)))
	s.Approve(n, "carol")
	s.Merge(n)
	must(t, s.Hub.DeleteUser(stage.Login("carol")))
	denied(s, "is a ghost")
}

func TestARequestOpenedByABotGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Hub.AddBot("helper[bot]")
	must(t, s.Hub.SetPermission(stage.Repo, "helper[bot]", minihub.Write))
	s.Grant("helper[bot]", asked, ask(long))
	denied(s, "a bot can remove access, never grant it")
}

func TestABotsApprovalGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Hub.AddBot("helper[bot]")
	n := s.Ask("alice", file(ask(long)))
	s.Approve(n, "helper[bot]")
	s.Merge(n)
	denied(s, "is a Bot, not a user")
}

func TestAPullRequestCannotAppointItsOwnApprover(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", map[string]string{
		asked:               ask(long),
		"groups/leads.yaml": stage.Group("leads", "carol", "dave", "mallory"),
	})
	s.Approve(n, "mallory")
	s.Merge(n)
	denied(s, "missing: 1 of leads (carol, dave)")
}
