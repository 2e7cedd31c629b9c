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

func TestAFileNameThatCannotBeStoredFreezesNobody(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask(long))
	s.Pass()
	s.Expect("bastion", "ops,alice")
	const odd = "requests/\xff.yaml"
	s.Push("mallory", stage.Change{Write: map[string]string{odd: "kind: AccessRequest\n"}})
	s.Push("bob", stage.Change{Remove: []string{asked}})
	s.Pass()
	s.Expect("bastion")
	files, err := s.Daemon.Ledger.NotInForce(t.Context())
	must(t, err)
	if len(files) != 1 || !strings.Contains(files[0].Path, `\xff`) {
		t.Fatalf("not in force: %+v", files)
	}
	s.Restart()
	s.Push("bob", stage.Change{Remove: []string{odd}})
	s.Pass()
	if files, err := s.Daemon.Ledger.NotInForce(t.Context()); err != nil || len(files) != 0 {
		t.Errorf("after it is gone: %+v, %v", files, err)
	}
}

// Two roles become exclusive at one accepted head, the second only once the forge
// tells of it: a word on the first list was about the first.
func TestAWordOnStrangersCoversNoRoleThatBecomesExclusiveLater(t *testing.T) {
	s := begin(t, stage.Options{Files: map[string]string{"roles/deploy.yaml": stage.Role("deploy", "{target: bastion, group: deploy}")}})
	s.Place("bastion", "deploy,robot", "ops,stranger")
	first := s.Ask("alice", exclusiveOps())
	s.Approve(first, "erin")
	s.Merge(first)
	later := s.Ask("alice", map[string]string{"roles/deploy.yaml": stage.Role("deploy", "{target: bastion, group: deploy}") + "exclusive: true\n"})
	s.Approve(later, "erin")
	s.Merge(later)
	silent := silence(s, later)
	_ = s.TryPass()
	ids := waiting(s)
	if len(ids) != 1 {
		t.Fatalf("lists that wait: %q", ids)
	}
	must(t, s.Daemon.Ledger.ConfirmStrangers(t.Context(), ids[0], "an operator"))
	_ = s.TryPass()
	s.Lists("bastion", "deploy,robot")
	silent(false)
	s.Advance(10 * time.Minute)
	s.Pass()
	s.Lists("bastion", "deploy,robot")
	if got := len(owned(s)); got != 2 {
		t.Errorf("%d entitlements are exclusive", got)
	}
	var last ledger.Event
	for _, e := range s.Events(ledger.EventWithheld) {
		last = e
	}
	if !strings.Contains(string(last.Data), ids[0]) {
		t.Errorf("the second list is not told of: %s", last.Data)
	}
}

// silence has the forge not say who approved a pull request, until it is called with
// false.
func silence(s *stage.Stage, pull int) func(bool) {
	reviews := fmt.Sprintf("/pulls/%d/reviews", pull)
	set := func(on bool) {
		if !on {
			s.Hub.Fail(nil)
			return
		}
		s.Hub.Fail(func(r *http.Request) *minihub.Failure {
			if strings.HasSuffix(r.URL.Path, reviews) {
				return &minihub.Failure{Status: http.StatusServiceUnavailable}
			}
			return nil
		})
	}
	set(true)
	return set
}
