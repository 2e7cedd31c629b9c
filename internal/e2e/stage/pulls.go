package stage

import (
	"strings"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/minihub"
)

// OpenInto opens a pull request from one branch into another as a person.
func (s *Stage) OpenInto(person, head, base string) int {
	s.T.Helper()
	s.tick()
	n, err := s.Hub.OpenPull(Repo, account(person), minihub.PullRequest{Title: "Access", Head: head, Base: base})
	s.must(err)
	return n
}

// Said returns the reconciler's comment on a pull request; empty: it said nothing.
func (s *Stage) Said(pull int) string {
	s.T.Helper()
	comments, err := s.Hub.Comments(Repo, pull)
	s.must(err)
	var own []string
	for _, c := range comments {
		if c.Author == Bot {
			own = append(own, c.Body)
		}
	}
	if len(own) > 1 {
		s.T.Errorf("pull request %d has %d comments of the reconciler's", pull, len(own))
	}
	return strings.Join(own, "\n")
}

// Status returns the reconciler's status of the head of a pull request.
func (s *Stage) Status(pull int) minihub.Status {
	s.T.Helper()
	p, err := s.Hub.Pull(Repo, pull)
	s.must(err)
	all, err := s.Hub.Statuses(Repo, p.HeadSHA)
	s.must(err)
	for _, st := range all { // newest first
		if st.Context == forge.StatusContext {
			return st
		}
	}
	return minihub.Status{}
}
