package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

	"github.com/tenure-dev/tenure/schema"
)

// compiled compiles every published JSON Schema, without any network.
func compiled(t testing.TB) map[string]*jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	names := append(schema.Kinds(), schema.KindDocument)
	for _, name := range names {
		data, ok := schema.JSONSchema(name)
		if !ok {
			t.Fatalf("%s has no JSON Schema", name)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := c.AddResource(schemaID(name), doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	out := map[string]*jsonschema.Schema{}
	for _, name := range names {
		s, err := c.Compile(schemaID(name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = s
	}
	return out
}

func schemaID(name string) string { return "https://tenure.dev/schema/v1/" + name + ".json" }

// editorValue turns YAML into JSON values the way editors do (YAML 1.2): what
// looks like a time is text.
func editorValue(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.DocumentNode:
		return editorValue(n.Content[0])
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if k.Kind != yaml.ScalarNode {
				return nil, errors.New("key is not a scalar")
			}
			if _, ok := out[k.Value]; ok {
				return nil, fmt.Errorf("duplicate key %s", k.Value)
			}
			v, err := editorValue(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			out[k.Value] = v
		}
		return out, nil
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			v, err := editorValue(c)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case yaml.AliasNode:
		return editorValue(n.Alias)
	}
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), nil
	case "!!int", "!!float":
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, err
		}
		data, err := json.Marshal(v)
		return json.Number(data), err
	}
	return n.Value, nil
}

// editorProblem validates all documents of a file as an editor does, once with
// the schema of each document's kind and once with the combined one.
func editorProblem(schemas map[string]*jsonschema.Schema, data []byte) (byKind, combined error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
			return byKind, combined
		} else if err != nil {
			return err, err
		}
		v, err := editorValue(&node)
		if err != nil {
			return err, err
		}
		s := schemas[schema.KindDocument]
		if m, ok := v.(map[string]any); ok {
			if kind, ok := m["kind"].(string); ok && slices.Contains(schema.Kinds(), kind) {
				s = schemas[kind]
			}
		}
		byKind = errors.Join(byKind, s.Validate(v))
		combined = errors.Join(combined, schemas[schema.KindDocument].Validate(v))
	}
}

// loaderOnly returns why only the loader can refuse a file of the corpus.
func loaderOnly(data []byte) string {
	_, rest, ok := strings.Cut(string(data), "# loader-only: ")
	if !ok {
		return ""
	}
	why, _, _ := strings.Cut(rest, "\n")
	return why
}

func TestTheLoaderAndTheJSONSchemasAgree(t *testing.T) {
	schemas := compiled(t)
	agreed, marked := 0, 0
	for _, path := range archives(t, "testdata/files/*.txtar") {
		for _, f := range archive(t, path).Files {
			broken := schema.ParseFile(f.Name, f.Data).Broken()
			byKind, combined := editorProblem(schemas, f.Data)
			if (byKind == nil) != (combined == nil) {
				t.Errorf("%s %s: the schema of the kind and the combined schema disagree:\n%v\n%v", path, f.Name, byKind, combined)
			}
			why := loaderOnly(f.Data)
			switch {
			case !broken && why != "":
				t.Errorf("%s %s: marked as loader-only, but the loader accepts it", path, f.Name)
			case !broken && byKind != nil:
				t.Errorf("%s %s: the loader accepts what the JSON Schema refuses: %v", path, f.Name, byKind)
			case broken && byKind == nil && why == "":
				t.Errorf("%s %s: the JSON Schema accepts what the loader refuses; teach it, or mark the case with # loader-only: why", path, f.Name)
			case broken && byKind != nil && why != "":
				t.Errorf("%s %s: marked as loader-only (%s), but the JSON Schema refuses it too", path, f.Name, why)
			case why != "":
				marked++
			default:
				agreed++
			}
		}
	}
	t.Logf("%d cases agree, %d are known to the loader only", agreed, marked)
	if agreed < 150 {
		t.Errorf("only %d cases were compared", agreed)
	}
}

