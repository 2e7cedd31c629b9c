package ways_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/minihub"
)

// glass is a stage on which alice and bob may break the glass of the role ops.
func glass(t *testing.T, files map[string]string) *stage.Stage {
	t.Helper()
	all := map[string]string{
		"groups/on-call.yaml": stage.Group("on-call", "alice", "bob"),
		"roles/ops.yaml":      stage.Role("ops", "{target: bastion, group: ops}") + "emergency: {requesters: [on-call], maxDuration: 1h, reviewWithin: 24h}\n",
		"roles/editor.yaml":   stage.Role("editor", "{target: wiki, group: editors}") + "emergency: {requesters: [on-call], maxDuration: 1h, reviewWithin: 24h}\n",
	}
	for path, text := range files {
		all[path] = text
	}
	return begin(t, stage.Options{Files: all})
}

// urgent is alice's emergency request for ops.
func urgent(lines ...string) string {
	if len(lines) == 0 {
		lines = []string{"duration: 1h"}
	}
	return stage.Request("alice", "ops", append(lines, "emergency: true")...)
}

// shut fails the test unless nobody has access now and an hour of looks later, and
// the forge was told why in the comment on the pull request.
func shut(s *stage.Stage, pull int, why string) {
	s.T.Helper()
	s.Pass()
	s.Expect("bastion")
	if got := s.Said(pull); !strings.Contains(got, why) {
		s.T.Errorf("the comment does not say %q:\n%s", why, got)
	}
	for range 3 {
		s.Advance(10 * time.Minute)
		s.Pass()
		s.Expect("bastion")
	}
}

// over fails the test unless the access is gone, and stays away.
func over(s *stage.Stage) {
	s.T.Helper()
	s.Pass()
	s.Expect("bastion")
	for range 3 {
		s.Advance(10 * time.Minute)
		s.Pass()
		s.Expect("bastion")
	}
}

func TestAnEmergencyByWhoIsNotOnCallGrantsNothing(t *testing.T) {
	s := glass(t, nil)
	n := s.Ask("mallory", file(stage.Request("mallory", "ops", "duration: 1h", "emergency: true")))
	shut(s, n, "on-call")
}

func TestAnEmergencyForSomebodyElseGrantsNothing(t *testing.T) {
	s := glass(t, nil)
	n := s.Ask("bob", file(urgent()))
	shut(s, n, "author")
}

func TestAnEmergencyWithAnotherFileGrantsNothing(t *testing.T) {
	s := glass(t, nil)
	n := s.Ask("alice", map[string]string{asked: urgent(), "README.md": "Look here\n"})
	s.Pass()
	s.Expect("bastion")
	over(s)
	if n == 0 {
		t.Fatal("no pull request")
	}
}

func TestAnEmergencyThatChangesAFileGrantsNothing(t *testing.T) {
	s := glass(t, nil)
	s.Grant("alice", asked, stage.Request("alice", "ops", "duration: 10m"))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	n := s.Ask("alice", file(urgent()))
	s.Pass()
	s.Advance(11 * time.Minute)
	s.Pass()
	s.Expect("bastion")
	shut(s, n, "")
}

func TestAnEmergencyWithSomebodyElsesPushGrantsNothing(t *testing.T) {
	s := glass(t, nil)
	s.Push("alice", stage.Change{Branch: "help", Write: map[string]string{"README.md": "Help\n"}})
	s.Push("mallory", stage.Change{Branch: "help", Write: file(urgent()), Remove: []string{"README.md"}})
	n := s.Open("alice", "help")
	shut(s, n, "mallory-gh")
}

func TestAnEmergencyFromAForkGrantsNothing(t *testing.T) {
	s := glass(t, nil)
	fork, err := s.Hub.Fork(stage.Repo, stage.Login("alice"))
	must(t, err)
	s.Push("alice", stage.Change{Repo: fork.FullName, Branch: "help", Write: file(urgent())})
	n := s.Open("alice", stage.Login("alice")+":help")
	shut(s, n, "it comes from another repository")
}

func TestAnEmergencyForAnotherBranchGrantsNothing(t *testing.T) {
	s := glass(t, nil)
	s.Push("alice", stage.Change{Branch: "playground", Write: map[string]string{"README.md": "Play\n"}})
	s.Push("alice", stage.Change{Branch: "help", From: "playground", Write: file(urgent())})
	s.OpenInto("alice", "help", "playground")
	over(s)
}

func TestAnEmergencyRetargetedToTheBranchGrantsNothing(t *testing.T) {
	s := glass(t, nil)
	s.Push("alice", stage.Change{Branch: "playground", From: "main"})
	s.Push("alice", stage.Change{Branch: "help", Write: file(urgent())})
	n := s.OpenInto("alice", "help", "playground")
	s.Second()
	must(t, s.Hub.Retarget(stage.Repo, n, stage.Login("alice"), "main"))
	shut(s, n, "its base branch was changed")
}

func TestAnEmergencyLongerThanTheRoleAllowsGrantsNothing(t *testing.T) {
	s := glass(t, nil)
	n := s.Ask("alice", file(urgent("duration: 2h")))
	shut(s, n, "1h")
}

