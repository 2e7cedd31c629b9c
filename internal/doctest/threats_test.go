package doctest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const threats = "docs/threat-model.md"

var (
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
	testName  = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	eventKind = regexp.MustCompile(`(?m)^\tEvent[A-Za-z]+\s*= "([a-z.-]+)"`)
)

// Whoever reads that something is tested must be able to read the test.
func TestTheThreatModelNamesTestsThatExist(t *testing.T) {
	exists := matchesOf(t, testFunc, root, "_test.go")
	if len(exists) < 500 {
		t.Fatalf("found only %d tests", len(exists))
	}
	named := 0
	for _, page := range []string{threats, "docs/security.md", "SECURITY.md"} {
		for i, line := range strings.Split(read(t, page), "\n") {
			for _, m := range testName.FindAllStringSubmatch(line, -1) {
				named++
				if !exists[m[1]] {
					t.Errorf("%s:%d: there is no %s", page, i+1, m[1])
				}
			}
		}
	}
	if named < 60 {
		t.Errorf("%d tests are named; the pages have lost some", named)
	}
}

func TestEveryFuzzTestIsInTheThreatModel(t *testing.T) {
	text := section(t, threats, "What is fuzzed")
	for name := range matchesOf(t, testFunc, root, "_test.go") {
		if strings.HasPrefix(name, "Fuzz") && !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%s does not say what %s holds", threats, name)
		}
	}
}

func TestEveryPromiseHasATest(t *testing.T) {
	rows := map[string]string{}
	for line := range strings.Lines(section(t, threats, "Promises")) {
		if cells := strings.Split(line, "|"); len(cells) > 4 {
			rows[strings.TrimSpace(cells[1])] = line
		}
	}
	for n := 1; n <= 10; n++ {
		if p := "P" + strconv.Itoa(n); !testName.MatchString(rows[p]) {
			t.Errorf("%s names no test of %s", threats, p)
		}
	}
}

// Of each actor the page says the same five things, with a promise and a test.
func TestEveryActorIsLookedAtWhole(t *testing.T) {
	actors := strings.Split(section(t, threats, "Actors"), "\n### ")[1:]
	if len(actors) < 16 {
		t.Errorf("there are only %d actors", len(actors))
	}
	for _, a := range actors {
		name, text, _ := strings.Cut(a, "\n")
		for _, part := range []string{"Can", "Cannot", "Tests", "Trace", "Left"} {
			if !strings.Contains(text, "\n- **"+part+"**") {
				t.Errorf("%s: %s: does not say **%s**", threats, name, part)
			}
		}
		if !regexp.MustCompile(`\bP(10|[1-9])\b`).MatchString(text) || !testName.MatchString(text) {
			t.Errorf("%s: %s: names no promise or no test", threats, name)
		}
	}
}

func TestTheThreatModelNamesEventsThatExist(t *testing.T) {
	exists := matchesOf(t, eventKind, filepath.Join(root, "internal", "ledger"), ".go")
	prefixes := map[string]bool{}
	for kind := range exists {
		prefix, _, _ := strings.Cut(kind, ".")
		prefixes[prefix] = true
	}
	found := 0
	for _, m := range regexp.MustCompile("`([a-z]+)\\.([a-z-]+)`").FindAllStringSubmatch(read(t, threats), -1) {
		if kind := m[1] + "." + m[2]; prefixes[m[1]] && strings.Contains(m[0], kind) {
			found++
			// trust.from and the like are keys of the configuration.
			if !exists[kind] && kind != "trust.from" && kind != "trust.count" && kind != "trust.group" {
				t.Errorf("%s: there is no event %s", threats, kind)
			}
		}
	}
	if found < 15 {
		t.Errorf("found only %d events", found)
	}
}

// matchesOf collects the first group of a pattern in all files below a directory
// whose names end so.
func matchesOf(t *testing.T, pattern *regexp.Regexp, dir, suffix string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != dir && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, suffix) {
			return nil
		}
		code, err := os.ReadFile(path)
		for _, m := range pattern.FindAllStringSubmatch(string(code), -1) {
			found[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
