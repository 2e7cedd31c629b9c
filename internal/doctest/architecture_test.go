package doctest_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
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
	if *update {
		rewriteRooms(t, want)
	}
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
		if strings.TrimSpace(cells[3]) == "all" {
			may = []string{"*"}
		}
		got[names[0]] = may
	}
	for name, may := range want {
		shown, ok := got[name]
		if !ok {
			t.Errorf("docs/architecture.md has no row for %s, which internal/archtest knows; run go test ./internal/doctest -run Architecture -update, and say what it holds", name)
			continue
		}
		slices.Sort(shown)
		slices.Sort(may)
		if !slices.Equal(shown, may) {
			t.Errorf("docs/architecture.md: %s may import\n  %v\nbut the page says\n  %v\n(-update writes it)", name, may, shown)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("docs/architecture.md has a row for %s, which internal/archtest does not know", name)
		}
	}
}

var update = flag.Bool("update", false, "write the rules of imports into docs/architecture.md")

// rewriteRooms writes the last column of the table anew; what a room holds is for
// people to say.
func rewriteRooms(t *testing.T, rules map[string][]string) {
	t.Helper()
	file := filepath.Join(root, "docs", "architecture.md")
	var out strings.Builder
	left := maps.Clone(rules)
	inside := false
	for line := range strings.Lines(read(t, "docs/architecture.md")) {
		cells := strings.Split(line, "|")
		row := len(cells) == 5 && len(spans(cells[1])) == 1
		switch {
		case row:
			inside = true
			name := spans(cells[1])[0]
			may, known := left[name]
			if !known {
				continue
			}
			delete(left, name)
			out.WriteString(room(name, strings.TrimSpace(cells[2]), may))
			continue
		case inside:
			inside = false
			for _, name := range slices.Sorted(maps.Keys(left)) {
				out.WriteString(room(name, "TELL WHAT IT HOLDS", left[name]))
			}
			left = nil
		}
		out.WriteString(line)
	}
	if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func room(name, holds string, may []string) string {
	list := "—"
	switch {
	case slices.Equal(may, []string{"*"}):
		list = "all"
	case len(may) > 0:
		list = "`" + strings.Join(slices.Sorted(slices.Values(may)), "`, `") + "`"
	}
	return "| `" + name + "` | " + holds + " | " + list + " |\n"
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
