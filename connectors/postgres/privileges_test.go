package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

// What the login needs for privileges is what the documentation says, and no more:
// it owns nothing, and its grant options are on what may be granted.
var privilegeSetup = []string{
	"ALTER DATABASE postgres OWNER TO postgres",
	"REVOKE ALL ON DATABASE postgres FROM PUBLIC",
	"GRANT CONNECT ON DATABASE postgres TO tenure, weak, alice, bob, carol, dave",
	"CREATE SCHEMA app",
	"CREATE TABLE app.orders (id int)", "CREATE TABLE app.refunds (id int)", "CREATE VIEW app.open AS SELECT * FROM app.orders",
	"CREATE SEQUENCE app.numbers",
	"CREATE TYPE app.money AS (v int)",
	"CREATE FUNCTION app.refund(int, app.money) RETURNS int LANGUAGE sql AS 'SELECT 1'",
	"CREATE FUNCTION app.refund() RETURNS int LANGUAGE sql AS 'SELECT 0'",
	"CREATE PROCEDURE app.tidy() LANGUAGE sql AS 'SELECT 1'",
	"REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA app FROM PUBLIC",
	"GRANT USAGE, CREATE ON SCHEMA app TO tenure WITH GRANT OPTION",
	"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA app TO tenure WITH GRANT OPTION",
	"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA app TO tenure WITH GRANT OPTION",
	"GRANT EXECUTE ON ALL ROUTINES IN SCHEMA app TO tenure WITH GRANT OPTION",
	"GRANT TEMPORARY ON DATABASE postgres TO tenure WITH GRANT OPTION",
	"GRANT USAGE ON SCHEMA app TO alice, bob, carol, dave",
}

var direct1 = connectors.Settings{"schemas": []any{"app"}, "databases": []any{"postgres"}}

func startDirect(t *testing.T) *pgtest.Server {
	s := start(t)
	s.Exec(t, "", privilegeSetup...)
	return s
}

// on is the canonical form of privileges on a thing.
func on(t testing.TB, key, name string, words ...any) string {
	t.Helper()
	e, err := Driver{}.Canonical(connectors.Spec{"privileges": words, key: name})
	ok(t, err)
	return e
}

func dg(entitlement, account string) grants.Grant {
	return grants.Grant{Target: "pg", Account: account, Entitlement: entitlement}
}

// roles counts the roles that were made for privileges.
func madeRoles(t testing.TB, s *pgtest.Server) (n int) {
	t.Helper()
	ok(t, connect(t, s, "postgres").QueryRow(t.Context(), "SELECT count(*) FROM pg_roles WHERE starts_with(rolname, 'tenure:')").Scan(&n))
	return n
}

func can(t testing.TB, s *pgtest.Server, account, query string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSNAs(account, "", ""))
	ok(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), query)
	var pe *pgconn.PgError
	if err != nil && (!errors.As(err, &pe) || pe.Code != "42501") {
		t.Fatalf("%s: %v", query, err)
	}
	return err == nil
}

