package doctest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

var (
	pinned = regexp.MustCompile(`^[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]+@[0-9a-f]{40}$`)
	// called is a workflow of ours in an access repository: people write the version
	// that they run, and TestTheWorkflowsOfAccessRepositoriesGiveEveryRequiredInput
	// holds both places to the same one.
	called = regexp.MustCompile(`^tenure-dev/tenure/\.github/workflows/[a-z-]+\.yaml@`)
)

// job is what of a workflow's job can be turned against it.
type job struct {
	Permissions any
	Uses        string
	Secrets     any
	Steps       []struct {
		Uses string
		Run  string
		With map[string]any
	}
}

// What a stranger's pull request can reach in CI is bounded by its workflows: they
// run with read access and no secret, on no trigger that runs a stranger's change
// with more, with actions that nobody can change afterwards, and no text of a stranger's is
// pasted into a script.
func TestWorkflowsGiveAPullRequestNothing(t *testing.T) {
	files := 0
	for _, dir := range []string{".github/workflows", "examples/access-repo/.github/workflows", "cmd/reconciler/template/.github/workflows"} {
		err := filepath.WalkDir(filepath.Join(root, filepath.FromSlash(dir)), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			files++
			checkWorkflow(t, path)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 4 {
		t.Errorf("found only %d workflows", files)
	}
}

func checkWorkflow(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The template of init has marks that stand for a version.
	text = []byte(strings.NewReplacer("<<", "", ">>", "").Replace(string(text)))
	var w struct {
		On          any
		Permissions map[string]string
		Jobs        map[string]job
	}
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for trigger := range triggers(w.On) {
		switch trigger {
		case "push", "pull_request", "workflow_call", "workflow_dispatch", "schedule":
		default: // pull_request_target, workflow_run, issue_comment and their like
			t.Errorf("%s: runs on %s", path, trigger)
		}
	}
	if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
		t.Errorf("%s: has the permissions %v; want contents: read", path, w.Permissions)
	}
	for name, j := range w.Jobs {
		if j.Permissions != nil || j.Secrets != nil {
			t.Errorf("%s: job %s has permissions or secrets of its own", path, name)
		}
		if j.Uses != "" && !pinned.MatchString(j.Uses) && !called.MatchString(j.Uses) {
			t.Errorf("%s: job %s uses %s, which can change", path, name, j.Uses)
		}
		for _, s := range j.Steps {
			if s.Uses != "" && !pinned.MatchString(s.Uses) {
				t.Errorf("%s: job %s uses %s; pin the full commit", path, name, s.Uses)
			}
			if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
				t.Errorf("%s: job %s leaves the token in the checkout", path, name)
			}
			if strings.Contains(s.Run, "${{") {
				t.Errorf("%s: job %s pastes a value into a script; hand it over in env", path, name)
			}
		}
	}
}

// triggers returns the events that a workflow runs on, in each way to write them.
func triggers(on any) map[string]bool {
	out := map[string]bool{}
	switch v := on.(type) {
	case string:
		out[v] = true
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok {
				out[s] = true
			}
		}
	case map[string]any:
		for e := range v {
			out[e] = true
		}
	}
	return out
}