func TestAnEmergencyForARoleWithoutBreakGlassGrantsNothing(t *testing.T) {
	s := glass(t, map[string]string{"roles/ops.yaml": stage.Role("ops", "{target: bastion, group: ops}")})
	n := s.Ask("alice", file(urgent()))
	shut(s, n, "emergency")
}

func TestAnEmergencyThatAGuardrailForbidsGrantsNothing(t *testing.T) {
	s := glass(t, map[string]string{"policies/ticket.yaml": `apiVersion: tenure.dev/v1
kind: Policy
rules:
  - {name: tickets, require: "request.ticket != ''", message: A ticket is needed}
`})
	n := s.Ask("alice", file(urgent()))
	shut(s, n, "A ticket is needed")
}

func TestTheRulesOfAnEmergencyAreNotThoseItBrings(t *testing.T) {
	s := glass(t, nil)
	s.Push("mallory", stage.Change{Write: map[string]string{"groups/on-call.yaml": stage.Group("on-call", "mallory")}})
	n := s.Ask("mallory", file(stage.Request("mallory", "ops", "duration: 1h", "emergency: true")))
	shut(s, n, "on-call")
}

func TestAPushToAnEmergencyEndsItAndDoesNotRestartIt(t *testing.T) {
	s := glass(t, nil)
	s.Propose("alice", stage.Change{Branch: "help", Write: file(urgent())})
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Push("alice", stage.Change{Branch: "help", Write: file(urgent("duration: 59m"))})
	over(s)
}

func TestAnEmergencyPushedToAndBackBetweenTwoLooksEnds(t *testing.T) {
	s := glass(t, nil)
	s.Propose("alice", stage.Change{Branch: "help", Write: file(urgent())})
	head := s.Head("help")
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Push("alice", stage.Change{Branch: "help", Write: file(urgent("duration: 59m"))})
	s.Move("alice", "help", head)
	over(s)
}

func TestAnEmergencyThatIsClosedEndsAndReopeningDoesNotRestartIt(t *testing.T) {
	s := glass(t, nil)
	n := s.Ask("alice", file(urgent()))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Second()
	must(t, s.Hub.ClosePull(stage.Repo, n, stage.Login("alice")))
	s.Pass()
	s.Expect("bastion")
	s.Second()
	must(t, s.Hub.ReopenPull(stage.Repo, n, stage.Login("alice")))
	over(s)
}

func TestAnEmergencyClosedAndReopenedAfterItsWindowDoesNotComeBack(t *testing.T) {
	s := glass(t, nil)
	n := s.Ask("alice", file(urgent()))
	s.Pass()
	s.Advance(61 * time.Minute)
	s.Pass()
	s.Expect("bastion")
	must(t, s.Hub.ClosePull(stage.Repo, n, stage.Login("alice")))
	s.Pass()
	s.Second()
	must(t, s.Hub.ReopenPull(stage.Repo, n, stage.Login("alice")))
	over(s)
}

func TestAnEmergencyRetargetedAndBackEnds(t *testing.T) {
	s := glass(t, nil)
	s.Push("alice", stage.Change{Branch: "playground", From: "main"})
	n := s.Ask("alice", file(urgent()))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Second()
	must(t, s.Hub.Retarget(stage.Repo, n, stage.Login("alice"), "playground"))
	s.Second()
	must(t, s.Hub.Retarget(stage.Repo, n, stage.Login("alice"), "main"))
	over(s)
}

func TestAMergeDoesNotProlongAnEmergency(t *testing.T) {
	s := glass(t, nil)
	n := s.Ask("alice", file(urgent()))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Advance(40 * time.Minute)
	s.Approve(n, "carol")
	s.Merge(n)
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Advance(21 * time.Minute)
	s.Pass()
	s.Expect("bastion")
	over(s)
}

func TestAMergeWithoutApprovalEndsAnEmergency(t *testing.T) {
	s := glass(t, nil)
	n := s.Ask("alice", file(urgent()))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Merge(n)
	s.Pass() // takes the merge in, and judges it
	s.Pass()
	over(s)
}

func TestAMergedEmergencyIsTakenAwayWithItsFile(t *testing.T) {
	s := glass(t, nil)
	n := s.Ask("alice", file(urgent()))
	s.Pass()
	s.Approve(n, "carol")
	s.Merge(n)
	s.Pass()
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Push("alice", stage.Change{Remove: []string{asked}})
	over(s)
}

func TestASecondEmergencyBeforeTheReviewGrantsNothing(t *testing.T) {
	s := glass(t, nil)
	s.Ask("alice", file(urgent()))
	s.Pass()
	s.Advance(61 * time.Minute)
	s.Pass()
	s.Expect("bastion")
	n := s.Ask("alice", map[string]string{"requests/again.yaml": urgent()})
	shut(s, n, "review")
}

func TestTwoEmergenciesAtOnceGiveOne(t *testing.T) {
	s := glass(t, nil)
	s.Ask("alice", file(urgent("duration: 30m")))
	s.Ask("alice", map[string]string{"requests/again.yaml": urgent("duration: 1h")})
	s.Pass()
	s.Expect("bastion", "ops,alice")
	if n := len(s.Events(ledger.EventEmergency)); n != 1 {
		t.Errorf("%d uses were granted", n)
	}
}

