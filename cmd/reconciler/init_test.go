package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func TestTheWorkflowOfANewRepositoryCallsOursAsItWantsToBeCalled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := testApp(&bytes.Buffer{}, &bytes.Buffer{})
	err := a.initRepo(dir, initOptions{Admin: "ann", Login: "ann-gh", ID: 11, Approver: "ben", ALogin: "ben-gh", AID: 12})
	if err != nil {
		t.Fatal(err)
	}
	var theirs struct {
		Jobs map[string]struct {
			Uses string
			With map[string]string
		}
	}
	readYAML(t, filepath.Join(dir, ".github/workflows/validate.yaml"), &theirs)
	job := theirs.Jobs["validate"]
	name, ref, ok := strings.Cut(strings.TrimPrefix(job.Uses, "tenure-dev/tenure/"), "@")
	if !ok || !released.MatchString(ref) && !fullHash.MatchString(ref) {
		t.Errorf("%s is not pinned to a release or a full commit", job.Uses)
	}
	if job.With["version"] != ref {
		t.Errorf("the workflow of %s runs the program of %s", ref, job.With["version"])
	}
	var ours struct {
		On struct {
			Call struct {
				Inputs map[string]struct{ Required bool }
			} `yaml:"workflow_call"`
		}
	}
	readYAML(t, filepath.Join("../..", name), &ours)
	for input, is := range ours.On.Call.Inputs {
		if _, given := job.With[input]; is.Required && !given {
			t.Errorf("the input %s is required and not given", input)
		}
	}
	for input := range job.With {
		if _, known := ours.On.Call.Inputs[input]; !known {
			t.Errorf("the input %s is not known", input)
		}
	}
}

func TestTheNearestWordIsFound(t *testing.T) {
	t.Parallel()
	known := []string{"AccessRequest", "Role", "Person", "Policy", "config"}
	for word, want := range map[string]string{
		"accessrequest": "AccessRequest", "AccesRequest": "AccessRequest", "rol": "Role", "polcy": "Policy", "pers": "Person",
		"CONFIG": "config", "": "", "Kubernetes": "", "x": "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
