package ways_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// notInForce is what the ledger says of a file of the branch; zero: nothing.
func notInForce(s *stage.Stage, path string) ledger.NotInForce {
	s.T.Helper()
	files, err := s.Daemon.Ledger.NotInForce(s.T.Context())
	if err != nil {
		s.T.Fatal(err)
	}
	for _, f := range files {
		if f.Path == path {
			return f
		}
	}
	return ledger.NotInForce{}
}

func TestAnUntrustedFileIsShownUntilItIsApproved(t *testing.T) {
	s := begin(t, stage.Options{})
	const leads = "groups/leads.yaml"
	n := s.Ask("mallory", map[string]string{leads: stage.Group("leads", "carol", "dave", "mallory")})
	merge := s.Merge(n)
	s.Pass()
	since := s.Now()
	check := func() {
		t.Helper()
		f := notInForce(s, leads)
		if f.Commit != merge || f.Pull != n || !f.Since.Equal(since) || !strings.Contains(f.Why, "missing: 1 of ") || !strings.Contains(f.Why, "erin") {
			t.Errorf("%+v", f)
		}
	}
	check()
	s.Restart()
	s.Advance(time.Hour)
	s.Pass()
	check()
	if got := s.Result().Problems; len(got) != 1 || got[0].Pos.File != leads {
		t.Errorf("after a restart the log would not say it: %+v", got)
	}
	back := s.Ask("bob", map[string]string{leads: stage.Group("leads", "carol", "dave")})
	s.Merge(back)
	s.Pass()
	if f := notInForce(s, leads); f.Commit != "" {
		t.Errorf("it is back as it was trusted, and still shown: %+v", f)
	}
}

// whoever decides on both of the group's requests must see the first.
const alone = `apiVersion: tenure.dev/v1
kind: Policy
rules:
  - {name: one-at-a-time, when: "role.name == 'ops'", require: "role.holders <= 1", message: Somebody else is on it}
`

func TestOnlyTheFirstToBeMergedGetsTheOneSeat(t *testing.T) {
	s := begin(t, stage.Options{Files: map[string]string{"policies/alone.yaml": alone}})
	late := s.Ask("alice", map[string]string{"requests/a.yaml": stage.Request("alice", "ops", "duration: 1h")})
	early := s.Ask("bob", map[string]string{"requests/z.yaml": stage.Request("bob", "ops", "duration: 1h")})
	s.Approve(late, "carol")
	s.Approve(early, "carol")
	s.Merge(early)
	s.Merge(late)
	s.Pass()
	s.Expect("bastion", "ops,bob")
	s.Denied("requests/a.yaml", "Somebody else is on it")
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
	s.Denied("requests/a.yaml", "Somebody else is on it")
}

func TestAnUnreadableRequestHoldsUpOnlyThoseThatShareWithIt(t *testing.T) {
	s := begin(t, stage.Options{Files: map[string]string{"policies/alone.yaml": alone}})
	s.Push("mallory", stage.Change{Write: map[string]string{"requests/bad.yaml": "kind: [AccessRequest"}})
	s.Grant("alice", asked, ask())
	s.Pass()
	s.Granted(asked)
	s.Expect("bastion", "ops,alice")
}
