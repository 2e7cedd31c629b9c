package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/schema"
)

func TestSettingsAreCheckedWithoutTheEnvironmentAndWithoutTheirValues(t *testing.T) {
	t.Parallel()
	reg, err := registry()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "reconciler.yaml")
	if err := os.WriteFile(file, []byte(`targets:
  good: {connector: postgres, dsn: "${DSN}", maxConns: "${N}", roles: [a]}
  fine: {connector: postgres, dsnFile: /hunter2, createLogins: "true"}
  bad:
    connector: postgres
    dsn: postgres://hunter2@h/db
    shemas: [hunter2]
    maxConns: 200
    roles: hunter2
  none: {dsn: hunter2}
  typo: {connector: postgrs, dsn: hunter2}
  bare: {connector: file, format: csv}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	problems, err := settingsProblems(file, reg)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range problems {
		text, _, _ := strings.Cut(p.Message, " (connector")
		got = append(got, fmt.Sprintf("%d:%d|%s", p.Pos.Line, p.Pos.Column, text))
		if strings.Contains(p.Message, "hunter2") {
			t.Errorf("a value is shown: %s", p.Message)
		}
	}
	for i, want := range []string{
		`7:5|target bad: unknown setting "shemas"; did you mean "schemas"?`,
		"8:15|target bad: setting maxConns does not have a value that connector postgres takes: Connections",
		"9:12|target bad: setting roles does not have a value that connector postgres takes: The only roles",
		"10:3|target none: key connector is missing",
		`11:21|target typo: unknown connector "postgrs"; did you mean "postgres"?`,
		"12:3|target bare: setting path is missing",
	} {
		if i >= len(got) || !strings.HasPrefix(got[i], want) {
			t.Fatalf("problem %d: want %s; all are:\n%s", i, want, strings.Join(got, "\n"))
		}
	}
	if len(got) != 6 {
		t.Errorf("%d problems:\n%s", len(got), strings.Join(got, "\n"))
	}
}

// lax takes what its own schema does not.
type lax struct{}

func (lax) Name() string                              { return "lax" }
func (lax) Canonical(connectors.Spec) (string, error) { return "group=a", nil }
func (lax) Open(context.Context, string, connectors.Settings) (connectors.Connector, error) {
	return nil, nil
}
func (lax) Describe() connectors.Description {
	return connectors.Description{Settings: json.RawMessage(`{}`), Preview: "seen on paper only",
		Entitlement: json.RawMessage(`{"properties": {"group": {"type": "string"}}, "additionalProperties": false}`)}
}

func TestAnEntitlementThatItsSchemaRefusesIsAProblem(t *testing.T) {
	t.Parallel()
	reg, err := connectors.NewRegistry(lax{})
	if err != nil {
		t.Fatal(err)
	}
	tree := &schema.Tree{
		Targets: map[string]*schema.Target{"t": {Name: "t", Connector: "lax"}},
		Roles: map[string]*schema.Role{"r": {Name: "r", Entitlements: []schema.Entitlement{
			{Target: "t", Spec: map[string]any{"group": "a"}},
			{Target: "t", Spec: map[string]any{"grup": "a"}, Pos: schema.Pos{File: "roles/r.yaml", Line: 7, Column: 3}},
		}}},
	}
	got := misdescribed(tree, reg)
	if len(got) != 1 || got[0].Pos.Line != 7 || !strings.Contains(got[0].Message, "does not fit the schema of connector lax") {
		t.Errorf("%v", got)
	}
	if p := preview(reg, "lax"); p != "; preview: seen on paper only" {
		t.Errorf("doctor says %q", p)
	}
}
