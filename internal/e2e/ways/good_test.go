package ways_test

import (
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
)

func TestAnApprovedRequestIsGrantedAndEnds(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{})
	s.Pass()
	s.Grant("alice", asked, ask())
	merged := s.Now()
	s.Pass()
	s.Granted(asked)
	s.Expect("bastion", "ops,alice")
	if got := s.Holds("bastion")[0].Until; !got.Equal(merged.Add(time.Hour)) {
		t.Errorf("held until %s, want an hour after the merge at %s", got, merged)
	}
	s.Advance(time.Hour - time.Second)
	s.Pass()
	s.Expect("bastion", "ops,alice")
	s.Advance(time.Second)
	s.Pass()
	s.Expect("bastion")
}
