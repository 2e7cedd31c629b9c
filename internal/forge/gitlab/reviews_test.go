package gitlab

import (
	"errors"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/forge"
)

// last is the last review of somebody.
func (s *stage) last(n int, login string) forge.Review {
	s.t.Helper()
	list, err := s.client().Reviews(s.t.Context(), n)
	must(s.t, err)
	var last forge.Review
	for _, r := range list {
		if r.Reviewer.Login == login && !r.SubmittedAt.Before(last.SubmittedAt) {
			last = r
		}
	}
	return last
}

func TestReviews(t *testing.T) {
	tests := map[string]struct {
		play func(s *stage, n int)
		want string
	}{
		"approved":             {func(s *stage, n int) { s.approve(n, "bob") }, forge.ReviewApproved},
		"taken back":           {func(s *stage, n int) { s.approve(n, "bob"); must(s.t, s.lab.Unapprove(repo, n, "bob")) }, forge.ReviewDismissed},
		"taken away by a push": {func(s *stage, n int) { s.approve(n, "bob"); must(s.t, s.lab.Reset(repo, n, "bob")) }, forge.ReviewDismissed},
		"asked for changes": {
			func(s *stage, n int) { s.approve(n, "bob"); must(s.t, s.lab.RequestChanges(repo, n, "bob")) }, forge.ReviewChangesRequested,
		},
		"approved once more": {
			func(s *stage, n int) {
				s.approve(n, "bob")
				must(s.t, s.lab.Unapprove(repo, n, "bob"))
				s.later(time.Minute)
				s.approve(n, "bob")
			}, forge.ReviewApproved,
		},
		"only words": {func(s *stage, n int) { must(s.t, s.lab.Comment(repo, n, "bob", "approved this merge request")) }, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			n := s.ask("ask", file)
			tt.play(s, n)
			if r := s.last(n, "bob"); r.State != tt.want {
				t.Errorf("got %+v, want %q", r, tt.want)
			}
		})
	}
}

// The note of an approval may be written after a push that the approval never saw.
func TestAnApprovalIsDatedByItselfNotByItsNote(t *testing.T) {
	s := newStage(t)
	n := s.ask("ask", file)
	first := s.lab.Head(repo, "ask")
	s.lab.NoteLag(10 * time.Minute)
	given := s.clock()
	s.approve(n, "bob")
	s.push("alice", "ask", map[string]string{file: "swapped\n"})
	if r := s.last(n, "bob"); r.State != forge.ReviewApproved || !r.SubmittedAt.Equal(given) || r.Commit != first {
		t.Errorf("got %+v; want it at %s, for %s", r, given, first)
	}
}

func TestAnApprovalWithoutATimeIsNotRead(t *testing.T) {
	s := newStage(t)
	n := s.ask("ask", file)
	s.instead("/approvals", 200, `{"approved": true, "approved_by": [{"user": {"id": 2, "username": "bob", "state": "active"}}]}`)
	if r, err := s.client().Reviews(t.Context(), n); !errors.Is(err, forge.ErrUnavailable) {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestWhoSomebodyIs(t *testing.T) {
	s := newStage(t)
	robot := s.lab.AddBot("group_3_bot")
	n := s.ask("ask", file)
	for _, by := range []string{"bob", "carol", "dave", robot.Login} {
		s.approve(n, by)
	}
	s.lab.SetState("carol", "blocked")
	s.lab.SetState("bob", "deactivated")
	s.lab.Delete("dave")
	list, err := s.client().Reviews(t.Context(), n)
	must(t, err)
	got := map[string]forge.Identity{}
	for _, r := range list {
		got[r.Reviewer.Login] = r.Reviewer
	}
	for login, want := range map[string]string{"bob": "User", "carol": "Blocked", robot.Login: "Bot"} {
		if i := got[login]; i.Type != want || i.ID == 0 || i.Host != "gitlab.example.com" {
			t.Errorf("%s: %+v, want a %s", login, i, want)
		}
	}
	if i, ok := got["ghost"]; !ok || i.ID != 0 {
		t.Errorf("ghost: %+v", i)
	}
}
