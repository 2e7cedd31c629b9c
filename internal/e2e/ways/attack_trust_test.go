package ways_test

import (
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/minihub"
)

// appointed is mallory among the leads, by her own hand.
func appointed() map[string]string {
	return map[string]string{"groups/leads.yaml": stage.Group("leads", "carol", "dave", "mallory")}
}

// askAndApprove has alice ask and somebody approve, and merges.
func askAndApprove(s *stage.Stage, approver string) {
	s.T.Helper()
	n := s.Ask("alice", file(ask(long)))
	s.Approve(n, approver)
	s.Merge(n)
}

func TestAnApproverAppointedByADirectPushApprovesNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{Write: appointed()})
	s.Pass()
	askAndApprove(s, "mallory")
	denied(s, "missing: 1 of leads (carol, dave)")
}

func TestAnApproverAppointedWithoutTheTrustGroupApprovesNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("mallory", appointed())
	s.Approve(n, "carol")
	s.Merge(n)
	s.Pass()
	askAndApprove(s, "mallory")
	denied(s, "missing: 1 of leads (carol, dave)")
}

func TestAnApproverAppointedBetweenTwoLooksApprovesNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{Write: appointed()})
	askAndApprove(s, "mallory")
	denied(s, "missing: 1 of leads (carol, dave)")
}

func TestAnApproverAppointedByTheTrustGroupApproves(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("carol", appointed())
	s.Approve(n, "erin")
	s.Merge(n)
	askAndApprove(s, "mallory")
	s.Pass()
	s.Granted(asked)
	s.Expect("bastion", "ops,alice")
}

func TestTheTrustGroupsMemberDoesNotApproveTheirOwnChange(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("erin", appointed())
	s.Second()
	_, err := s.Hub.ForceReview(stage.Repo, n, stage.Login("erin"), minihub.Approved)
	must(t, err)
	s.Merge(n)
	s.Pass()
	askAndApprove(s, "mallory")
	denied(s, "missing: 1 of leads (carol, dave)")
}

func TestJoiningTheTrustGroupByOnesOwnApprovalTrustsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("bob", map[string]string{"groups/admins.yaml": stage.Group("admins", "erin", "mallory")})
	s.Approve(n, "mallory")
	s.Merge(n)
	s.Pass()
	n = s.Ask("bob", appointed())
	s.Approve(n, "mallory")
	s.Merge(n)
	s.Pass()
	askAndApprove(s, "mallory")
	denied(s, "missing: 1 of leads (carol, dave)")
}

func TestABotChangesNoTrust(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Hub.AddBot("helper[bot]")
	must(t, s.Hub.SetPermission(stage.Repo, "helper[bot]", minihub.Write))
	n := s.Ask("helper[bot]", appointed())
	s.Approve(n, "erin")
	s.Merge(n)
	s.Pass()
	askAndApprove(s, "mallory")
	denied(s, "missing: 1 of leads (carol, dave)")
}

func TestAnApprovedEditOnTopOfSmuggledConfigurationTrustsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{Write: appointed()})
	with := appointed()
	with["groups/leads.yaml"] = "# Leads of engineering.\n" + with["groups/leads.yaml"]
	n := s.Ask("bob", with) // its diff shows the comment only
	s.Approve(n, "erin")
	s.Merge(n)
	s.Pass()
	askAndApprove(s, "mallory")
	denied(s, "missing: 1 of leads (carol, dave)")
}

func TestALooserRoleThatNobodyTrustedIsNotInForce(t *testing.T) {
	s := begin(t, stage.Options{})
	loose := strings.Replace(stage.Role("ops", "{target: bastion, group: ops}"), "[leads]", "[engineering]", 1)
	s.Push("mallory", stage.Change{Write: map[string]string{"roles/ops.yaml": loose}})
	s.Pass()
	askAndApprove(s, "bob")
	denied(s, "missing: 1 of leads (carol, dave)")
}