func TestConformanceOfPrivileges(t *testing.T) {
	s := startDirect(t)
	// Another hand, after we made the role: it is still there.
	give := func(t testing.TB, g grants.Grant) {
		conn := connect(t, s, "tenure")
		role := roleOf(t, g)
		_, err := conn.Exec(t.Context(), "CREATE ROLE "+quote(role))
		var pe *pgconn.PgError
		if err != nil && (!errors.As(err, &pe) || pe.Code != "42710") {
			t.Fatal(err)
		}
		s.Exec(t, "", "COMMENT ON ROLE "+quote(role)+" IS "+literal(ownedMark("pg", g.Entitlement)),
			"GRANT "+quote(role)+" TO "+quote(g.Account))
	}
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: "pg",
		Open:     func(t testing.TB) connectors.Connector { return open(t, s, "tenure", direct1) },
		Accounts: []string{"alice", "bob", "carol", "dave"},
		Specs: []connectors.Spec{
			{"privileges": []any{"select"}, "table": "app.orders"},
			{"privileges": []any{"insert", "select"}, "table": "app.orders"},
			{"privileges": []any{"select"}, "allTablesIn": "app"},
		},
		Absent: connectors.Spec{"privileges": []any{"select"}, "table": "app.absent"},
		BadSpecs: []connectors.Spec{
			{"privileges": "select", "table": "app.orders"},
			{"privileges": []any{}, "table": "app.orders"},
			{"privileges": []any{"SELECT"}, "table": "app.orders"},
			{"privileges": []any{"select", "select"}, "table": "app.orders"},
			{"privileges": []any{"execute"}, "table": "app.orders"},
			{"privileges": []any{"all"}, "table": "app.orders"},
			{"privileges": []any{"select with grant option"}, "table": "app.orders"},
			{"privileges": []any{"select"}, "table": "orders"},
			{"privileges": []any{"select"}, "table": "a.b.c"},
			{"privileges": []any{"select"}, "table": `app."orders"`},
			{"privileges": []any{"select"}, "table": "pg_catalog.pg_authid"},
			{"privileges": []any{"select"}, "allTablesIn": "information_schema"},
			{"privileges": []any{"select"}, "table": "app." + strings.Repeat("x", 64)},
			{"privileges": []any{"select"}},
			{"privileges": []any{"select"}, "role": "orders_rw"},
			{"privileges": []any{"select"}, "table": "app.orders", "sequence": "app.numbers"},
			{"privileges": []any{"execute"}, "function": "app.refund"},
			{"privileges": []any{"execute"}, "function": "app.refund(int,)"},
			{"table": "app.orders"},
			{"role": ownedName("pg", "x")},
		},
		UnknownAccount: "mallory",
		ForeignGrant:   give,
		ForeignRevoke:  func(t testing.TB, g grants.Grant) { takeAway(t, s, roleOf(t, g), g.Account) },
		Named: func(name string) connectors.Spec {
			return connectors.Spec{"privileges": []any{"select"}, "table": "app." + name}
		},
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			conn, err := pgx.Connect(t.Context(), s.DSN(""))
			ok(t, err)
			defer conn.Close(t.Context())
			create, own := "CREATE ROLE "+quote(name)+" LOGIN", ""
			if kind == conformance.EntitlementName {
				create, own = "CREATE TABLE app."+quote(name)+" (a int)", "GRANT SELECT ON app."+quote(name)+" TO tenure WITH GRANT OPTION"
			}
			_, err = conn.Exec(t.Context(), create)
			var pe *pgconn.PgError
			if err != nil && (!errors.As(err, &pe) || pe.Code != "42710" && pe.Code != "42P07") {
				return false
			}
			_, err = conn.Exec(t.Context(), own)
			ok(t, err)
			return true
		},
		Kill:    func(testing.TB) { s.Kill() },
		Restart: func(t testing.TB) { s.Restart(t) },
		Session: func(t testing.TB, g grants.Grant) func() bool {
			conn := connect(t, s, g.Account)
			_, err := conn.Exec(t.Context(), "SET ROLE "+quote(roleOf(t, g)))
			ok(t, err)
			return func() bool { return conn.Ping(t.Context()) == nil }
		},
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			return open(t, s, "weak", direct1), []string{
				"missing right: CREATEROLE of weak, for privileges",
				`missing right: USAGE of weak on schema "app"`,
				`missing right: SELECT WITH GRANT OPTION of weak on TABLE "app"."orders"`,
				`missing right: INSERT, SELECT WITH GRANT OPTION of weak on TABLE "app"."orders"`,
				`missing right: SELECT WITH GRANT OPTION of weak on TABLE "app"."refunds"`,
				"missing right: membership of weak in pg_signal_backend",
			}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseNativeExpiry: "privileges have no end in PostgreSQL",
		},
	})
}

