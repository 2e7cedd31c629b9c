package doctest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The page has one table of the packages; the truth is the table that archtest
// holds the code to.
func TestTheArchitecturePageHasTheRulesOfImports(t *testing.T) {
	want := importRules(t)
	got := map[string][]string{}
	for line := range strings.Lines(section(t, "docs/architecture.md", "Rooms")) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		names, may := spans(cells[1]), spans(cells[3])
		if len(names) != 1 {
			continue
		}
		if strings.Contains(cells[3], "all") {
			may = []string{"*"}
		}
		got[names[0]] = may
	}
	for name, may := range want {
		shown, ok := got[name]
		if !ok {
			t.Errorf("docs/architecture.md has no row for %s, which internal/archtest knows", name)
			continue
		}
		slices.Sort(shown)
		slices.Sort(may)
		if !slices.Equal(shown, may) {
			t.Errorf("docs/architecture.md: %s may import\n  %v\nbut the page says\n  %v", name, may, shown)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("docs/architecture.md has a row for %s, which internal/archtest does not know", name)
		}
	}
}

// spans returns the code spans of a cell.
func spans(cell string) []string {
	var out []string
	for i, part := range strings.Split(cell, "`") {
		if i%2 == 1 {
			out = append(out, part)
		}
	}
	return out
}

// importRules reads which package may import which from archtest's table.
func importRules(t *testing.T) map[string][]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "internal", "archtest", "rules_test.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string][]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "rules" {
			return true
		}
		for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
			kv := e.(*ast.KeyValueExpr)
			rules[text(t, kv.Key)] = nil
			for _, f := range kv.Value.(*ast.CompositeLit).Elts {
				field, ok := f.(*ast.KeyValueExpr)
				if !ok || field.Key.(*ast.Ident).Name != "packages" {
					continue
				}
				for _, p := range field.Value.(*ast.CompositeLit).Elts {
					rules[text(t, kv.Key)] = append(rules[text(t, kv.Key)], text(t, p))
				}
			}
		}
		return false
	})
	if len(rules) < 10 {
		t.Fatalf("found only %d rules", len(rules))
	}
	return rules
}

func text(t *testing.T, e ast.Expr) string {
	t.Helper()
	s, err := strconv.Unquote(e.(*ast.BasicLit).Value)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