func TestAPullRequestCannotLoosenARoleAndUseIt(t *testing.T) {
	s := begin(t, stage.Options{})
	loose := strings.Replace(stage.Role("ops", "{target: bastion, group: ops}"), "[leads]", "[engineering]", 1)
	n := s.Ask("alice", map[string]string{asked: ask(long), "roles/ops.yaml": loose})
	s.Approve(n, "erin")
	s.Approve(n, "bob")
	s.Merge(n)
	denied(s, "missing: 1 of leads (carol, dave)")
}

func TestARoleThatGrowsGivesItsHoldersNothingNew(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask(long))
	s.Pass()
	n := s.Ask("bob", map[string]string{"roles/ops.yaml": stage.Role("ops", "{target: bastion, group: ops}", "{target: bastion, group: deploy}")})
	s.Approve(n, "erin")
	s.Merge(n)
	s.Pass()
	s.Expect("bastion", "ops,alice")
}

func TestAnotherAccountForAPersonThatNobodyTrustedIsNotTheirs(t *testing.T) {
	s := begin(t, stage.Options{})
	carol := strings.Replace(stage.Person("carol"), "id: 9003", "id: 9107", 1)
	u := s.Hub.AddUserID("mallory-second", 9107)
	s.Push("mallory", stage.Change{Write: map[string]string{"people/carol.yaml": carol}})
	s.Pass()
	askAndApprove(s, u.Login)
	denied(s, "is nobody in the trusted state")
}

func TestAFileThatTakesAnothersNameTakesNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	carol := strings.Replace(stage.Person("carol"), "id: 9003", "id: 9107", 1)
	s.Hub.AddUserID("mallory-second", 9107)
	s.Push("mallory", stage.Change{Write: map[string]string{
		"people/a-carol.yaml": carol, "groups/a-leads.yaml": stage.Group("leads", "mallory"),
	}})
	s.Pass()
	n := s.Ask("alice", file(ask(long)))
	s.Approve(n, "mallory-second")
	s.Approve(n, "mallory")
	s.Merge(n)
	denied(s, "missing: 1 of leads (carol, dave)")
	s.Grant("bob", "requests/bob.yaml", stage.Request("bob", "ops", long))
	s.Pass()
	s.Expect("bastion", "ops,bob") // and carol still approves
}

func TestAPersonWhoClaimsAnApproversIdentityTakesNothing(t *testing.T) {
	claim := func(lines string) string {
		return "apiVersion: tenure.dev/v1\nkind: Person\nname: aaron\nemail: aaron@example.com\n" + lines + "\n"
	}
	for name, text := range map[string]string{
		"on the forge": claim("github: {login: aaron-gh, id: 9003}"), "by an account": claim("accounts: {bastion: carol}"),
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, stage.Options{})
			s.Grant("carol", "requests/carol.yaml", stage.Request("carol", "ops", long))
			s.Pass()
			s.Expect("bastion", "ops,carol")
			n := s.Ask("bob", map[string]string{"people/aaron.yaml": text})
			s.Approve(n, "erin") // who did not notice
			s.Merge(n)
			s.Pass()
			s.Expect("bastion", "ops,carol") // carol has not been thrown out
			askAndApprove(s, "carol")        // and still approves
			s.Pass()
			s.Granted(asked)
			s.Expect("bastion", "ops,alice", "ops,carol")
		})
	}
}

func TestARemovedGuardrailThatNobodyTrustedStaysInForce(t *testing.T) {
	guard := `apiVersion: tenure.dev/v1
kind: Policy
rules:
  - name: tickets
    require: request.ticket != ''
    message: A ticket is needed
`
	s := begin(t, stage.Options{Files: map[string]string{"policies/guard.yaml": guard}})
	s.Push("mallory", stage.Change{Remove: []string{"policies/guard.yaml"}})
	s.Pass()
	s.Grant("alice", asked, ask(long))
	denied(s, "A ticket is needed")
}

func TestMovingAnApproversFileAwayTakesNobodysApproval(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{
		Remove: []string{"groups/leads.yaml"},
		Write:  map[string]string{"groups/l.yaml": stage.Group("leads", "mallory")},
	})
	s.Pass()
	askAndApprove(s, "mallory")
	denied(s, "missing: 1 of leads (carol, dave)")
}