func TestEveryKindOfPrivilegeIsGivenExactlyAndTakenAway(t *testing.T) {
	s := startDirect(t)
	c := openClosing(t, s, "tenure", direct1)
	for _, k := range []struct{ entitlement, can, not string }{
		{on(t, "table", "app.orders", "select"), "SELECT * FROM app.orders", "INSERT INTO app.orders VALUES (1)"},
		{on(t, "table", "app.open", "select"), "SELECT * FROM app.open", "SELECT * FROM app.orders"},
		{on(t, "allTablesIn", "app", "insert", "select"), "INSERT INTO app.refunds SELECT * FROM app.open", "DELETE FROM app.refunds"},
		{on(t, "sequence", "app.numbers", "usage"), "SELECT nextval('app.numbers')", "SELECT * FROM app.numbers"},
		{on(t, "function", "app.refund(integer,  app.money)", "execute"), "SELECT app.refund(1, ROW(1)::app.money)", "SELECT app.refund()"},
		{on(t, "function", "app.refund()", "execute"), "SELECT app.refund()", "SELECT app.refund(1, ROW(1)::app.money)"},
		{on(t, "function", "app.tidy()", "execute"), "CALL app.tidy()", "SELECT app.refund()"},
		{on(t, "schema", "app", "create"), "CREATE TABLE app.mine(); DROP TABLE app.mine", "SELECT * FROM app.orders"},
		{on(t, "database", "postgres", "temporary"), "CREATE TEMPORARY TABLE t()", "CREATE SCHEMA mine"},
	} {
		g := dg(k.entitlement, "alice")
		if can(t, s, "alice", k.can) {
			t.Fatalf("%s: alice can already", g)
		}
		ok(t, c.Grant(t.Context(), g, at(5)))
		if !can(t, s, "alice", k.can) || can(t, s, "alice", k.not) || can(t, s, "bob", k.can) {
			t.Errorf("%s: it is not exactly what it says", g)
		}
		check, _ := connectors.AsChecker(c)
		ok(t, errors.Join(check.Check(t.Context(), []string{k.entitlement})...))
		ok(t, c.Revoke(t.Context(), g))
		if can(t, s, "alice", k.can) {
			t.Errorf("%s: alice still can", g)
		}
		if n := madeRoles(t, s); n != 0 {
			t.Errorf("%s: %d roles are left", g, n)
		}
	}
}

func TestARoleOfPrivilegesLivesAsLongAsSomebodyHoldsIt(t *testing.T) {
	s := startDirect(t)
	c := openClosing(t, s, "tenure", direct1)
	e := on(t, "table", "app.orders", "select", "insert")
	if e != on(t, "table", "app.orders", "insert", "select") {
		t.Error("the order of the words matters")
	}
	ok(t, c.Grant(t.Context(), dg(e, "alice"), at(5)))
	ok(t, c.Grant(t.Context(), dg(e, "bob"), at(5)))
	if n := madeRoles(t, s); n != 1 {
		t.Errorf("%d roles", n)
	}
	ok(t, c.Revoke(t.Context(), dg(e, "alice")))
	if can(t, s, "alice", "SELECT * FROM app.orders") || !can(t, s, "bob", "SELECT * FROM app.orders") {
		t.Error("the wrong one lost it")
	}
	ok(t, c.Revoke(t.Context(), dg(e, "bob")))
	if n := madeRoles(t, s); n != 0 {
		t.Errorf("%d roles are left", n)
	}
}

func TestWhatAnAccountWasGivenDirectlyStays(t *testing.T) {
	s := startDirect(t)
	s.Exec(t, "", "GRANT SELECT ON app.orders TO alice")
	c := openClosing(t, s, "tenure", direct1)
	e := on(t, "table", "app.orders", "select", "insert")
	found, err := c.Observe(t.Context(), []string{e, on(t, "table", "app.orders", "select")})
	if err != nil || len(found) != 0 {
		t.Errorf("a direct grant is seen as ours: %v, %v", found, err)
	}
	ok(t, c.Grant(t.Context(), dg(e, "alice"), at(5)))
	ok(t, c.Revoke(t.Context(), dg(e, "alice")))
	ok(t, c.Revoke(t.Context(), dg(on(t, "table", "app.orders", "select"), "alice")))
	if !can(t, s, "alice", "SELECT * FROM app.orders") || can(t, s, "alice", "INSERT INTO app.orders VALUES (1)") {
		t.Error("the direct grant was touched")
	}
}

