package ways_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
)

func TestNamesThatOnlyLookLikeAnothersGrantNothing(t *testing.T) {
	for name, text := range map[string]string{
		"a Cyrillic letter in the subject":   stage.Request("аlice", "ops", long),
		"an invisible space in the subject":  stage.Request("\"alice\u200b\"", "ops", long),
		"a name that runs backwards":         stage.Request("\"\u202ealice\"", "ops", long),
		"another case of the subject":        stage.Request("Alice", "ops", long),
		"another case of the role":           stage.Request("alice", "OPS", long),
		"a full-width letter in the role":    stage.Request("alice", "ｏps", long),
		"a composed letter":                  stage.Request("\"alice\u0301\"", "ops", long),
		"a newline in the subject":           stage.Request("\"alice\\n\"", "ops", long),
		"a subject with a space at the end":  stage.Request("\"alice \"", "ops", long),
		"a role with a NUL":                  stage.Request("alice", "\"ops\\0\"", long),
		"a subject that is a pattern":        stage.Request("\"*\"", "ops", long),
		"a subject that begins with another": stage.Request("al", "ops", long),
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, stage.Options{})
			n := s.Ask("alice", file(text))
			s.Approve(n, "carol")
			s.Approve(n, "dave")
			s.Merge(n)
			s.Pass()
			s.Expect("bastion")
			s.Advance(2 * time.Hour)
			s.Pass()
			s.Expect("bastion")
			if holds := s.Holds(""); len(holds) > 0 {
				t.Errorf("holds: %+v", holds)
			}
		})
	}
}

func TestALookAlikePathIsAnotherFileWithItsOwnProof(t *testing.T) {
	for name, path := range map[string]string{
		"an invisible space":   "requests/alice\u200b.yaml",
		"another case":         "requests/Alice.yaml",
		"a Cyrillic letter":    "requests/аlice.yaml",
		"a composed letter":    "requests/alice\u0301.yaml",
		"a deeper directory":   "requests/requests/alice.yaml",
		"a name with a target": "requests/alice.yaml.yaml",
		"the other extension":  "requests/alice.yml",
		"a path with spaces":   "requests/alice.yaml .yaml",
		"a directory of dots":  "requests/.../alice.yaml",
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, stage.Options{})
			s.Grant("alice", asked, ask())
			s.Pass()
			s.Expect("bastion", "ops,alice")
			s.Push("mallory", stage.Change{Write: map[string]string{path: stage.Request("mallory", "ops", long)}})
			s.Pass()
			s.Advance(30 * time.Minute)
			s.Pass()
			s.Expect("bastion", "ops,alice")
		})
	}
}

// plant puts one entry of any mode on a new branch as a person, by git itself, and
// returns the branch.
func plant(s *stage.Stage, person, mode, object, path string) string {
	s.T.Helper()
	branch := s.Branch(person)
	index := filepath.Join(s.Dir, "index-"+branch)
	s.T.Setenv("GIT_INDEX_FILE", index)
	s.Git("read-tree", "main")
	s.Git("update-index", "--add", "--cacheinfo", fmt.Sprintf("%s,%s,%s", mode, object, path))
	tree := s.Git("write-tree")
	if err := os.Unsetenv("GIT_INDEX_FILE"); err != nil {
		s.T.Fatal(err)
	}
	commit := s.Git("commit-tree", tree, "-p", "main", "-m", "Plant")
	s.Move(person, branch, commit)
	return branch
}

func TestALinkOrASubmoduleInPlaceOfARequestGrantsNothing(t *testing.T) {
	for name, c := range map[string]struct{ mode string }{
		"a symbolic link whose target is a request": {"120000"},
		"a submodule": {"160000"},
	} {
		t.Run(name, func(t *testing.T) {
			s := stage.New(t, stage.Options{})
			s.Pass()
			text := filepath.Join(s.Dir, "request.yaml")
			must(t, os.WriteFile(text, []byte(ask(long)), 0o600))
			object := s.Git("hash-object", "-w", text)
			if c.mode == "160000" {
				object = s.Head("main")
			}
			n := s.Open("alice", plant(s, "alice", c.mode, object, asked))
			s.Approve(n, "carol")
			s.Merge(n)
			s.Pass()
			s.Expect("bastion")
			s.Advance(2 * time.Hour)
			s.Pass()
			s.Expect("bastion")
		})
	}
}

func TestAnApprovedRequestReplacedByALinkHoldsNoLonger(t *testing.T) {
	s := stage.New(t, stage.Options{})
	s.Grant("alice", asked, ask())
	s.Pass()
	s.Expect("bastion", "ops,alice")
	text := filepath.Join(s.Dir, "request.yaml")
	must(t, os.WriteFile(text, []byte(ask(long)), 0o600))
	n := s.Open("alice", plant(s, "alice", "120000", s.Git("hash-object", "-w", text), asked))
	s.Approve(n, "carol")
	s.Merge(n)
	s.Pass()
	s.Advance(time.Hour)
	s.Pass()
	s.Expect("bastion")
}
