package doctest_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// varies are the parts of the demo's output that differ from run to run.
var varies = regexp.MustCompile(`\d\d:\d\d:\d\d\.\d+|\d[\d.]*(ms|µs|s)\b`)

func TestTheTranscriptInTheReadmeIsWhatTheDemoPrints(t *testing.T) {
	t.Parallel() // it waits for the end of a window
	shown := ""
	blocks, _ := split(t, "README.md")
	for _, b := range blocks {
		if b.is("text", "demo") {
			shown = b.text
		}
	}
	if shown == "" {
		t.Fatal("README.md has no transcript")
	}
	dir, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "reconciler"), "demo", "--once", "--pace", "0s", "--window", "8s").CombinedOutput()
	if err != nil {
		t.Fatalf("the demo: %v\n%s", err, out)
	}
	if !matches(varies.ReplaceAllString(string(out), "T"), varies.ReplaceAllString(shown, "T")) {
		t.Errorf("README.md shows\n%s\nbut the demo printed\n%s", shown, out)
	}
}
