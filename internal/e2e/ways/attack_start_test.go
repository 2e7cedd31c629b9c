package ways_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
)

// side puts a commit on a branch beside main, on top of it, and returns its hash: a
// group of approvers that suits mallory.
func side(s *stage.Stage) string {
	s.T.Helper()
	return s.Push("mallory", stage.Change{Branch: "side", From: "main", Write: map[string]string{"groups/leads.yaml": stage.Group("leads", "mallory")}})
}

func TestAStartOfTrustThatIsNotOnTheBranchTrustsNothing(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{TrustFrom: side})
	s.Push("erin", stage.Change{Write: map[string]string{"README.md": "The branch goes on\n"}})
	for range 3 {
		_ = s.TryPass()
		s.Advance(10 * time.Minute)
	}
	n := s.Ask("alice", file(ask(long)))
	s.Approve(n, "mallory")
	s.Approve(n, "carol")
	s.Merge(n)
	for range 3 {
		if err := s.TryPass(); err == nil || !strings.Contains(err.Error(), "trust.from") {
			t.Errorf("a pass does not say that trust starts elsewhere: %v", err)
		}
		s.Expect("bastion")
		s.Advance(10 * time.Minute)
	}
}

func TestAStartOfTrustAheadOfTheBranchTrustsNothingUntilTheBranchIsThere(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{TrustFrom: func(s *stage.Stage) string {
		return s.Push("erin", stage.Change{Branch: "ahead", From: "main", Write: map[string]string{"README.md": "Ahead\n"}})
	}})
	_ = s.TryPass()
	n := s.Ask("alice", file(ask(long))) // from main, which is behind
	s.Approve(n, "carol")
	for range 3 {
		_ = s.TryPass()
		s.Expect("bastion")
		s.Advance(time.Minute)
	}
	s.Move("erin", "main", s.From) // the branch comes to where trust starts
	s.Pass()
	s.Expect("bastion")
	s.Grant("bob", "requests/bob.yaml", stage.Request("bob", "ops", long))
	s.Pass()
	s.Expect("bastion", "ops,bob")
}

func TestAStartOfTrustThatDoesNotExistTrustsNothing(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{TrustFrom: func(*stage.Stage) string { return strings.Repeat("a", 40) }})
	s.Grant("alice", asked, ask(long))
	for range 3 {
		if err := s.TryPass(); err == nil {
			t.Error("a pass says nothing of a start of trust that does not exist")
		}
		s.Expect("bastion")
		s.Advance(10 * time.Minute)
	}
}

func TestAStartOfTrustFarBehindTheBranchTrustsOnlyWhatWasApprovedSince(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{Later: map[string]string{"groups/leads.yaml": stage.Group("leads", "mallory")}})
	s.Pass()
	n := s.Ask("alice", file(ask(long)))
	s.Approve(n, "mallory")
	s.Merge(n)
	denied(s, "missing: 1 of leads (carol, dave)")
}

func TestARevertOfAnUntrustedChangeNeedsNobody(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Push("mallory", stage.Change{Write: map[string]string{"groups/leads.yaml": stage.Group("leads", "mallory")}})
	s.Pass()
	s.Push("alice", stage.Change{Write: map[string]string{"groups/leads.yaml": stage.Group("leads", "carol", "dave")}})
	s.Pass()
	if problems := s.Result().Problems; len(problems) > 0 {
		t.Errorf("still not in force: %v", problems)
	}
	n := s.Ask("erin", map[string]string{"groups/leads.yaml": stage.Group("leads", "carol", "dave", "bob")})
	s.Approve(n, "frank") // not of the trust group
	s.Merge(n)
	s.Pass()
	if problems := s.Result().Problems; len(problems) != 1 {
		t.Errorf("an approval outside of the trust group: %v", problems)
	}
}
