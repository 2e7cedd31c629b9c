package ways_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/minihub"
)

// One commit takes much away, and brings configuration that nobody approved: each
// waits for a word of its own.
func TestAWordOnWithheldRemovalsTrustsNoConfiguration(t *testing.T) {
	s := begin(t, stage.Options{Guard: "{maxRemovals: 1, maxRemovalRatio: 1}"})
	write := map[string]string{}
	var paths []string
	for _, who := range []string{"alice", "bob", "frank"} {
		path := fmt.Sprintf("requests/%s.yaml", who)
		paths = append(paths, path)
		write[path] = stage.Request(who, "ops", "duration: 8h")
	}
	n := s.Ask("alice", write)
	s.Approve(n, "carol")
	s.Merge(n)
	s.Pass()
	everybody := []string{"ops,alice", "ops,bob", "ops,frank"}
	s.Expect("bastion", everybody...)
	s.Advance(time.Minute)
	s.Pass()

	s.Hub.Fail(func(r *http.Request) *minihub.Failure {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			return &minihub.Failure{Status: http.StatusServiceUnavailable}
		}
		return nil
	})
	wiped := s.Push("mallory", stage.Change{Remove: paths[:2], Write: map[string]string{
		"groups/leads.yaml": stage.Group("leads", "mallory"),
	}})
	_ = s.TryPass() // the forge does not answer
	s.Expect("bastion", everybody...)
	if err := s.Daemon.Ledger.ConfirmRemovals(t.Context(), wiped, "an operator"); err != nil {
		t.Fatal(err)
	}
	_ = s.TryPass()
	s.Expect("bastion", "ops,frank")
	if f := notInForce(s, "groups/leads.yaml"); f.Commit != wiped || f.Waits != ledger.Trusted {
		t.Errorf("the configuration of the same commit: %+v", f)
	}
	s.Hub.Fail(nil)
	s.Advance(10 * time.Minute)
	s.Pass()
	if f := notInForce(s, "groups/leads.yaml"); f.Commit != wiped || f.Waits != "" || !strings.Contains(f.Why, "pushed directly") {
		t.Errorf("with the forge back: %+v", f)
	}
}

func TestNothingThatWaitsIsNothingToConfirm(t *testing.T) {
	s := begin(t, stage.Options{})
	head := s.Push("bob", stage.Change{Write: map[string]string{"README.md": "Hello\n"}})
	s.Pass()
	events := len(s.Events(ledger.EventConfirmed))
	if _, err := s.Daemon.Ledger.Confirm(t.Context(), head, "an operator"); !errors.Is(err, ledger.ErrNothingWaits) {
		t.Errorf("confirming says %v", err)
	}
	if got := s.Events(ledger.EventConfirmed); len(got) != events {
		t.Errorf("and was recorded: %+v", got)
	}
}

// A rewritten head is followed once by a word on it; moved back to it again later,
// the branch waits again.
func TestAWordOnARewrittenHeadServesOnce(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask(long))
	s.Pass()
	granted := s.Head("main")
	s.Move("mallory", "main", s.From)
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Confirm(s.From)
	s.Pass()
	s.Expect("bastion")

	s.Move("mallory", "main", granted)
	s.Grant("bob", "requests/bob.yaml", stage.Request("bob", "ops", long))
	s.Pass()
	s.Expect("bastion", "ops,bob")
	s.Move("mallory", "main", s.From)
	s.Pass()
	s.Expect("bastion", "ops,bob")
	if s.Result().Diverged != s.From {
		t.Errorf("the branch moved back a second time without a word: %+v", s.Result())
	}
}
