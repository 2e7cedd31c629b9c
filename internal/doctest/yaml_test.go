package doctest_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/all"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/daemon"
	"github.com/tenure-dev/tenure/internal/policy"
	"github.com/tenure-dev/tenure/schema"
)

// isDocument reports whether a block is meant as a file of an access repository.
func isDocument(b block) bool { return b.lang == "yaml" && strings.Contains(b.text, "\nkind: ") }

// isConfig reports whether a block is a whole configuration of the reconciler.
func isConfig(b block) bool {
	text := "\n" + b.text
	return b.lang == "yaml" && strings.Contains(text, "\nrepository:") && strings.Contains(text, "\ntargets:")
}

func TestEveryYAMLBlockIsWhatTheProgramAccepts(t *testing.T) {
	documents, configs := 0, 0
	for _, page := range pages(t) {
		blocks, _ := split(t, page)
		for _, b := range blocks {
			switch {
			case b.lang != "yaml":
			case isDocument(b):
				documents++
				file := schema.ParseFile(b.page, []byte(b.text))
				for _, p := range file.Problems {
					t.Errorf("%s:%d: %s", b.page, b.line+p.Pos.Line-1, p.Message)
				}
			case isConfig(b):
				configs++
				if err := parseConfig(t, b); err != nil {
					t.Errorf("%s:%d: %v", b.page, b.line, err)
				}
			default:
				if err := wellFormed(b.text); err != nil {
					t.Errorf("%s:%d: %v", b.page, b.line, err)
				}
			}
		}
	}
	if documents < 10 || configs < 2 {
		t.Errorf("found %d documents and %d configurations: the test does not see the pages", documents, configs)
	}
}

// wellFormed checks a fragment: YAML without a key twice.
func wellFormed(text string) error {
	d := yaml.NewDecoder(strings.NewReader(text))
	for {
		var v any
		if err := d.Decode(&v); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// parseConfig reads a configuration in an environment that has every variable, and
// lets each target's driver read its settings.
func parseConfig(t *testing.T, b block) error {
	t.Helper()
	dir := t.TempDir()
	text := strings.ReplaceAll(b.text, "<full commit hash>", strings.Repeat("a", 40))
	env := func(name string) (string, bool) {
		switch {
		case strings.HasSuffix(name, "_DSN"):
			return "postgres://tenure@db.example.com/orders", true
		case name == "TRUST_FROM":
			return strings.Repeat("a", 40), true
		case name == "TENURE_DIR":
			return dir, true
		}
		return "value-of-" + name, true
	}
	for _, field := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" {},\n\"", r) }) {
		if strings.HasPrefix(field, "/etc/tenure/") || strings.HasPrefix(field, "/run/secrets/") {
			here := filepath.Join(dir, filepath.Base(field))
			if err := os.WriteFile(here, []byte("postgres://tenure@db.example.com/orders\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			text = strings.ReplaceAll(text, field, here)
		}
	}
	cfg, err := config.Parse(filepath.Join(dir, "reconciler.yaml"), []byte(text), env)
	if err != nil {
		return err
	}
	reg, err := connectors.NewRegistry(all.Drivers()...)
	if err != nil {
		return err
	}
	for name, target := range cfg.Targets {
		settings := connectors.Settings(target.Settings)
		if path, ok := settings["path"].(string); ok { // its directory must exist
			settings["path"] = filepath.Join(dir, filepath.Base(path))
		}
		driver, err := reg.Lookup(target.Connector)
		if err != nil {
			return err
		}
		c, err := driver.Open(t.Context(), name, settings)
		if err != nil {
			return fmt.Errorf("target %s: %w", name, err)
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// The examples of the reference are one access repository: what they say about each
// other holds, too.
func TestTheExamplesOfTheReferenceFitTogether(t *testing.T) {
	var files []*schema.File
	for _, page := range []string{"docs/files.md", "docs/connectors/postgres.md", "docs/connectors/file.md"} {
		blocks, _ := split(t, page)
		for _, b := range blocks {
			if isDocument(b) {
				files = append(files, schema.ParseFile(fmt.Sprintf("%s-%d.yaml", b.page, b.line), []byte(b.text)))
			}
		}
	}
	tree := schema.NewTree(files)
	reg, err := connectors.NewRegistry(all.Drivers()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(tree.Problems, policy.Validate(tree, daemon.Canonical(reg))...) {
		t.Error(p.Error())
	}
	if len(tree.Requests) < 3 || len(tree.Roles) < 3 {
		t.Errorf("found %d requests and %d roles", len(tree.Requests), len(tree.Roles))
	}
}
