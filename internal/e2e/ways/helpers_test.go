package ways_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
)

// asked is the file that most tests ask with.
const asked = "requests/alice.yaml"

// ask is alice's request for the bastion's group ops, an hour unless lines say
// otherwise.
func ask(lines ...string) string {
	if len(lines) == 0 {
		lines = []string{"duration: 1h"}
	}
	return stage.Request("alice", "ops", lines...)
}

func file(text string) map[string]string { return map[string]string{asked: text} }

// begin sets the stage and lets the reconciler see the branch as it starts.
func begin(t *testing.T, o stage.Options) *stage.Stage {
	t.Helper()
	t.Parallel()
	s := stage.New(t, o)
	s.Pass()
	return s
}

// denied fails the test unless the file asked grants nothing, now and when the
// forge's records have settled, and its explanation says why.
func denied(s *stage.Stage, why string) {
	s.T.Helper()
	s.Pass()
	s.Expect("bastion")
	s.Advance(2 * time.Hour)
	s.Pass()
	s.Pass()
	s.Denied(asked, why)
	s.Expect("bastion")
	if e := s.Explain(asked); len(e.Waiting) > 0 {
		s.T.Errorf("after two hours a version still waits: %s", strings.Join(e.Waiting, "; "))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
