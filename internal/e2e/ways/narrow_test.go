package ways_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
)

// Taking away needs no approval: whatever stands on the branch narrows at once,
// although it is not trusted.
func TestAnUnapprovedChangeThatNarrowsHoldsAtOnce(t *testing.T) {
	for name, c := range map[string]stage.Change{
		"a leaver's file is deleted":   {Remove: []string{"people/alice.yaml"}},
		"a leaver is deactivated":      {Write: map[string]string{"people/alice.yaml": stage.Person("alice", "active: false")}},
		"the role is deleted":          {Remove: []string{"roles/ops.yaml"}},
		"a requester is removed":       {Write: map[string]string{"groups/engineering.yaml": stage.Group("engineering", "bob", "carol")}},
		"the target's ceiling is less": {Write: map[string]string{"targets/bastion.yaml": strings.Replace(stage.Files()["targets/bastion.yaml"], "{group: ops}, ", "", 1)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, stage.Options{})
			s.Grant("alice", asked, ask(long))
			s.Pass()
			s.Expect("bastion", "ops,alice")
			s.Push("frank", c)
			s.Pass()
			s.Expect("bastion")
			s.Restart()
			s.Pass()
			s.Expect("bastion")
		})
	}
}

func TestAnUnapprovedLowerLimitEndsEarlier(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask("duration: 8h"))
	merged := s.Now()
	s.Pass()
	s.Push("frank", stage.Change{Write: map[string]string{"roles/ops.yaml": strings.Replace(stage.Files()["roles/ops.yaml"], "maxDuration: 8h", "maxDuration: 2h", 1)}})
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Clock.Set(merged.Add(2 * time.Hour))
	s.Pass()
	s.Expect("bastion")
}

func TestAForeignFileCannotSpeakForAPerson(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask(long))
	s.Pass()
	s.Push("mallory", stage.Change{Write: map[string]string{"people/aaa.yaml": stage.Person("alice", "active: false")}})
	s.Pass()
	s.Expect("bastion", "ops,alice")
}