func TestPrivilegesThatCannotBeGranted(t *testing.T) {
	s := startDirect(t)
	s.Exec(t, "", "GRANT SELECT ON app.refunds TO PUBLIC", "CREATE SCHEMA empty", "CREATE SCHEMA other", "CREATE TABLE other.t()",
		"CREATE ROLE boss LOGIN SUPERUSER", "CREATE TABLE app.held (a int)", "GRANT SELECT ON app.held TO tenure WITH GRANT OPTION",
		"CREATE TABLE app.bare (a int)", "GRANT SELECT ON app.bare TO tenure")
	c := openClosing(t, s, "tenure", connectors.Settings{"schemas": []any{"app", "empty"}})
	for want, g := range map[string]grants.Grant{
		`table "app.nope" does not exist`:                              dg(on(t, "table", "app.nope", "select"), "alice"),
		`table "app.numbers" does not exist`:                           dg(on(t, "table", "app.numbers", "select"), "alice"),
		"integer for int":                                              dg(on(t, "function", "app.refund(int, app.money)", "execute"), "alice"),
		`everybody has select on TABLE "app"."refunds" through PUBLIC`: dg(on(t, "table", "app.refunds", "select"), "alice"),
		`"refunds" through PUBLIC`:                                     dg(on(t, "allTablesIn", "app", "select"), "alice"),
		`setting schemas does not list "other"`:                        dg(on(t, "table", "other.t", "select"), "alice"),
		`setting schemas does not list "public"`:                       dg(on(t, "schema", "public", "create"), "alice"),
		`setting databases does not list "postgres"`:                   dg(on(t, "database", "postgres", "connect"), "alice"),
		`schema "empty" holds no table`:                                dg(on(t, "allTablesIn", "empty", "select"), "alice"),
		"account is a superuser":                                       dg(on(t, "table", "app.orders", "select"), "boss"),
		"cannot log in":                                                dg(on(t, "table", "app.orders", "select"), "orders_rw"),
		"did not grant insert, select":                                 dg(on(t, "table", "app.held", "select", "insert"), "alice"),
		`did not grant select on TABLE "app"."bare"`:                   dg(on(t, "table", "app.bare", "select"), "alice"),
	} {
		refused(t, c.Grant(t.Context(), g, at(5)), want)
		ok(t, c.Revoke(t.Context(), g))
	}
	if n := madeRoles(t, s); n != 0 {
		t.Errorf("%d roles were left by what was refused", n)
	}
	check, _ := connectors.AsChecker(c)
	refused(t, errors.Join(check.Check(t.Context(), []string{on(t, "table", "app.held", "select", "insert"), on(t, "table", "app.nope", "select"),
		on(t, "table", "app.refunds", "select"), on(t, "table", "other.t", "select")})...),
		`missing right: INSERT WITH GRANT OPTION of tenure on TABLE "app"."held"`, `table "app.nope" does not exist`,
		"through PUBLIC", `setting schemas does not list "other"`, `missing right: USAGE of tenure on schema "other"`)
}

