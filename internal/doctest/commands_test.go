package doctest_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// call finds a call of the program at the start of a code span or of a line of a
// shell block.
var call = regexp.MustCompile(`(?m)(?:^|` + "`" + `)(?:bin/)?reconciler ([a-z]+)`)

func TestEveryCommandThatThePagesCallExists(t *testing.T) {
	dir, err := program()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, page := range pages(t) {
		blocks, prose := split(t, page)
		var all strings.Builder
		for _, b := range blocks {
			if b.lang == "sh" {
				all.WriteString(b.text)
			}
		}
		for _, line := range prose {
			for _, span := range codeSpan.FindAllString(line, -1) {
				all.WriteString(span + "\n")
			}
		}
		for _, m := range call.FindAllStringSubmatch(all.String(), -1) {
			name := m[1]
			if _, asked := known[name]; !asked {
				out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "reconciler"), name, "--help").CombinedOutput()
				known[name] = err == nil && strings.Contains(string(out), "reconciler "+name)
			}
			if !known[name] {
				t.Errorf("%s calls `reconciler %s`, which does not exist", page, name)
			}
		}
	}
	if len(known) < 5 {
		t.Errorf("found only %d commands", len(known))
	}
}
