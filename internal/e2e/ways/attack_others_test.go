package ways_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
)

func TestAPushOntoSomebodyElsesPullRequestGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Propose("alice", stage.Change{Branch: "ask", Write: file(ask())})
	s.Approve(n, "carol")
	s.Push("mallory", stage.Change{Branch: "ask", Write: file(stage.Request("alice, mallory", "ops", long))})
	s.Merge(n)
	denied(s, "before the last push")
}

func TestAStackedPullRequestRetargetedToTheBranchGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{Branch: "below", Write: file(ask(long))})
	s.Push("alice", stage.Change{Branch: "above", From: "below", Write: map[string]string{"README.md": "A small change\n"}})
	n := s.OpenInto("alice", "above", "below")
	s.Approve(n, "carol") // sees the README alone
	s.Second()
	must(t, s.Hub.Retarget(stage.Repo, n, stage.Login("alice"), "main"))
	s.Merge(n)
	denied(s, "before the base branch changed")
}

func TestAnApproverWhoLeavesLaterDoesNotUndoWhatTheyApproved(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask(long))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	n := s.Ask("dave", map[string]string{"people/carol.yaml": stage.Person("carol", "active: false")})
	s.Approve(n, "erin")
	s.Merge(n)
	s.Pass()
	s.Advance(time.Hour)
	s.Restart()
	s.Pass()
	s.Expect("bastion", "ops,alice")
	// And from here on carol approves nothing.
	n = s.Ask("bob", map[string]string{"requests/bob.yaml": stage.Request("bob", "ops", long)})
	s.Approve(n, "carol")
	s.Merge(n)
	s.Pass()
	s.Expect("bastion", "ops,alice")
}

func TestALeaverLosesEverythingInOnePass(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, stage.Request("alice", "release", long))
	s.Grant("alice", "requests/two.yaml", ask(long))
	s.Pass()
	s.Expect("bastion", "deploy,alice", "ops,alice")
	s.Expect("wiki", "release,alice")
	s.Push("erin", stage.Change{Write: map[string]string{"people/alice.yaml": stage.Person("alice", "active: false")}})
	s.Pass()
	s.Expect("bastion")
	s.Expect("wiki")
}

func TestAMassDeletionDoesNotShieldAnEarlierRemoval(t *testing.T) {
	s := begin(t, stage.Options{Guard: "{maxRemovals: 3, maxRemovalRatio: 0.9}"})
	for i, who := range []string{"alice", "bob", "frank", "mallory", "carol"} {
		s.Grant(who, fmt.Sprintf("requests/%d.yaml", i), stage.Request(who, "ops", long))
	}
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob", "ops,carol", "ops,frank", "ops,mallory")
	// Somebody takes mallory's access away; mallory pushes a deletion of all others
	// before the reconciler looks, so that the guard trips.
	s.Push("erin", stage.Change{Remove: []string{"requests/3.yaml"}})
	s.Push("mallory", stage.Change{Remove: []string{"requests/0.yaml", "requests/1.yaml", "requests/2.yaml", "requests/4.yaml"}, Write: map[string]string{"requests/x.yaml": stage.Request("mallory", "ops", long), "requests/y.yaml": stage.Request("mallory", "ops", long)}})
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob", "ops,carol", "ops,frank")
}

func TestADuplicateThatIsToFreezeTheRestFreezesNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{Write: map[string]string{
		"roles/ops2.yaml":      stage.Role("ops", "{target: bastion, group: deploy}"),
		"people/alice2.yaml":   stage.Person("alice"),
		"groups/leads2.yaml":   stage.Group("leads", "mallory"),
		"targets/broken.yaml":  "kind: Target\nname: [",
		"groups/circle.yaml":   stage.Group("circle", "circle"),
		"requests/broken.yaml": strings.Repeat("a: ", 1000),
	}})
	s.Grant("bob", "requests/bob.yaml", stage.Request("bob", "ops", "duration: 1h"))
	s.Pass()
	s.Expect("bastion", "ops,bob")
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
	// Its approver is none.
	n := s.Ask("alice", file(ask(long)))
	s.Approve(n, "mallory")
	s.Merge(n)
	denied(s, "missing: 1 of leads (carol, dave)")
}

func TestTwoOfTheTrustGroupHaveToApproveWhereTwoAreAsked(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{TrustCount: 2, Files: map[string]string{"groups/admins.yaml": stage.Group("admins", "erin", "dave", "frank")}})
	s.Pass()
	change := map[string]string{"groups/leads.yaml": stage.Group("leads", "carol", "dave", "bob")}
	n := s.Ask("alice", change)
	s.Approve(n, "erin")
	s.Merge(n)
	s.Pass()
	bobs := func(path string) {
		n := s.Ask("alice", map[string]string{path: ask(long)})
		s.Approve(n, "bob")
		s.Merge(n)
		s.Pass()
	}
	bobs("requests/one.yaml")
	s.Expect("bastion")
	// Back to the trusted bytes, and again with two.
	s.Push("erin", stage.Change{Write: map[string]string{"groups/leads.yaml": stage.Group("leads", "carol", "dave")}})
	n = s.Ask("alice", change)
	s.Approve(n, "erin")
	s.Approve(n, "frank")
	s.Merge(n)
	s.Pass()
	bobs("requests/two.yaml")
	s.Expect("bastion", "ops,alice")
}
