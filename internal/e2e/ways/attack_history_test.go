package ways_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/ledger"
)

func TestADeletedRequestPushedBackByteForByteGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask(long))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Push("carol", stage.Change{Remove: []string{asked}})
	s.Pass()
	s.Expect("bastion")
	s.Push("alice", stage.Change{Write: file(ask(long))})
	denied(s, "pushed directly")
}

func TestADeletedRequestPushedBackBetweenTwoLooksGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask(long))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Push("carol", stage.Change{Remove: []string{asked}})
	s.Push("alice", stage.Change{Write: file(ask(long))})
	denied(s, "pushed directly")
}

func TestABranchMovedBackInTimeGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask(long))
	then := s.Head("main")
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Push("carol", stage.Change{Remove: []string{asked}})
	s.Pass()
	s.Expect("bastion")
	s.Move("mallory", "main", then)
	for range 3 {
		s.Pass()
		s.Expect("bastion")
		s.Restart()
	}
	if got := s.Events(ledger.EventDiverged); len(got) != 1 {
		t.Errorf("%d events tell of the rewritten branch, want 1", len(got))
	}
}

func TestABranchMovedToASideBranchGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("alice", stage.Change{Branch: "ask", Write: file(ask(long))})
	s.Push("bob", stage.Change{Write: map[string]string{"README.md": "Hello\n"}})
	s.Pass()
	s.Move("mallory", "main", s.Head("ask"))
	s.Pass()
	if _, seen := s.Row(asked); seen {
		t.Error("a file of a branch that is not followed is in the ledger")
	}
	s.Expect("bastion")
}

func TestARewrittenBranchGrantsNothingAndFreezesNoExpiry(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("bob", "requests/bob.yaml", stage.Request("bob", "ops", "duration: 1h"))
	s.Pass()
	s.Expect("bastion", "ops,bob")

	s.Push("mallory", stage.Change{From: s.From, Force: true, Write: file(ask(long))})
	s.Pass()
	s.Expect("bastion", "ops,bob") // neither granted nor taken away
	s.Grant("alice", "requests/alice-2.yaml", stage.Request("alice", "ops", long))
	s.Pass()
	s.Expect("bastion", "ops,bob") // nor is what is approved on top of it
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
}

func TestAConfirmedRewriteProvesNoRequest(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("bob", "requests/bob.yaml", stage.Request("bob", "ops", long))
	s.Pass()
	s.Push("mallory", stage.Change{From: s.Head("main") + "^", Force: true, Write: map[string]string{
		asked: ask(long), "requests/bob.yaml": stage.Request("bob", "ops", long)}})
	s.Pass()
	s.Expect("bastion", "ops,bob")
	s.Confirm(s.Head("main"))
	s.Pass()
	s.Says(asked, "no pull request proves them")
	s.Denied(asked, "no pull request proves them")
	s.Expect("bastion", "ops,bob") // the same bytes at the same path stay proven
	s.Grant("alice", "requests/alice-2.yaml", stage.Request("alice", "ops", long))
	s.Pass()
	s.Granted("requests/alice-2.yaml") // and the branch is followed again
	s.Expect("bastion", "ops,alice", "ops,bob")
}

func TestAnEndedRequestThatIsExtendedDoesNotComeBack(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
	s.Grant("alice", asked, ask(long))
	for range 2 {
		s.Pass()
		s.Expect("bastion")
		s.Restart()
	}
	if row, _ := s.Row(asked); row.EndedAt.IsZero() {
		t.Error("the request has not ended for good")
	}
	if got := s.Events(ledger.EventGranted); len(got) != 1 {
		t.Errorf("granted %d times, want once", len(got))
	}
}

func TestAnExtensionMergedAfterTheEndThatNobodySawDoesNotBringItBack(t *testing.T) {
	for name, seen := range map[string]bool{"granted before": true, "never seen before": false} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, stage.Options{})
			s.Grant("alice", asked, ask())
			if seen {
				s.Pass()
				s.Expect("bastion", "ops,alice")
			}
			s.Advance(time.Hour) // the reconciler is not running
			s.Grant("alice", asked, ask(long))
			s.Pass()
			s.Pass()
			s.Says(asked, "the request was over at")
			s.Expect("bastion")
			if row, _ := s.Row(asked); row.EndedAt.IsZero() {
				t.Error("the request has not ended for good")
			}
			s.Restart()
			s.Pass()
			s.Expect("bastion")
		})
	}
}

func TestAnEndThatTheTargetCouldNotTakeIsFinalAllTheSame(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask("duration: 4h"))
	s.Pass()
	s.Push("carol", stage.Change{Write: file(ask("duration: 30m"))})
	s.Pass()
	s.Expect("bastion", "ops,alice")
	targets := filepath.Join(s.Dir, "targets")
	must(t, os.Rename(targets, targets+".away"))
	s.Advance(30 * time.Minute)
	if err := s.TryPass(); err == nil {
		t.Fatal("a target that is away is revoked from")
	}
	s.Push("alice", stage.Change{Write: file(ask("duration: 4h"))}) // the approved bytes
	if err := s.TryPass(); err == nil {
		t.Fatal("a target that is away is revoked from")
	}
	must(t, os.Rename(targets+".away", targets))
	for range 3 {
		s.Advance(10 * time.Minute)
		s.Pass()
		s.Expect("bastion")
		s.Restart()
	}
	s.Says(asked, "before the proven version")
	if row, _ := s.Row(asked); row.EndedAt.IsZero() {
		t.Error("the request has not ended for good")
	}
}

