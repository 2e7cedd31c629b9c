package archtest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listed is what go list says of a package.
type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	touch(t)
	// With -e a package that does not compile at the moment still has its imports.
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", "./...")
	cmd.Dir = filepath.Join("..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module+"/")
		all = append(all, p)
	}
}

// touch looks at every Go file, because go test keeps a result until a file that
// the test itself looked at has changed; what go list reads does not count.
func touch(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // a file that came and went, such as an editor's
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "..":
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go"):
			_, _ = os.Stat(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// check returns what is wrong with the imports of one package.
func check(p listed) []string {
	r, known := ruleOf(p.ImportPath)
	if !known {
		return []string{p.ImportPath + " is not in the table of rules_test.go: add it, with the fewest imports it can do with"}
	}
	var wrong []string
	for _, path := range p.Imports {
		if why := r.refuses(p.ImportPath, path); why != "" {
			wrong = append(wrong, p.ImportPath+" imports "+path+": "+why)
		}
	}
	return wrong
}

// ruleOf returns the rule of a package. A connector without one of its own may use what
// every connector may.
func ruleOf(path string) (rule, bool) {
	if r, known := rules[path]; known {
		return r, true
	}
	if name, ok := strings.CutPrefix(path, "connectors/"); ok && !strings.Contains(name, "/") {
		return rule{packages: []string{"connectors", "grants"}}, true
	}
	return rule{}, false
}

// allows reports whether the rule lets a package of this module in.
func (r rule) allows(inside string) bool {
	return slices.ContainsFunc(r.packages, func(p string) bool {
		if above, ok := strings.CutSuffix(p, "/*"); ok {
			name, below := strings.CutPrefix(inside, above+"/")
			return below && !strings.Contains(name, "/")
		}
		return p == inside || p == "*"
	})
}

func (r rule) refuses(importer, path string) string {
	if inside, ok := strings.CutPrefix(path, module+"/"); ok {
		if !r.allows(inside) {
			return "its rule does not name that package"
		}
		if allowed, limited := importers[inside]; limited && !slices.Contains(allowed, importer) {
			return "that package is for " + strings.Join(append(slices.Clone(allowed), "tests"), ", ") + " only"
		}
		return ""
	}
	if path == "testing" || strings.HasPrefix(path, "testing/") {
		if !r.testing {
			return "only helpers for tests may"
		}
		return ""
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	if r.external != nil && !under(path, r.external) {
		return "its rule names the libraries it may use, and this is not one"
	}
	if under(path, kept) && !under(path, r.kept) {
		return "this library is kept behind other packages"
	}
	return ""
}

func under(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		return path == p || strings.HasPrefix(path, p+"/")
	})
}

func TestImportsGoOneWay(t *testing.T) {
	all := packages(t)
	if len(all) < 5 {
		t.Fatalf("go list found %d packages", len(all))
	}
	for _, p := range all {
		for _, wrong := range check(p) {
			t.Error(wrong)
		}
	}
}

func TestRulesThatMustNeverBeLoosened(t *testing.T) {
	for _, p := range []listed{
		{"grants", []string{"gopkg.in/yaml.v3"}},
		{"grants", []string{module + "/schema"}},
		{"schema", []string{module + "/internal/forge"}},
		{"schema", []string{"github.com/go-git/go-git/v5"}},
		{"internal/policy", []string{module + "/internal/ledger"}},
		{"internal/policy", []string{module + "/connectors"}},
		{"internal/reconcile", []string{module + "/connectors/postgres"}},
		{"internal/reconcile", []string{module + "/internal/forge"}},
		{"internal/reconcile", []string{module + "/internal/source"}},
		{"internal/reconcile", []string{"github.com/go-git/go-git/v5"}},
		{"internal/reconcile", []string{"github.com/google/go-github/v60/github"}},
		{"internal/reconcile", []string{"github.com/jackc/pgx/v5/pgxpool"}},
		{"internal/reconcile", []string{"modernc.org/sqlite"}},
		{"internal/reconcile", []string{"github.com/riverqueue/river"}},
		{"internal/intake", []string{module + "/connectors"}},
		{"internal/forge/github", []string{module + "/internal/policy"}},
		{"internal/web", []string{module + "/internal/minihub"}},
		{"internal/demo", []string{module + "/cmd/reconciler"}},
		{"internal/demo", []string{module + "/internal/pgtest"}},
		{"cmd/reconciler", []string{module + "/internal/pgtest"}},
		{"internal/web", []string{"testing"}},
		{"internal/brand-new", nil},
		{"connectors/brand-new", []string{module + "/internal/ledger"}},
		{"connectors/brand-new", []string{module + "/connectors/postgres"}},
		{"connectors/brand-new", []string{"github.com/jackc/pgx/v5"}},
		{"connectors/brand-new/part", nil},
		{"connectors/all", []string{module + "/connectors/mysql/mysqltest"}},
		{"connectors/all", []string{module + "/internal/ledger"}},
	} {
		if len(check(p)) == 0 {
			t.Errorf("%s may import %v", p.ImportPath, p.Imports)
		}
	}
}

func TestANewConnectorNeedsNoRule(t *testing.T) {
	for _, p := range []listed{
		{"connectors/brand-new", []string{"net/http", module + "/connectors", module + "/grants", "github.com/example/brandnew"}},
		{"connectors/all", []string{module + "/connectors", module + "/connectors/brand-new"}},
	} {
		if wrong := check(p); len(wrong) > 0 {
			t.Error(wrong)
		}
	}
}

func TestRulesNameOnlyPackagesOfTheTable(t *testing.T) {
	for name, r := range rules {
		for _, p := range r.packages {
			if _, known := ruleOf(p); !known && p != "*" && p != "connectors/*" {
				t.Errorf("the rule of %s names %s, which has no rule", name, p)
			}
		}
		for _, k := range r.kept {
			if !slices.Contains(kept, k) {
				t.Errorf("the rule of %s names %s, which is not kept", name, k)
			}
		}
	}
	for name, from := range importers {
		for _, p := range append(slices.Clone(from), name) {
			if _, known := rules[p]; !known {
				t.Errorf("importers name %s, which has no rule", p)
			}
		}
	}
}
