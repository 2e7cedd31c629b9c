package ways_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/minihub"
	"github.com/tenure-dev/tenure/internal/revert"
)

const second = "requests/bob.yaml"

// ended has two requests granted that end minutes apart, and lets them end.
func ended(t *testing.T, o stage.Options) *stage.Stage {
	t.Helper()
	s := begin(t, o)
	s.Grant("alice", asked, ask())
	s.Grant("bob", second, stage.Request("bob", "ops", "duration: 1h"))
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob")
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
	return s
}

// inState reports whether the ledger's revert pull requests are in these states.
func inState(states ...string) func([]ledger.Revert) bool {
	return func(rows []ledger.Revert) bool {
		var got []string
		for _, r := range rows {
			got = append(got, r.State)
		}
		return slices.Equal(got, states)
	}
}

// bots lists the reconciler's own pull requests, newest first.
func bots(s *stage.Stage) (own []minihub.Pull) {
	s.T.Helper()
	all, err := s.Hub.Pulls(stage.Repo)
	if err != nil {
		s.T.Fatal(err)
	}
	for _, p := range all {
		if p.Author == stage.Bot {
			own = append(own, p)
		}
	}
	return own
}

func TestOneRevertPullRequestForAllThatEndedTogether(t *testing.T) {
	s := ended(t, stage.Options{})
	rows := s.Jobs("the revert pull request", inState(revert.StateOpen))
	if !slices.Equal(rows[0].Paths, []string{asked, second}) {
		t.Errorf("it removes %v", rows[0].Paths)
	}
	s.Tend()
	s.Tend()
	own := bots(s)
	if len(own) != 1 || own[0].State != "open" || own[0].Number != rows[0].Number {
		t.Fatalf("the bot's pull requests: %+v", own)
	}
	s.Merge(own[0].Number)
	s.Pass()
	s.Tend()
	if got := s.Reverts(); got[0].State != revert.StateMerged {
		t.Errorf("the ledger says %s", got[0].State)
	}
	for _, path := range []string{asked, second} {
		if row, _ := s.Row(path); row.Live {
			t.Errorf("%s is still on the branch", path)
		}
	}
}

func TestARevertPullRequestLeavesAFileThatWasChangedMeanwhile(t *testing.T) {
	s := ended(t, stage.Options{})
	n := s.Jobs("the revert pull request", inState(revert.StateOpen))[0].Number
	s.Push("alice", stage.Change{Write: file(ask(long))})
	s.Pass()
	s.Tend()
	if got := s.Reverts(); got[0].State != revert.StateOpen || !slices.Equal(got[0].Paths, []string{second}) {
		t.Errorf("after one file was changed: %+v", got)
	}
	s.Push("bob", stage.Change{Remove: []string{second}})
	s.Pass()
	s.Tend()
	p, err := s.Hub.Pull(stage.Repo, n)
	must(t, err)
	if got := s.Reverts(); got[0].State != revert.StateClosed || p.State != "closed" || p.Merged {
		t.Errorf("with nothing left to remove: %+v, %+v", got, p)
	}
	s.Expect("bastion")
}

func TestARevertPullRequestIsMergedWhenThatIsConfigured(t *testing.T) {
	s := ended(t, stage.Options{Reverts: "{group: 5m, merge: auto}"})
	s.Jobs("the merged revert pull request", inState(revert.StateMerged))
	s.Pass()
	if row, _ := s.Row(asked); row.Live {
		t.Error("the file is still on the branch")
	}
	own := bots(s)
	if len(own) != 1 || !own[0].Merged {
		t.Errorf("the bot's pull requests: %+v", own)
	}
	s.Expect("bastion")
}

func TestARevertPullRequestThatSomebodyChangedIsNotMerged(t *testing.T) {
	s := ended(t, stage.Options{Reverts: "{group: 5m, merge: auto}"})
	must(t, s.Hub.ProtectBranch(stage.Repo, "main", minihub.Protection{Approvals: 1}))
	s.Jobs("the revert pull request", inState(revert.StateOpen))
	p := bots(s)[0]
	s.Push("mallory", stage.Change{Branch: p.Head, Write: map[string]string{"requests/mallory.yaml": stage.Request("mallory", "ops", long)}})
	must(t, s.Hub.UnprotectBranch(stage.Repo, "main"))
	s.Tend()
	s.Pass()
	if got, _ := s.Hub.Pull(stage.Repo, p.Number); got.Merged {
		t.Error("the reconciler merged what somebody smuggled into its pull request")
	}
	s.Expect("bastion")
}

func TestARequestSlippedIntoARevertPullRequestGrantsNothing(t *testing.T) {
	s := ended(t, stage.Options{})
	s.Jobs("the revert pull request", inState(revert.StateOpen))
	p := bots(s)[0]
	slipped := "requests/mallory.yaml"
	s.Push("mallory", stage.Change{Branch: p.Head, Write: map[string]string{slipped: stage.Request("mallory", "ops", long)}})
	s.Approve(p.Number, "carol")
	s.Merge(p.Number)
	s.Pass()
	s.Denied(slipped, "a bot can remove access, never grant it")
	s.Expect("bastion")
}

func TestARevertPullRequestThatAPersonClosedIsNotOpenedAgain(t *testing.T) {
	s := ended(t, stage.Options{})
	n := s.Jobs("the revert pull request", inState(revert.StateOpen))[0].Number
	must(t, s.Hub.ClosePull(stage.Repo, n, stage.Login("alice")))
	s.Tend()
	s.Restart()
	s.Pass()
	s.Tend()
	if got := s.Reverts(); got[0].State != revert.StateClosed {
		t.Errorf("the ledger says %s", got[0].State)
	}
	own := bots(s)
	if len(own) != 1 || own[0].State != "closed" {
		t.Errorf("the bot's pull requests: %+v", own)
	}
}

func TestTheWholeStoryOnTheMachinesClock(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{RealClock: true, Reverts: "{group: 1s, merge: auto}"})
	s.Run()
	s.Grant("alice", asked, ask("duration: 2s"))
	s.Eventually("the access", func() bool { return slices.Equal(s.Rows("bastion"), []string{"ops,alice"}) })
	until := s.Holds("bastion")[0].Until
	s.Eventually("its end", func() bool { return len(s.Rows("bastion")) == 0 })
	if s.Now().Before(until) {
		t.Errorf("it ended before %s", until)
	}
	s.Eventually("the merged revert pull request", func() bool { return inState(revert.StateMerged)(s.Reverts()) })
	s.Eventually("the removal of the file", func() bool { row, _ := s.Row(asked); return !row.Live })
}
