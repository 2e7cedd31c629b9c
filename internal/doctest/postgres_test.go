//go:build unix

package doctest_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/postgres"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

const postgresPage = "docs/connectors/postgres.md"

// statements returns the SQL of the blocks of one name, statement by statement.
func statements(t *testing.T, name string) []string {
	t.Helper()
	var out []string
	blocks, _ := split(t, postgresPage)
	for _, b := range blocks {
		if !b.is("sql", name) {
			continue
		}
		var code strings.Builder
		for line := range strings.Lines(b.text) {
			before, _, _ := strings.Cut(line, "--")
			code.WriteString(before + "\n")
		}
		for s := range strings.SplitSeq(code.String(), ";") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s has no block `sql %s`", postgresPage, name)
	}
	return out
}

// rights returns the page's statements for the version of a server.
func rights(t *testing.T, server *pgtest.Server, name string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var version int
	if err := conn.QueryRow(t.Context(), "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		t.Fatal(err)
	}
	if version >= 160000 {
		return statements(t, name+"-16")
	}
	return statements(t, name+"-13")
}

func openPage(t *testing.T, server *pgtest.Server, more connectors.Settings) connectors.Connector {
	t.Helper()
	set := connectors.Settings{"dsn": server.DSNAs("tenure", "", ""), "roles": []string{"orders_ro", "orders_rw"}}
	for k, v := range more {
		set[k] = v
	}
	c, err := postgres.Driver{}.Open(t.Context(), "orders-db", set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

var scope = []string{"role=orders_ro", "role=orders_rw"}

// live opens a session and returns a function that says whether it still answers.
func live(t *testing.T, server *pgtest.Server, user string) func() bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSNAs(user, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return func() bool { return conn.Ping(t.Context()) == nil }
}

func TestTheRightsOnThePostgresPageAreEnoughToGrantRevokeAndEndSessions(t *testing.T) {
	server := pgtest.Start(t)
	server.Exec(t, "", "CREATE ROLE orders_ro", "CREATE ROLE orders_rw", "CREATE ROLE alice LOGIN")
	server.Exec(t, "", rights(t, server, "memberships")...)
	c := openPage(t, server, nil)
	checker, ok := connectors.AsChecker(c)
	if !ok {
		t.Fatal("the connector checks nothing")
	}
	for _, err := range checker.Check(t.Context(), scope) {
		t.Error(err)
	}
	g := grants.Grant{Target: "orders-db", Account: "alice", Entitlement: "role=orders_rw"}
	if err := c.Grant(t.Context(), g, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if held, err := c.Observe(t.Context(), scope); err != nil || !slices.Contains(held, g) {
		t.Fatalf("after the grant the server shows %v, %v", held, err)
	}
	answers := live(t, server, "alice")
	if err := c.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	ender, ok := connectors.AsSessionEnder(c)
	if !ok {
		t.Fatal("the connector ends no sessions")
	}
	if err := ender.EndSessions(t.Context(), []grants.Grant{g}); err != nil {
		t.Fatal(err)
	}
	if held, err := c.Observe(t.Context(), scope); err != nil || slices.Contains(held, g) {
		t.Errorf("after the revoke the server shows %v, %v", held, err)
	}
	if answers() {
		t.Error("the session outlived the revoke")
	}
}

func TestEachRightOnThePostgresPageIsNeeded(t *testing.T) {
	server := pgtest.Start(t)
	server.Exec(t, "", "CREATE ROLE orders_ro", "CREATE ROLE orders_rw", "CREATE ROLE alice LOGIN")
	all := rights(t, server, "memberships")
	server.Exec(t, "", all[0]) // the login alone
	checker, _ := connectors.AsChecker(openPage(t, server, nil))
	before := len(checker.Check(t.Context(), scope))
	for _, s := range all[1:] {
		server.Exec(t, "", s)
		after := len(checker.Check(t.Context(), scope))
		if after >= before {
			t.Errorf("doctor misses nothing less after: %s", s)
		}
		before = after
	}
	if before != 0 {
		t.Errorf("%d rights are still missing at the end", before)
	}
}

func TestTheRightsForLoginsOnThePostgresPageAreEnough(t *testing.T) {
	server := pgtest.Start(t)
	server.Exec(t, "", "CREATE ROLE orders_ro", "CREATE ROLE orders_rw")
	server.Exec(t, "", rights(t, server, "memberships")...)
	server.Exec(t, "", statements(t, "logins")...)
	c := openPage(t, server, connectors.Settings{"createLogins": true, "loginPrefix": "tmp-"})
	checker, _ := connectors.AsChecker(c)
	for _, err := range checker.Check(t.Context(), scope) {
		t.Error(err)
	}
	g := grants.Grant{Target: "orders-db", Account: "tmp-alice", Entitlement: "role=orders_ro"}
	if err := c.Grant(t.Context(), g, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	answers := live(t, server, "tmp-alice")
	if err := c.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if answers() {
		t.Error("the session outlived its login")
	}
	if conn, err := pgx.Connect(t.Context(), server.DSNAs("tmp-alice", "", "")); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the login that was made is still there")
	}
}