func TestPrivilegesEndThoughTheirTableIsGoneOrRenamed(t *testing.T) {
	s := startDirect(t)
	c := openClosing(t, s, "tenure", direct1)
	orders, refunds := on(t, "table", "app.orders", "select"), on(t, "table", "app.refunds", "select")
	ok(t, c.Grant(t.Context(), dg(orders, "alice"), at(5)))
	ok(t, c.Grant(t.Context(), dg(refunds, "alice"), at(5)))
	s.Exec(t, "", "DROP TABLE app.refunds", "ALTER TABLE app.orders RENAME TO kept", "CREATE TABLE app.orders (id int)",
		"GRANT SELECT ON app.orders TO tenure WITH GRANT OPTION")
	found, err := c.Observe(t.Context(), []string{orders, refunds})
	if err != nil || len(found) != 2 {
		t.Errorf("what alice has is not all seen: %v, %v", found, err)
	}
	// A new grant means the table of that name now, for all who hold it.
	ok(t, c.Grant(t.Context(), dg(orders, "bob"), at(5)))
	for _, account := range []string{"alice", "bob"} {
		if can(t, s, account, "SELECT * FROM app.kept") || !can(t, s, account, "SELECT * FROM app.orders") {
			t.Errorf("%s does not have exactly the entitlement", account)
		}
	}
	s.Exec(t, "", "ALTER TABLE app.orders RENAME TO kept2")
	for _, g := range []grants.Grant{dg(orders, "alice"), dg(refunds, "alice"), dg(orders, "bob")} {
		ok(t, c.Revoke(t.Context(), g))
	}
	if can(t, s, "alice", "SELECT * FROM app.kept2") || madeRoles(t, s) != 0 {
		t.Error("access outlived its end")
	}
}

func TestARoleThatWasTamperedWithIsMendedOrRefused(t *testing.T) {
	s := startDirect(t)
	c := openClosing(t, s, "tenure", direct1)
	check, _ := connectors.AsChecker(c)
	e := on(t, "table", "app.orders", "select")
	role := quote(ownedName("pg", e))
	ok(t, c.Grant(t.Context(), dg(e, "alice"), at(5)))
	// What our own login gave it can be taken back.
	conn := connect(t, s, "tenure")
	for _, q := range []string{"GRANT INSERT ON app.orders TO " + role, "GRANT SELECT ON app.refunds TO " + role, "REVOKE SELECT ON app.orders FROM " + role} {
		_, err := conn.Exec(t.Context(), q)
		ok(t, err)
	}
	refused(t, errors.Join(check.Check(t.Context(), []string{e})...), "has more than its entitlement", "insert on table app.orders", "select on table app.refunds", "lacks some of its entitlement")
	ok(t, c.Grant(t.Context(), dg(e, "bob"), at(5)))
	if !can(t, s, "alice", "SELECT * FROM app.orders") || can(t, s, "alice", "INSERT INTO app.orders VALUES (1)") || can(t, s, "alice", "SELECT * FROM app.refunds") {
		t.Error("the role was not mended")
	}
	s.CreateDatabase(t, "second")
	for undo, do := range map[string]string{
		"REVOKE DELETE ON app.orders FROM " + role:       "GRANT DELETE ON app.orders TO " + role,
		"REVOKE SELECT (id) ON app.refunds FROM " + role: "GRANT SELECT (id) ON app.refunds TO " + role,
		"REVOKE UPDATE (id) ON app.orders FROM " + role:  "GRANT UPDATE (id) ON app.orders TO " + role,
		"REVOKE SELECT ON app.orders FROM " + role:       "GRANT SELECT ON app.orders TO " + role + " WITH GRANT OPTION",
		"REVOKE orders_rw FROM " + role:                  "GRANT orders_rw TO " + role,
		"ALTER ROLE " + role + " NOCREATEDB":             "ALTER ROLE " + role + " CREATEDB",
		"REVOKE CREATE ON DATABASE second FROM " + role:  "GRANT CREATE ON DATABASE second TO " + role,
		"ALTER TABLE app.refunds OWNER TO postgres":      "ALTER TABLE app.refunds OWNER TO " + role,
	} {
		s.Exec(t, "", do)
		refused(t, c.Grant(t.Context(), dg(e, "carol"), at(5)), "has more than its entitlement")
		ok(t, c.Revoke(t.Context(), dg(e, "bob"))) // an end is never in the way
		refused(t, errors.Join(check.Check(t.Context(), []string{e})...), "has more than its entitlement")
		s.Exec(t, "", undo)
		ok(t, c.Grant(t.Context(), dg(e, "bob"), at(5)))
	}
	// A role that cannot be dropped is named, and dropped by a later end.
	s.Exec(t, "", "GRANT DELETE ON app.orders TO "+role)
	ok(t, c.Revoke(t.Context(), dg(e, "alice")))
	ok(t, c.Revoke(t.Context(), dg(e, "bob")))
	refused(t, errors.Join(check.Check(t.Context(), nil)...), "is held by nobody and could not be dropped", "delete on table app.orders (granted by postgres)")
	s.Exec(t, "", "REVOKE DELETE ON app.orders FROM "+role)
	ok(t, c.Revoke(t.Context(), dg(e, "bob")))
	if n := madeRoles(t, s); n != 0 {
		t.Errorf("%d roles are left", n)
	}
	// A role of that name that we did not make is nobody's to use.
	s.Exec(t, "", "CREATE ROLE "+role)
	refused(t, c.Grant(t.Context(), dg(e, "alice"), at(5)), "does not carry our comment")
	ok(t, c.Revoke(t.Context(), dg(e, "alice")))
	if n := madeRoles(t, s); n != 1 {
		t.Error("somebody else's role was dropped")
	}
}

