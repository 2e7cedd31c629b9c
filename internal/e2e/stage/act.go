package stage

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/internal/minihub"
)

// Change is what a push changes on a branch.
type Change struct {
	Branch string            // empty: main
	From   string            // where a new branch starts; empty: main
	Write  map[string]string // path → content
	Remove []string
	Force  bool   // start from From although the branch exists
	Repo   string // empty: the access repository
}

// tick lets a second pass: forges record whole seconds, and what happens in the
// same one does not count as later.
func (s *Stage) tick() {
	if s.Clock == nil {
		next := time.Now().Truncate(time.Second).Add(time.Second + 20*time.Millisecond)
		<-time.After(time.Until(next))
		return
	}
	s.Clock.Advance(time.Second)
}

// Push makes a commit as a person and returns its hash. Protection is not asked.
func (s *Stage) Push(person string, c Change) string {
	s.T.Helper()
	s.tick()
	if c.Repo == "" {
		c.Repo = Repo
	}
	sha, err := s.Hub.Push(c.Repo, minihub.Commit{Branch: c.Branch, From: c.From, By: account(person), Write: c.Write, Remove: c.Remove, Force: c.Force})
	s.must(err)
	return sha
}

// account is the login of a person of the cast; bots and strangers are named by
// their login itself.
func account(person string) string {
	for _, m := range cast {
		if m.name == person {
			return Login(person)
		}
	}
	return person
}

// Branch returns a branch name that has not been used.
func (s *Stage) Branch(person string) string {
	s.seq++
	return fmt.Sprintf("%s-%d", strings.ReplaceAll(strings.ToLower(person), "[bot]", ""), s.seq)
}

// Ask writes files on a new branch as a person and opens a pull request.
func (s *Stage) Ask(person string, write map[string]string) int {
	s.T.Helper()
	return s.Propose(person, Change{Write: write})
}

// Propose is Ask for any change.
func (s *Stage) Propose(person string, c Change) int {
	s.T.Helper()
	if c.Branch == "" {
		c.Branch = s.Branch(person)
	}
	s.Push(person, c)
	return s.Open(person, c.Branch)
}

// Open opens a pull request from a branch as a person.
func (s *Stage) Open(person, branch string) int {
	s.T.Helper()
	s.tick()
	n, err := s.Hub.OpenPull(Repo, account(person), minihub.PullRequest{Title: "Access", Head: branch})
	s.must(err)
	return n
}

// Approve approves a pull request as a person.
func (s *Stage) Approve(n int, person string) {
	s.T.Helper()
	s.tick()
	s.must(s.Hub.Approve(Repo, n, account(person)))
}

// Merge merges a pull request as erin with a merge commit; MergeBy with a method
// (merge, squash or rebase).
func (s *Stage) Merge(n int) string {
	s.T.Helper()
	return s.MergeBy(n, "erin", "merge")
}

// MergeBy merges a pull request as a person and returns the merge commit.
func (s *Stage) MergeBy(n int, person, method string) string {
	s.T.Helper()
	s.tick()
	sha, err := s.Hub.Merge(Repo, n, account(person), method)
	s.must(err)
	return sha
}

// Git runs a git command in the bare repository of the access repository and
// returns what it prints: for what no client of the forge would do.
func (s *Stage) Git(args ...string) string {
	s.T.Helper()
	r, ok := s.Hub.Repo(Repo)
	if !ok {
		s.T.Fatal("the access repository is gone")
	}
	ctx, cancel := s.ctx()
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.Dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@example.com", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.T.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Head returns the commit of a branch.
func (s *Stage) Head(branch string) string {
	s.T.Helper()
	sha, err := s.Hub.Head(Repo, branch)
	s.must(err)
	return sha
}

// Move points a branch at a commit that the repository has, as a (force) push of a
// person.
func (s *Stage) Move(person, branch, sha string) {
	s.T.Helper()
	s.tick()
	s.must(s.Hub.MoveBranch(Repo, branch, sha, account(person)))
}

// Second lets a second pass before what the test does through Hub itself.
func (s *Stage) Second() { s.tick() }

// Grant asks for one file as a person, has carol approve it (dave, when carol
// asks) and merges it: the good way in one step. The reconciler has not seen it.
func (s *Stage) Grant(person, path, text string) {
	s.T.Helper()
	n := s.Ask(person, map[string]string{path: text})
	by := "carol"
	if person == by {
		by = "dave"
	}
	s.Approve(n, by)
	s.Merge(n)
}
