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

func TestABrokenFileStopsNobodyElse(t *testing.T) {
	s := begin(t, stage.Options{})
	n := s.Ask("alice", map[string]string{
		asked:                  ask(),
		"requests/broken.yaml": "apiVersion: tenure.dev/v1\nkind: AccessRequest\nsubjects: [alice\n",
		"roles/broken.yaml":    "kind: Role\n",
	})
	s.Approve(n, "carol")
	s.Merge(n)
	s.Pass()
	s.Expect("bastion", "ops,alice")
	broken := map[string]bool{}
	for _, p := range s.Result().Problems {
		broken[p.Pos.File] = true
	}
	if len(broken) != 2 || !broken["requests/broken.yaml"] || !broken["roles/broken.yaml"] {
		t.Errorf("problems are told of %v", broken)
	}
}

func TestARequestThatBreaksLaterKeepsWhatItHadUntilItsEnd(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	s.Pass()
	s.Push("bob", stage.Change{Write: file("kind: [")})
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
}

func TestABrokenRoleOrPersonTakesNothingAway(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	s.Pass()
	s.Push("bob", stage.Change{Write: map[string]string{
		"roles/ops.yaml": "kind: [", "people/alice.yaml": "kind: [", "groups/engineering.yaml": "kind: [", "targets/bastion.yaml": "kind: [",
	}})
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
}

func TestAnEmptiedTreeIsRefusedAndExpiriesGoOn(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	s.Grant("bob", "requests/bob.yaml", stage.Request("bob", "ops", "duration: 2h"))
	merged := s.Now()
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob")
	remove := []string{asked, "requests/bob.yaml"}
	for path := range stage.Files() {
		remove = append(remove, path)
	}
	s.Push("mallory", stage.Change{Remove: remove, Write: map[string]string{"README.md": "Gone\n"}})
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob")
	s.Restart()
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob")
	s.Clock.Set(merged.Add(time.Hour))
	s.Pass()
	s.Expect("bastion", "ops,bob")
	s.Clock.Set(merged.Add(2 * time.Hour))
	s.Pass()
	s.Expect("bastion")
}

func TestTheGuardWithholdsAMassDeletionUntilItIsConfirmed(t *testing.T) {
	s := begin(t, stage.Options{Guard: "{maxRemovals: 2, maxRemovalRatio: 1}"})
	write := map[string]string{}
	var paths []string
	for _, who := range []string{"alice", "bob", "frank", "mallory"} {
		path := fmt.Sprintf("requests/%s.yaml", who)
		paths = append(paths, path)
		d := "duration: 8h"
		if who == "frank" {
			d = "duration: 1h"
		}
		write[path] = stage.Request(who, "ops", d)
	}
	n := s.Ask("alice", write)
	s.Approve(n, "carol")
	s.Merge(n)
	s.Pass()
	everybody := []string{"ops,alice", "ops,bob", "ops,frank", "ops,mallory"}
	s.Expect("bastion", everybody...)

	wiped := s.Push("mallory", stage.Change{Remove: paths[:3]})
	s.Pass()
	s.Expect("bastion", everybody...)
	if got := s.Events(ledger.EventWithheld); len(got) != 1 || !strings.Contains(string(got[0].Data), wiped) {
		t.Errorf("withheld: %+v", got)
	}
	s.Push("mallory", stage.Change{Remove: paths[3:]}) // a small one after it is not withheld
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob", "ops,frank")
	s.Restart()
	s.Advance(time.Hour) // nor is an end, and what is left of the big one stays withheld
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob")
	s.Confirm(wiped)
	s.Pass()
	s.Expect("bastion")
}