func TestTheReviewOfAnEmergencyByItsAuthorIsNone(t *testing.T) {
	s := glass(t, map[string]string{"groups/leads.yaml": stage.Group("leads", "alice", "carol")})
	n := s.Ask("alice", file(urgent()))
	s.Pass()
	s.Second()
	_, err := s.Hub.ForceReview(stage.Repo, n, stage.Login("alice"), "APPROVED")
	must(t, err)
	s.Pass()
	if n := len(s.Events(ledger.EventEmergencyReviewed)); n != 0 {
		t.Error("the author's own review counts")
	}
}

func TestAnEmergencyOnARewrittenBranchGrantsNothing(t *testing.T) {
	s := glass(t, nil)
	s.Push("erin", stage.Change{Write: map[string]string{"README.md": "One\n"}})
	s.Pass()
	s.Move("erin", "main", s.From)
	s.Push("erin", stage.Change{Write: map[string]string{"README.md": "Another\n"}})
	n := s.Ask("alice", file(urgent()))
	shut(s, n, "rewritten")
}

func TestAnEmergencyOfSomebodyWhoLeavesEnds(t *testing.T) {
	s := glass(t, nil)
	s.Ask("alice", file(urgent()))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Push("erin", stage.Change{Write: map[string]string{"people/alice.yaml": stage.Person("alice", "active: false")}})
	over(s)
}

func TestAnEmergencyEndsOnTimeWithTheForgeDown(t *testing.T) {
	s := glass(t, nil)
	s.Ask("alice", file(urgent()))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.HubDown()
	s.Advance(time.Hour)
	_ = s.TryPass()
	s.Expect("bastion")
}

func TestAnEmergencySurvivesARestartAndIsNotRepeatedByIt(t *testing.T) {
	s := glass(t, nil)
	s.Ask("alice", file(urgent()))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Restart()
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Advance(time.Hour)
	s.Restart()
	over(s)
	if n := len(s.Events(ledger.EventEmergency)); n != 1 {
		t.Errorf("%d uses were granted", n)
	}
}

func TestALowerLimitEndsARunningEmergency(t *testing.T) {
	s := glass(t, nil)
	s.Ask("alice", file(urgent()))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Push("erin", stage.Change{Write: map[string]string{"roles/ops.yaml": stage.Role("ops", "{target: bastion, group: ops}") +
		"emergency: {requesters: [on-call], maxDuration: 30m, reviewWithin: 24h}\n"}})
	over(s)
}

func TestAnEmergencyInPlaceOfAFileOnTheBranchGrantsNothing(t *testing.T) {
	s := glass(t, nil)
	s.Push("alice", stage.Change{Branch: "help", Write: file(urgent())})
	s.Push("bob", stage.Change{Write: file(stage.Request("bob", "ops", "duration: 1h"))})
	n := s.Open("alice", "help")
	shut(s, n, "is on the branch already")
}

func TestAnEmergencyWaitsForAPushRecordThatIsLate(t *testing.T) {
	s := glass(t, nil)
	s.Hub.Fail(func(r *http.Request) *minihub.Failure {
		if strings.HasSuffix(r.URL.Path, "/activity") && r.URL.Query().Get("ref") == "refs/heads/help" {
			return &minihub.Failure{Status: http.StatusNotFound}
		}
		return nil
	})
	s.Propose("alice", stage.Change{Branch: "help", Write: file(urgent())})
	for range 5 {
		s.Pass()
		s.Expect("bastion")
		s.Advance(6 * time.Second)
	}
	s.Hub.Fail(nil)
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Advance(time.Hour)
	over(s)
}

func TestAnEmergencyMergedAndDeletedBetweenTwoLooksEndsSoon(t *testing.T) {
	s := glass(t, nil)
	n := s.Ask("alice", file(urgent()))
	s.Pass()
	s.Approve(n, "carol")
	s.Merge(n)
	s.Push("erin", stage.Change{Remove: []string{asked}})
	s.Pass()
	s.Advance(11 * time.Minute)
	over(s)
}

func TestPullRequestsThatCannotBeReadDoNotHoldUpAnEmergency(t *testing.T) {
	s := glass(t, nil)
	s.Ask("alice", file(urgent()))
	for i := range 9 {
		path := fmt.Sprintf("requests/flood-%d.yaml", i)
		s.Ask("mallory", map[string]string{path: stage.Request("mallory", "ops", "duration: 1h", "emergency: true")})
	}
	// Every other pull request is answered by nothing but a closed connection.
	s.Hub.Fail(func(r *http.Request) *minihub.Failure {
		if strings.Contains(r.URL.Path, "/pulls/1/files") {
			return nil
		}
		if strings.HasSuffix(r.URL.Path, "/files") {
			return &minihub.Failure{Status: http.StatusBadGateway}
		}
		return nil
	})
	_ = s.TryPass()
	s.Expect("bastion", "ops,alice")
}