func TestTheSameBytesAtAnotherPathGrantNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", "requests/first.yaml", ask())
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Push("alice", stage.Change{Write: file(ask())})
	s.Pass()
	s.Denied(asked, "pushed directly")
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
}

func TestARenamedRequestGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", "requests/first.yaml", ask(long))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Push("alice", stage.Change{Remove: []string{"requests/first.yaml"}, Write: file(ask(long))})
	denied(s, "pushed directly")
}

func TestAnUnapprovedEditThatLengthensEndsWhenTheApprovedOneWould(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	s.Pass()
	until := s.Holds("bastion")[0].Until
	s.Push("alice", stage.Change{Write: file(ask(long))})
	s.Pass()
	s.Says(asked, "only what it and the proven version")
	if got := s.Holds("bastion")[0].Until; !got.Equal(until) {
		t.Errorf("held until %s, want %s", got, until)
	}
	s.Clock.Set(until.Add(-time.Second))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Advance(time.Second)
	s.Pass()
	s.Expect("bastion")
}

func TestAnUnapprovedEditThatShortensHoldsAtOnce(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask("duration: 4h"))
	merged := s.Now()
	s.Pass()
	s.Push("mallory", stage.Change{Write: file(ask("duration: 30m"))})
	s.Pass()
	if got := s.Holds("bastion")[0].Until; !got.Equal(merged.Add(30 * time.Minute)) {
		t.Errorf("held until %s, want half an hour from %s", got, merged)
	}
	s.Advance(30 * time.Minute)
	s.Pass()
	s.Expect("bastion")
}

func TestAnUnapprovedEditGivesNothingToSomebodyElse(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask(long))
	s.Pass()
	s.Push("mallory", stage.Change{Write: file(stage.Request("alice, mallory", "ops", long))})
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Push("mallory", stage.Change{Write: file(stage.Request("mallory", "ops", long))})
	s.Pass()
	s.Expect("bastion")
}

func TestAnApprovedEditOnTopOfASmuggledLineExtendsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	s.Pass()
	until := s.Holds("bastion")[0].Until
	s.Push("mallory", stage.Change{Write: file(ask(long))})
	s.Grant("alice", asked, ask(long, "ticket: INC-1")) // its diff shows the ticket only
	s.Pass()
	s.Says(asked, "the version before this one was not in force")
	if got := s.Holds("bastion")[0].Until; !got.Equal(until) {
		t.Errorf("held until %s, want %s", got, until)
	}
	s.Clock.Set(until)
	s.Pass()
	s.Expect("bastion")
}

func TestAnApprovedEditOfARefusedRequestGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{Write: file(ask(long))})
	s.Grant("alice", asked, ask(long, "ticket: INC-1"))
	denied(s, "the version before this one was not in force")
}

func TestGoingBackToTheTrustedBytesNeedsNoApprovalAndOpensTheWay(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	merged := s.Now()
	s.Pass()
	s.Push("mallory", stage.Change{Write: file(ask("duration: 2h"))})
	s.Push("carol", stage.Change{Write: file(ask())})
	s.Grant("alice", asked, ask("duration: 3h"))
	s.Pass()
	s.Granted(asked)
	if got := s.Holds("bastion")[0].Until; !got.Equal(merged.Add(3 * time.Hour)) {
		t.Errorf("held until %s, want three hours after %s", got, merged)
	}
}

func TestAnApprovedRepairOfASmuggledBrokenRequestGrantsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{Write: file(strings.Replace(ask(long), "kind:", "kind::", 1))})
	s.Pass()
	s.Grant("alice", asked, ask(long)) // its diff shows the line with the mistake only
	denied(s, "the version before this one was not in force")
}

// smuggled is where mallory pushes what a later rename is to bring into force.
const smuggled = "requests/old.yaml"

func TestAnApprovedRenameOfASmuggledRequestGrantsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		path, text string
		seen       bool // the reconciler looks before the rename
	}{
		"seen before":              {smuggled, ask(long), true},
		"seen with the rename":     {smuggled, ask(long), false},
		"a broken one":             {smuggled, ask(long) + "oops: 1\n", true},
		"one that is no document":  {"notes.txt", ask(long), true},
		"one with a hidden folder": {".old/request.yaml", ask(long), true},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, stage.Options{})
			s.Push("mallory", stage.Change{Write: map[string]string{c.path: c.text}})
			if c.seen {
				s.Pass()
			}
			n := s.Propose("alice", stage.Change{Remove: []string{c.path}, Write: file(ask(long))})
			s.Approve(n, "carol") // a rename without a changed line
			s.Merge(n)
			denied(s, "the same change takes away "+c.path)
		})
	}
}

func TestAnApprovedRenameOfSmuggledConfigurationTrustsNothing(t *testing.T) {
	s := begin(t, stage.Options{})
	loose := strings.Replace(stage.Role("loose", "{target: bastion, group: ops}"), "[leads]", "[engineering]", 1)
	s.Push("mallory", stage.Change{Write: map[string]string{"roles/loose.yaml": loose}})
	s.Pass()
	n := s.Propose("bob", stage.Change{Remove: []string{"roles/loose.yaml"}, Write: map[string]string{"roles/l.yaml": loose}})
	s.Approve(n, "erin")
	s.Merge(n)
	s.Pass()
	n = s.Ask("alice", file(stage.Request("alice", "loose", long)))
	s.Approve(n, "mallory")
	s.Merge(n)
	denied(s, "loose")
}
