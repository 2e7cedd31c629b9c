package doctest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const reusable = "validate-access-repo.yaml"

// The reusable workflow refuses a call that lacks a required input, before anything
// runs. What init and the example write must be calls that it takes.
func TestTheWorkflowsOfAccessRepositoriesGiveEveryRequiredInput(t *testing.T) {
	var called struct {
		On struct {
			Call struct {
				Inputs map[string]struct{ Required bool }
			} `yaml:"workflow_call"`
		}
	}
	load(t, filepath.Join(root, ".github", "workflows", reusable), &called)
	if len(called.On.Call.Inputs) == 0 {
		t.Fatal("the reusable workflow has no inputs")
	}
	dir, err := program()
	if err != nil {
		t.Fatal(err)
	}
	fresh := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "reconciler"), "init", fresh,
		"--admin", "alice", "--admin-login", "alice-gh", "--admin-id", "1", "--approver", "bob", "--approver-login", "bob-gh", "--approver-id", "2").CombinedOutput(); err != nil {
		t.Fatalf("init: %v\n%s", err, out)
	}
	for _, repo := range []string{fresh, filepath.Join(root, "examples", "access-repo")} {
		file := filepath.Join(repo, ".github", "workflows", "validate.yaml")
		var caller struct {
			Jobs map[string]struct {
				Uses string
				With map[string]string
			}
		}
		load(t, file, &caller)
		calls := 0
		for name, job := range caller.Jobs {
			path, ref, _ := strings.Cut(job.Uses, "@")
			if !strings.HasSuffix(path, "/"+reusable) {
				continue
			}
			calls++
			for input, terms := range called.On.Call.Inputs {
				if terms.Required && job.With[input] == "" {
					t.Errorf("%s: job %s does not give the input %s", file, name, input)
				}
			}
			if job.With["version"] != ref {
				t.Errorf("%s: job %s calls the workflow of %s, but runs version %q", file, name, ref, job.With["version"])
			}
		}
		if calls == 0 {
			t.Errorf("%s does not call %s", file, reusable)
		}
	}
}

func load(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
