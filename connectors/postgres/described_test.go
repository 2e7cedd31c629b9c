package postgres

import (
	"os"
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

// The rights on the page are enough, and each is needed.
func TestThePageHasTheRightsForPrivileges(t *testing.T) {
	page, err := os.ReadFile("../../docs/connectors/postgres.md")
	ok(t, err)
	_, block, found := strings.Cut(string(page), "```sql privileges\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("the page has no block `sql privileges`")
	}
	s := pgtest.Start(t)
	s.Exec(t, "", "CREATE ROLE tenure LOGIN", "GRANT pg_signal_backend TO tenure", "CREATE ROLE alice LOGIN",
		"CREATE SCHEMA app", "CREATE TABLE app.orders (id int)", "GRANT USAGE ON SCHEMA app TO alice")
	c := openClosing(t, s, "tenure", connectors.Settings{"schemas": []any{"app"}})
	check, _ := connectors.AsChecker(c)
	e := on(t, "table", "app.orders", "insert", "select", "update")
	missing := len(check.Check(t.Context(), []string{e}))
	for line := range strings.Lines(block) {
		s.Exec(t, "", line)
		now := len(check.Check(t.Context(), []string{e}))
		if now >= missing {
			t.Errorf("doctor misses nothing less after: %s", line)
		}
		missing = now
	}
	if missing != 0 {
		t.Errorf("still missing: %v", check.Check(t.Context(), []string{e}))
	}
	ok(t, c.Grant(t.Context(), dg(e, "alice"), at(5)))
	if !can(t, s, "alice", "UPDATE app.orders SET id = 1") {
		t.Error("alice cannot use what was granted")
	}
	ok(t, c.Revoke(t.Context(), dg(e, "alice")))
	if madeRoles(t, s) != 0 {
		t.Error("the role was not dropped")
	}
}

// The schema and the code refuse the same.
func TestTheSchemaAgreesWithCanonical(t *testing.T) {
	var specs []connectors.Spec
	for kind, words := range wordsOf() {
		for _, name := range []string{"app", "app.orders", "a.b.c", "", "pg_catalog", "pg_catalog.x", "information_schema", "app.f()", "app.f(integer, text)", "app.f(", `app."x"`, `"`, "app.größe"} {
			for _, list := range [][]any{{words[0]}, {}, {words[0], words[0]}, {"nothing"}, {strings.ToUpper(words[0])}} {
				specs = append(specs, connectors.Spec{"privileges": list, kind: name})
			}
		}
	}
	conformance.SchemasAgree(t, Driver{}, specs, nil)
}