func TestEveryPropertyOfTheJSONSchemasIsDescribed(t *testing.T) {
	for _, name := range append(schema.Kinds(), schema.KindDocument) {
		data, _ := schema.JSONSchema(name)
		var root map[string]any
		if err := json.Unmarshal(data, &root); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": schemaID(name)} {
			if root[key] != want {
				t.Errorf("%s: %s is %v; want %s", name, key, root[key], want)
			}
		}
		if root["title"] == nil {
			t.Errorf("%s: no title", name)
		}
		described(t, name, root)
	}
}

// described reports properties and definitions without a description, except in
// conditions, which only restate them.
func described(t *testing.T, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, child := range v {
			switch key {
			case "if", "then", "else", "not", "contains":
				continue
			case "properties", "$defs":
				for name, p := range child.(map[string]any) {
					if d, _ := p.(map[string]any)["description"].(string); d == "" {
						t.Errorf("%s: %s has no description", path, name)
					}
				}
			}
			described(t, path+"/"+key, child)
		}
	case []any:
		for _, child := range v {
			described(t, path, child)
		}
	}
}

// The combined schema holds the others word for word, so that one file serves an
// editor without further downloads.
func TestTheCombinedJSONSchemaHoldsAllKinds(t *testing.T) {
	read := func(name string) map[string]any {
		data, _ := schema.JSONSchema(name)
		var out map[string]any
		if err := json.Unmarshal(data, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	same := func(a, b any) bool {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return bytes.Equal(x, y)
	}
	defs := read(schema.KindDocument)["$defs"].(map[string]any)
	for _, kind := range schema.Kinds() {
		own := read(kind)
		for name, def := range own["$defs"].(map[string]any) {
			if !same(def, defs[name]) {
				t.Errorf("%s: definition %s differs from the combined schema's", kind, name)
			}
		}
		for _, key := range []string{"$schema", "$id", "$defs"} {
			delete(own, key)
		}
		if !same(own, defs[kind]) {
			t.Errorf("%s differs from its copy in the combined schema", kind)
		}
	}
}

func TestUnknownKindsHaveNoJSONSchema(t *testing.T) {
	for _, kind := range []string{"", "person", "../kinds", "Persons"} {
		if _, ok := schema.JSONSchema(kind); ok {
			t.Errorf("%q has a schema", kind)
		}
	}
}

// What the loader accepts, editors must accept as well: otherwise people learn to
// ignore what their editor says.
func TestEditorsAcceptWhatTheLoaderAccepts(t *testing.T) {
	schemas := compiled(t)
	var seeds [][]byte
	for _, path := range archives(t, "testdata/files/*.txtar") {
		for _, f := range archive(t, path).Files {
			if len(f.Data) < 2000 {
				seeds = append(seeds, f.Data)
			}
		}
	}
	var good [][]byte
	for _, f := range archive(t, "testdata/files/good.txtar").Files {
		good = append(good, f.Data)
	}
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		lines := strings.Split(string(rapid.SampledFrom(good).Draw(t, "seed")), "\n")
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			at := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
			other := strings.Split(string(rapid.SampledFrom(seeds).Draw(t, "other")), "\n")
			switch rapid.IntRange(0, 2).Draw(t, "change") {
			case 0:
				lines = slices.Delete(slices.Clone(lines), at, min(at+1, len(lines)-1))
			case 1:
				lines = slices.Insert(slices.Clone(lines), at, rapid.SampledFrom(other).Draw(t, "new"))
			case 2:
				// The key of one line with the value of another.
				key, _, _ := strings.Cut(lines[at], ":")
				_, value, _ := strings.Cut(rapid.SampledFrom(other).Draw(t, "value"), ":")
				lines[at] = key + ":" + value
			}
		}
		data := []byte(strings.Join(lines, "\n"))
		if schema.ParseFile("x.yaml", data).Broken() {
			return
		}
		accepted++
		if byKind, combined := editorProblem(schemas, data); byKind != nil || combined != nil {
			t.Fatalf("the loader accepts what an editor refuses:\n%s\n%v\n%v", data, byKind, combined)
		}
	})
	if accepted == 0 {
		t.Error("nothing was accepted; the test shows nothing")
	}
}
