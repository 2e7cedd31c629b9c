package doctest_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/schema"
)

func TestTheReferenceNamesEveryPropertyOfEverySchemaAndNoOther(t *testing.T) {
	for _, kind := range schema.Kinds() {
		text, ok := schema.JSONSchema(kind)
		if !ok {
			t.Fatalf("no schema for %s", kind)
		}
		var doc map[string]any
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		properties(doc, doc, "", want)
		if kind == "Policy" { // the request of a test has the keys of an AccessRequest
			maps.DeleteFunc(want, func(name string, _ bool) bool { return strings.HasPrefix(name, "tests.request.") })
		}
		delete(want, "apiVersion") // named once for all kinds
		delete(want, "kind")
		got := map[string]bool{}
		for _, name := range firstColumn(section(t, "docs/files.md", kind)) {
			got[name] = true
		}
		if len(want) < 2 {
			t.Errorf("%s: found only %d properties in its schema", kind, len(want))
		}
		compare(t, "docs/files.md, "+kind, want, got)
	}
}

func compare(t *testing.T, where string, want, got map[string]bool) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !got[name] {
			t.Errorf("%s: the table does not name %s", where, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if !want[name] {
			t.Errorf("%s: the table names %s, which does not exist", where, name)
		}
	}
}

// properties collects the dotted names of all properties that a schema has by name,
// through lists and alternatives. Values of mappings with free keys stand under
// NAME.
func properties(doc, node map[string]any, prefix string, found map[string]bool) {
	if ref, ok := node["$ref"].(string); ok {
		def := doc
		for _, step := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
			def, _ = def[step].(map[string]any)
		}
		properties(doc, def, prefix, found)
	}
	if props, ok := node["properties"].(map[string]any); ok {
		for name, sub := range props {
			found[prefix+name] = true
			if m, ok := sub.(map[string]any); ok {
				properties(doc, m, prefix+name+".", found)
			}
		}
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		list, _ := node[key].([]any)
		for _, sub := range list {
			if m, ok := sub.(map[string]any); ok {
				properties(doc, m, prefix, found)
			}
		}
	}
	if items, ok := node["items"].(map[string]any); ok {
		properties(doc, items, prefix, found)
	}
	free, ok := node["additionalProperties"].(map[string]any)
	if ok {
		properties(doc, free, prefix+"NAME.", found)
	}
}

// settingTag finds the settings that a connector decodes.
var settingTag = regexp.MustCompile("`setting:\"([A-Za-z]+)")

func TestTheConnectorPagesNameEverySettingAndNoOther(t *testing.T) {
	for _, name := range []string{"file", "postgres"} {
		code, err := os.ReadFile(filepath.Join(root, "connectors", name, "driver.go"))
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{"connector": true}
		for _, m := range settingTag.FindAllStringSubmatch(string(code), -1) {
			want[m[1]] = true
		}
		if len(want) < 4 {
			t.Fatalf("found only %d settings of %s", len(want), name)
		}
		page := "docs/connectors/" + name + ".md"
		got := map[string]bool{}
		for _, s := range firstColumn(section(t, page, "Settings")) {
			got[s] = true
		}
		compare(t, page, want, got)
	}
}

// metricName finds the names in the constructor of the metrics.
var metricName = regexp.MustCompile(`(?:counter|gauge|histogram)\("([a-z_]+)"|Namespace: "tenure", Name: "([a-z_]+)"`)

func TestTheOperatorsPageNamesEveryMetricAndNoOther(t *testing.T) {
	code, err := os.ReadFile(filepath.Join(root, "internal", "web", "metrics.go"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, m := range metricName.FindAllStringSubmatch(string(code), -1) {
		want["tenure_"+m[1]+m[2]] = true
	}
	if len(want) < 10 {
		t.Fatalf("found only %d metrics", len(want))
	}
	got := map[string]bool{}
	for _, s := range firstColumn(section(t, "docs/operations.md", "Metrics")) {
		got[s] = true
	}
	compare(t, "docs/operations.md", want, got)
}

// celField finds the fields that expressions see.
var celField = regexp.MustCompile(`(?m)^\t\t\t"([A-Za-z]+)": `)

func TestTheReferenceNamesEveryFieldOfExpressions(t *testing.T) {
	code, err := os.ReadFile(filepath.Join(root, "internal", "policy", "celtypes.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := celField.FindAllStringSubmatch(string(code), -1)
	if len(found) < 20 {
		t.Fatalf("found only %d fields", len(found))
	}
	page := section(t, "docs/files.md", "Policy")
	for _, m := range found {
		if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(page) {
			t.Errorf("docs/files.md does not name the field %s", m[1])
		}
	}
}
