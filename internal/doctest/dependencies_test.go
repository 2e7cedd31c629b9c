package doctest_test

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	required = regexp.MustCompile(`(?m)^\t(\S+) v\S+$`)
	version  = regexp.MustCompile(`^v\d+$`)
)

func TestEveryDependencyHasItsReason(t *testing.T) {
	page := read(t, "docs/decisions/0011-dependencies.md")
	found := required.FindAllStringSubmatch(read(t, "go.mod"), -1)
	if len(found) < 10 {
		t.Fatalf("found only %d modules in go.mod", len(found))
	}
	for _, m := range found {
		name := m[1]
		if version.MatchString(path.Base(name)) {
			name = path.Dir(name)
		}
		short := path.Base(name)
		switch {
		case strings.HasPrefix(name, "golang.org/"):
			short = strings.TrimPrefix(name, "golang.org/")
		case strings.Contains(name, "/river/"):
			short = "river and its drivers"
		case strings.HasPrefix(name, "gopkg.in/"):
			short = "yaml.v3"
		case strings.HasPrefix(name, "github.com/google/go-github"):
			short = "go-github"
		case strings.HasPrefix(name, "modernc.org/"):
			short = "modernc.org/sqlite"
		}
		if !strings.Contains(page, short) {
			t.Errorf("docs/decisions/0011-dependencies.md does not say what %s is for (looked for %q)", m[1], short)
		}
	}
}