func TestASessionThatTookTheRoleEndsWithIt(t *testing.T) {
	s := startDirect(t)
	s.Exec(t, "", "CREATE ROLE boss LOGIN SUPERUSER", "GRANT CONNECT ON DATABASE postgres TO boss")
	c := openClosing(t, s, "tenure", direct1)
	e := on(t, "table", "app.orders", "select")
	ok(t, c.Grant(t.Context(), dg(e, "alice"), at(5)))
	alice, bob, boss := connect(t, s, "alice"), connect(t, s, "bob"), connect(t, s, "boss")
	_, err := alice.Exec(t.Context(), "SET ROLE "+quote(ownedName("pg", e)))
	ok(t, err)
	ok(t, c.Revoke(t.Context(), dg(e, "alice"))) // the role is gone
	ender, _ := connectors.AsSessionEnder(c)
	ok(t, ender.EndSessions(t.Context(), []grants.Grant{dg(e, "alice")}))
	if alice.Ping(t.Context()) == nil {
		t.Error("the session lives")
	}
	ok(t, bob.Ping(t.Context()))
	ok(t, boss.Ping(t.Context()))
}

func TestThousandsOfTablesAreOneEntitlement(t *testing.T) {
	s := startDirect(t)
	s.Exec(t, "", "DO $$ BEGIN FOR i IN 1..2000 LOOP EXECUTE format('CREATE TABLE app.t%s (a int)', i); END LOOP; END $$",
		"GRANT SELECT ON ALL TABLES IN SCHEMA app TO tenure WITH GRANT OPTION")
	c := openClosing(t, s, "tenure", direct1)
	e := on(t, "allTablesIn", "app", "select")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ok(t, c.Grant(ctx, dg(e, "alice"), at(5)))
	if !can(t, s, "alice", "SELECT * FROM app.t1, app.t1999, app.orders") {
		t.Error("not all tables are in it")
	}
	// A table that came later comes with the next grant.
	s.Exec(t, "", "CREATE TABLE app.later (a int)", "GRANT SELECT ON app.later TO tenure WITH GRANT OPTION")
	if can(t, s, "alice", "SELECT * FROM app.later") {
		t.Error("a table that came later is in it")
	}
	ok(t, c.Grant(ctx, dg(e, "bob"), at(5)))
	if !can(t, s, "bob", "SELECT * FROM app.later") {
		t.Error("the next grant did not bring the new table")
	}
	ok(t, c.Revoke(ctx, dg(e, "alice")))
	ok(t, c.Revoke(ctx, dg(e, "bob")))
	if can(t, s, "alice", "SELECT * FROM app.t1999") || madeRoles(t, s) != 0 {
		t.Error("access outlived its end")
	}
}
