package ways_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// page is the table of attacks.
const page = "../../../docs/attacks.md"

func TestThePageOfAttacksNamesTheseTests(t *testing.T) {
	text, err := os.ReadFile(page)
	must(t, err)
	named := map[string]int{}
	for _, m := range regexp.MustCompile("`(Test[A-Za-z0-9_]+)`").FindAllStringSubmatch(string(text), -1) {
		named[m[1]]++
	}
	var files []string
	must(t, filepath.WalkDir("../../..", func(p string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(p, "_test.go") {
			files = append(files, p)
		}
		return err
	}))
	exists, attack := map[string]bool{}, map[string]bool{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		must(t, err)
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Test") || fn.Name.Name == "TestMain" {
				continue
			}
			exists[fn.Name.Name] = true
			attack[fn.Name.Name] = attack[fn.Name.Name] || strings.HasPrefix(filepath.ToSlash(name), "../../../internal/e2e/ways/attack_")
		}
	}
	if len(named) < 50 {
		t.Errorf("%s names %d tests; it has lost some", page, len(named))
	}
	for name, n := range named {
		if !exists[name] {
			t.Errorf("%s names %s, which does not exist", page, name)
		}
		if n > 1 {
			t.Errorf("%s names %s %d times", page, name, n)
		}
	}
	for name := range exists {
		if attack[name] && named[name] == 0 {
			t.Errorf("%s does not name %s", page, name)
		}
	}
}