func TestAMergeWhileTheForgeIsDownIsGrantedWhenItIsBack(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Hub.Fail(func(r *http.Request) *minihub.Failure {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			return &minihub.Failure{Status: http.StatusServiceUnavailable}
		}
		return nil
	})
	s.Grant("alice", asked, ask())
	merged := s.Now()
	if err := s.TryPass(); err == nil {
		t.Error("a pass says nothing of a forge that does not answer")
	}
	s.Denied(asked, "the forge's evidence could not be read")
	s.Expect("bastion")
	retry := s.Result().RetryAt
	if !retry.After(s.Now()) {
		t.Fatalf("asked for again at %s, now is %s", retry, s.Now())
	}
	s.Restart()
	s.Hub.Fail(nil)
	s.Clock.Set(retry)
	s.Pass()
	s.Expect("bastion", "ops,alice")
	if got := s.Holds("bastion")[0].Until; !got.Equal(merged.Add(time.Hour)) {
		t.Errorf("held until %s, want an hour after the merge at %s", got, merged)
	}
}

func TestWhatWasProvenSurvivesARestartWithTheForgeDown(t *testing.T) {
	s := begin(t, stage.Options{})
	s.Grant("alice", asked, ask())
	s.Pass()
	s.HubDown()
	s.Restart()
	for range 3 {
		if err := s.TryPass(); err == nil {
			t.Fatal("a pass without the forge tells nobody")
		}
		s.Expect("bastion", "ops,alice")
		s.Advance(time.Minute)
	}
	s.HubUp()
	s.Pass()
	s.Expect("bastion", "ops,alice")
}

func TestAccessEndsOnTimeWithGitTheForgeAndNoticesAllDown(t *testing.T) {
	s := begin(t, stage.Options{Config: "notify: {url: http://127.0.0.1:1/}"})
	s.Grant("alice", asked, ask())
	s.Pass()
	s.HubDown()
	s.Restart()
	s.Run()
	s.Clock.Set(s.Holds("bastion")[0].Until.Add(-time.Millisecond))
	s.Expect("bastion", "ops,alice")
	s.Advance(time.Millisecond)
	s.Eventually("the end of the access", func() bool { return len(s.Rows("bastion")) == 0 && len(s.Holds("bastion")) == 0 })
}

// many has four people hold the same thing by one request each.
func many(s *stage.Stage) (paths []string) {
	s.T.Helper()
	write := map[string]string{}
	for _, who := range []string{"alice", "bob", "frank", "mallory"} {
		path := fmt.Sprintf("requests/%s.yaml", who)
		paths = append(paths, path)
		write[path] = stage.Request(who, "ops", "duration: 8h")
	}
	n := s.Ask("alice", write)
	s.Approve(n, "carol")
	s.Merge(n)
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob", "ops,frank", "ops,mallory")
	return paths
}

func TestAReviewedMassDeletionIsNotWithheld(t *testing.T) {
	s := begin(t, stage.Options{Guard: "{maxRemovals: 2, maxRemovalRatio: 1}"})
	paths := many(s)
	n := s.Propose("bob", stage.Change{Remove: paths[:3]})
	s.Approve(n, "frank")
	s.Merge(n)
	s.Pass()
	s.Expect("bastion", "ops,mallory")
}

func TestALeaverIsNotWithheldWithAMassDeletion(t *testing.T) {
	s := begin(t, stage.Options{Guard: "{maxRemovals: 2, maxRemovalRatio: 1}"})
	paths := many(s)
	s.Push("mallory", stage.Change{Remove: paths[:3]})
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob", "ops,frank", "ops,mallory")
	s.Push("dave", stage.Change{Write: map[string]string{"people/bob.yaml": stage.Person("bob", "active: false")}})
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,frank", "ops,mallory")
}

func TestPeopleDeletedByAPushAreCountedByTheGuard(t *testing.T) {
	s := begin(t, stage.Options{Guard: "{maxRemovals: 2, maxRemovalRatio: 1}"})
	many(s)
	s.Push("mallory", stage.Change{Remove: []string{"people/alice.yaml", "people/bob.yaml", "people/frank.yaml"}})
	s.Pass()
	s.Expect("bastion", "ops,alice", "ops,bob", "ops,frank", "ops,mallory")
}
