package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/tenure-dev/tenure/internal/config"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return err
	}
	return s.Validate(v)
}

func TestSchemaAcceptsWhatLoads(t *testing.T) {
	s := compiled(t)
	for _, file := range []string{"testdata/full.yaml", "testdata/minimal.yaml"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, s, string(data)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestSchemaAndLoaderAgreeOnTheForm(t *testing.T) {
	s := compiled(t)
	base, err := os.ReadFile("testdata/minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		old, new string // an empty old appends
		ok       bool
	}{
		{"", "poll: 1m", true},
		{"", "resync: '@daily'", true},
		{"", "guard: {maxRemovals: 3}", true},
		{"", "guard: {maxRemovalRatio: 1}", true},
		{"", "listen: ''", true},
		{"", "ledger: postgresql://db/x", true},
		{"", "ssh: {knownHostsFile: testdata/known_hosts}", true},
		{"", "unknown: 1", false},
		{"", "guard: {maxRemovals: -1}", false},
		{"", "guard: {maxRemovalRatio: 2}", false},
		{"", "guard: {maxRemovals: 1.5}", false},
		{"", "guard: {more: 1}", false},
		{"", "guard: [1]", false},
		{"", "poll: 30", false},
		{"", "listen: 8080", false},
		{"", "ledger: mysql://db/x", false},
		{"", "ledger: sqlite:relative.db", false},
		{"", "reverts: {merge: never}", false},
		{"", "reverts: {group: soon}", false},
		{"", "timeouts: {act: 5}", false},
		{"", "evidence: {}", false},
		{"", "git: {token: a, tokenFile: b}", false},
		{"", "ssh: {keyFile: testdata/app.pem}", false},
		{"", "stateDir: ''", false},
		{", group: admins", "", false},
		{", group: admins", ", group: admins, count: 0", false},
		{"type: github", "type: svn", false},
		{"type: github, ", "", false},
		{`, token: "${GITHUB_TOKEN}"`, "", false},
		{`, token: "${GITHUB_TOKEN}"`, ", token: a, appID: 1, installationID: 2, privateKeyFile: testdata/app.pem", false},
		{`, token: "${GITHUB_TOKEN}"`, ", appID: 1", false},
		{`, token: "${GITHUB_TOKEN}"`, ", appID: 1, installationID: 2, privateKeyFile: testdata/app.pem", true},
		{"connector: postgres, ", "", false},
		{"orders-db", "'orders db'", false},
		{"0123456789abcdef", "0123", false},
		{"repository:", "repositories:", false},
	}
	for _, c := range cases {
		text := string(base) + c.new + "\n"
		if c.old != "" {
			text = strings.Replace(string(base), c.old, c.new, 1)
			if text == string(base) {
				t.Fatalf("%q is not in the base", c.old)
			}
		}
		bySchema := validate(t, s, text)
		_, byLoader := config.Parse("reconciler.yaml", []byte(text), environment(nil))
		if (bySchema == nil) != c.ok || (byLoader == nil) != c.ok {
			t.Errorf("%q for %q: want ok=%t\nschema: %v\nloader: %v", c.new, c.old, c.ok, bySchema, byLoader)
		}
	}
}

func TestSchemaRefusesTheBadFiles(t *testing.T) {
	s := compiled(t)
	for _, name := range []string{"keys", "values", "missing", "logins", "two", "empty", "syntax"} {
		data, err := os.ReadFile(filepath.Join("testdata/bad", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, s, string(data)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
