package ways_test

import (
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
)

// A rebase brings every commit of a pull request to the branch, while reviewers see
// the difference of them all. What a commit undoes and a later one does again is
// not in it.

func TestARebaseThatTakesAnEndedRequestAwayAndBringsItBackGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
	n := s.Propose("alice", stage.Change{Branch: "docs", Remove: []string{asked}})
	s.Push("alice", stage.Change{Branch: "docs", Write: map[string]string{asked: ask(), "README.md": "Hello\n"}})
	s.Approve(n, "carol")
	s.MergeBy(n, "erin", "rebase")
	for range 2 {
		s.Pass()
		s.Expect("bastion")
		s.Advance(5 * time.Minute)
	}
	s.Denied(asked, "the version before this one was not in force")
}

func TestARebaseThatTakesARefusedRequestAwayAndBringsItBackGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{Write: file(ask(long))})
	n := s.Propose("alice", stage.Change{Branch: "docs", Remove: []string{asked}})
	s.Push("alice", stage.Change{Branch: "docs", Write: map[string]string{asked: ask(long), "README.md": "Hello\n"}})
	s.Approve(n, "carol")
	s.MergeBy(n, "erin", "rebase")
	denied(s, "the version before this one was not in force")
}

func TestARebaseThatGoesBackAndForthOverASmuggledLineExtendsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	s.Pass()
	until := s.Holds("bastion")[0].Until
	s.Push("mallory", stage.Change{Write: file(ask(long))})
	n := s.Propose("alice", stage.Change{Branch: "docs", Write: file(ask())})
	s.Push("alice", stage.Change{Branch: "docs", Write: map[string]string{asked: ask(long), "README.md": "Hello\n"}})
	s.Approve(n, "carol")
	s.MergeBy(n, "erin", "rebase")
	s.Pass()
	s.Says(asked, "the version before this one was not in force")
	if got := s.Holds("bastion")[0].Until; !got.Equal(until) {
		t.Errorf("held until %s, want %s", got, until)
	}
	s.Clock.Set(until)
	s.Pass()
	s.Expect("bastion")
}

func TestARebaseThatGoesBackAndForthOverSmuggledConfigurationTrustsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{Write: appointed()})
	n := s.Propose("bob", stage.Change{Branch: "docs", Write: map[string]string{"groups/leads.yaml": stage.Group("leads", "carol", "dave")}})
	with := appointed()
	with["README.md"] = "Hello\n"
	s.Push("bob", stage.Change{Branch: "docs", Write: with})
	s.Approve(n, "erin")
	s.MergeBy(n, "erin", "rebase")
	s.Pass()
	askAndApprove(s, "mallory")
	denied(s, "missing: 1 of leads (carol, dave)")
}

func TestARebaseThatRenamesASmuggledRequestGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{Write: map[string]string{smuggled: ask(long)}})
	s.Pass()
	n := s.Propose("alice", stage.Change{Branch: "tidy", Remove: []string{smuggled}})
	s.Push("alice", stage.Change{Branch: "tidy", Write: file(ask(long))})
	s.Approve(n, "carol")
	s.MergeBy(n, "erin", "rebase")
	denied(s, "a rename does not show its content")
}

func TestARebaseThatMovesSmuggledConfigurationTrustsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{Write: appointed()})
	n := s.Propose("bob", stage.Change{Branch: "docs", Remove: []string{"groups/leads.yaml"}})
	with := appointed()
	with["README.md"] = "Hello\n"
	s.Push("bob", stage.Change{Branch: "docs", Write: with})
	s.Approve(n, "erin")
	s.MergeBy(n, "erin", "rebase")
	s.Pass()
	askAndApprove(s, "mallory")
	denied(s, "missing: 1 of leads (carol, dave)")
}
