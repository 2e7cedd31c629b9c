package doctest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors/all"
)

// goFiles returns the Go files of the project, with their text.
func goFiles(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		out[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// CONTRIBUTING.md says what a new connector needs: its package, one line in the list, a
// run of the suite and a page. Each connector has all of it, and nothing else knows it.
func TestAConnectorNeedsAPackageALineASuiteAndAPage(t *testing.T) {
	files := goFiles(t)
	overview, err := os.ReadFile(filepath.Join(root, "docs/connectors/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all.Drivers() {
		dir := "connectors/" + d.Name() + "/"
		importing := regexp.MustCompile(`"github\.com/tenure-dev/tenure/connectors/` + regexp.QuoteMeta(d.Name()) + `"`)
		var suite bool
		var knows []string
		for name, text := range files {
			own := strings.HasPrefix(name, dir)
			test := strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "internal/e2e/")
			suite = suite || own && test && strings.Contains(text, "conformance.Run(")
			if !own && !test && importing.MatchString(text) {
				knows = append(knows, name)
			}
		}
		if !suite {
			t.Errorf("%s does not run the suite", dir)
		}
		if !slices.Equal(knows, []string{"connectors/all/all.go"}) {
			t.Errorf("%s is known to %v, beside connectors/all/all.go", d.Name(), knows)
		}
		row := regexp.MustCompile(`(?m)^\| \[[^]]*\b` + regexp.QuoteMeta(d.Name()) + `\b[^]]*\]\(([a-z]+\.md)\)`).FindSubmatch(overview)
		if row == nil {
			t.Errorf("docs/connectors/README.md has no row for %s", d.Name())
			continue
		}
		if _, err := os.Stat(filepath.Join(root, "docs/connectors", string(row[1]))); err != nil {
			t.Errorf("%s has no page: %v", d.Name(), err)
		}
	}
}
