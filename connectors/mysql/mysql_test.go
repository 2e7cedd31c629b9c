//go:build unix

package mysql

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/connectors/mysql/mysqltest"
	"github.com/tenure-dev/tenure/grants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var scene = []string{
	"CREATE DATABASE app", "CREATE DATABASE my_app", "CREATE DATABASE myXapp",
	"CREATE TABLE app.orders (id int)", "CREATE TABLE my_app.t (id int)", "CREATE TABLE myXapp.t (id int)",
	"CREATE FUNCTION app.one() RETURNS int RETURN 1", "CREATE PROCEDURE app.two() SELECT 2",
	"CREATE ROLE orders_ro", "CREATE ROLE orders_rw",
	"GRANT SELECT ON app.orders TO orders_ro", "GRANT SELECT, INSERT ON app.orders TO orders_rw",
	"CREATE USER alice", "CREATE USER bob", "CREATE USER carol", "CREATE USER dave", "CREATE USER weak",
}

// statements returns those that the documentation gives for the reconciler's own
// account, so that every test runs with exactly these.
func statements(t testing.TB, name string) (out []string) {
	text, err := os.ReadFile("../../docs/connectors/mysql.md")
	ok(t, err)
	_, block, found := strings.Cut(string(text), "```sql "+name+"\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatalf("the documentation has no statements %s", name)
	}
	for line := range strings.Lines(block) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, strings.TrimSuffix(line, ";"))
		}
	}
	return out
}

func start(t *testing.T, args ...string) *mysqltest.Server {
	s := mysqltest.Start(t, args...)
	s.Exec(t, scene...)
	s.Exec(t, statements(t, "mariadb")...)
	return s
}

func open(t testing.TB, s *mysqltest.Server, more connectors.Settings) connectors.Connector {
	t.Helper()
	set := connectors.Settings{"address": s.Address(), "user": "tenure", "password": "change-me"}
	for k, v := range more {
		set[k] = v
	}
	c, err := Driver{}.Open(t.Context(), "db", set)
	ok(t, err)
	return c
}

func opened(t testing.TB, s *mysqltest.Server, more connectors.Settings) connectors.Connector {
	c := open(t, s, more)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}

func gr(account string, spec connectors.Spec) grants.Grant {
	text, err := Driver{}.Canonical(spec)
	if err != nil {
		panic(err)
	}
	return grants.Grant{Target: "db", Account: account, Entitlement: text}
}

// byHand writes a statement as root would.
func byHand(t testing.TB, g grants.Grant, revoke bool) string {
	e, err := readText(g.Entitlement)
	ok(t, err)
	a, err := readAccount(g.Account)
	ok(t, err)
	return e.statement(server{maria: true}, revoke, []account{a})
}

func role(name string) connectors.Spec { return connectors.Spec{"role": name} }

func TestConformance(t *testing.T) {
	s := start(t)
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: "db",
		Open:     func(t testing.TB) connectors.Connector { return open(t, s, nil) },
		Accounts: []string{"alice", "bob", "carol", "dave"},
		Specs: []connectors.Spec{
			role("orders_ro"), role("orders_rw"),
			{"privilege": "select", "database": "app", "table": "orders"},
			{"privilege": "select", "database": "my_app"},
			{"privilege": "execute", "database": "app", "function": "one"},
			{"privilege": "execute", "database": "app", "procedure": "two"},
		},
		Absent: role("absent"),
		BadSpecs: []connectors.Spec{
			{"role": 1}, role("PUBLIC"), role("none"), role(strings.Repeat("x", 81)), role("a\x00"), role("🙂"),
			{"privilege": "select"}, {"database": "app"}, {"privilege": "grant option", "database": "app"},
			{"privilege": "SELECT", "database": "app"}, {"privilege": "all", "database": "app"},
			{"privilege": "event", "database": "app", "table": "orders"},
			{"privilege": "execute", "database": "app", "function": "One"},
			{"privilege": "execute", "database": "app", "function": "one", "procedure": "two"},
			{"role": "orders_ro", "database": "app"},
		},
		UnknownAccount: "mallory",
		ForeignGrant:   func(t testing.TB, g grants.Grant) { s.Exec(t, byHand(t, g, false)) },
		ForeignRevoke:  func(t testing.TB, g grants.Grant) { s.Exec(t, byHand(t, g, true)) },
		Named:          func(name string) connectors.Spec { return role(name) },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			if strings.Contains(name, "\x00") {
				return false // no statement can hold it
			}
			statement := "CREATE USER " + quote(name) + "@`%`"
			if kind == conformance.EntitlementName {
				statement = "CREATE ROLE " + quote(name) + " WITH ADMIN `tenure`@`%`"
			}
			err := s.Try(statement)
			var me *mysql.MySQLError
			return err == nil || errors.As(err, &me) && me.Number == 1396 // exists
		},
		Many:    1200, // more than one query asks for
		Kill:    func(testing.TB) { s.Kill() },
		Restart: func(t testing.TB) { s.Restart(t) },
		Session: func(t testing.TB, g grants.Grant) func() bool {
			conn, err := s.As(t, g.Account, "", "").Conn(t.Context())
			ok(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			_, err = conn.ExecContext(t.Context(), "SET ROLE orders_ro")
			ok(t, err)
			return func() bool {
				_, err := conn.ExecContext(t.Context(), "SELECT * FROM app.orders")
				return err == nil
			}
		},
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			return open(t, s, connectors.Settings{"user": "weak", "password": ""}), []string{
				"missing right: SELECT of weak@% on mysql.user",
				"missing right: SELECT of weak@% on mysql.db",
				"missing right: SELECT of weak@% on mysql.tables_priv",
				"missing right: SELECT of weak@% on mysql.procs_priv",
				"missing right: SELECT of weak@% on mysql.roles_mapping",
				"missing right: PROCESS of weak@%",
				"missing right: CONNECTION ADMIN of weak@%",
				`missing right: ADMIN OPTION of weak@% on role "orders_ro"`,
				"missing right: SELECT ON `my\\_app`.* WITH GRANT OPTION of weak@%",
			}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseNativeExpiry: "neither roles nor privileges have an end in MariaDB and MySQL",
		},
	})
}

func TestASessionKeepsWhatItTookBySetRoleUntilItIsEnded(t *testing.T) {
	s := start(t)
	c := opened(t, s, nil)
	g := gr("alice", role("orders_rw"))
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	conn, err := s.As(t, "alice", "", "").Conn(t.Context())
	ok(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "SET ROLE orders_rw")
	ok(t, err)
	ok(t, c.Revoke(t.Context(), g))
	_, err = conn.ExecContext(t.Context(), "INSERT INTO app.orders VALUES (1)")
	ok(t, err) // the server's own behaviour, and the reason for EndSessions
	ender, _ := connectors.AsSessionEnder(c)
	ok(t, ender.EndSessions(t.Context(), []grants.Grant{g}))
	if _, err = conn.ExecContext(t.Context(), "INSERT INTO app.orders VALUES (2)"); err == nil {
		t.Error("the session lives")
	}
}

func TestSessionsWithAnotherPathToTheSameStay(t *testing.T) {
	s := start(t)
	s.Exec(t, "CREATE ROLE team", "GRANT orders_ro TO team", "GRANT team TO alice", "GRANT SELECT ON app.* TO bob")
	c := opened(t, s, nil)
	alice, bob := s.As(t, "alice", "", ""), s.As(t, "bob", "", "")
	alice.SetMaxOpenConns(1)
	bob.SetMaxOpenConns(1)
	var before, after [2]int
	ok(t, alice.QueryRow("SELECT CONNECTION_ID()").Scan(&before[0]))
	ok(t, bob.QueryRow("SELECT CONNECTION_ID()").Scan(&before[1]))
	ender, _ := connectors.AsSessionEnder(c)
	ok(t, ender.EndSessions(t.Context(), []grants.Grant{
		gr("alice", role("orders_ro")),
		gr("bob", connectors.Spec{"privilege": "select", "database": "app", "table": "orders"}),
	}))
	ok(t, alice.QueryRow("SELECT CONNECTION_ID()").Scan(&after[0]))
	ok(t, bob.QueryRow("SELECT CONNECTION_ID()").Scan(&after[1]))
	if before != after {
		t.Errorf("sessions %v became %v", before, after)
	}
}

func TestAPrivilegeOnADatabaseIsNoPattern(t *testing.T) {
	s := start(t)
	c := opened(t, s, nil)
	g := gr("alice", connectors.Spec{"privilege": "select", "database": "my_app"})
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	alice := s.As(t, "alice", "", "")
	_, err := alice.Exec("SELECT * FROM my_app.t")
	ok(t, err)
	_, err = alice.Exec("SELECT * FROM myXapp.t")
	refused(t, err, "denied")

	// Somebody's wider grant, which covers it, is another entry: it stays.
	s.Exec(t, "GRANT SELECT ON my_app.* TO alice")
	ok(t, c.Revoke(t.Context(), g))
	found, err := c.Observe(t.Context(), []string{g.Entitlement})
	ok(t, err)
	if slices.Contains(found, g) {
		t.Errorf("%v", found)
	}
	_, err = s.As(t, "alice", "", "").Exec("SELECT * FROM my_app.t")
	ok(t, err)
}

func TestPrivilegesOnTheSameThingDoNotDisturbEachOther(t *testing.T) {
	s := start(t)
	s.Exec(t, "GRANT INSERT, UPDATE ON app.orders TO alice", "GRANT SELECT ON app.* TO alice")
	c := opened(t, s, nil)
	g := gr("alice", connectors.Spec{"privilege": "select", "database": "app", "table": "orders"})
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	ok(t, c.Revoke(t.Context(), g))
	for _, e := range []connectors.Spec{
		{"privilege": "insert", "database": "app", "table": "orders"},
		{"privilege": "update", "database": "app", "table": "orders"},
		{"privilege": "select", "database": "app"},
	} {
		want := gr("alice", e)
		found, err := c.Observe(t.Context(), []string{want.Entitlement, g.Entitlement})
		ok(t, err)
		if !slices.Contains(found, want) || slices.Contains(found, g) {
			t.Errorf("%v: %v", e, found)
		}
	}
}

func TestAnAccountIsAUserAtAHost(t *testing.T) {
	s := start(t)
	s.Exec(t, "CREATE USER alice@'10.0.0.5'", "CREATE USER `a@b`@'%'")
	c := opened(t, s, nil)
	scope := []string{gr("", role("orders_ro")).Entitlement}
	for _, name := range []string{"alice@10.0.0.5", "a@b@%"} {
		g := gr(name, role("orders_ro"))
		ok(t, c.Grant(t.Context(), g, time.Time{}))
		found, err := c.Observe(t.Context(), scope)
		ok(t, err)
		if !slices.Contains(found, g) {
			t.Errorf("%v", found)
		}
		ok(t, c.Revoke(t.Context(), g))
	}
	for _, name := range []string{"alice@%", "alice@10.0.0.6", "alice@EXAMPLE.com", "alice@", "@%", "Alice", "orders_rw"} {
		if err := c.Grant(t.Context(), gr(name, role("orders_ro")), time.Time{}); err == nil {
			t.Errorf("%s was granted something", name)
		}
	}
}

func TestTheReconcilersOwnAccountIsLeftAlone(t *testing.T) {
	s := start(t)
	c := opened(t, s, nil)
	g := gr("tenure", role("orders_ro"))
	refused(t, c.Revoke(t.Context(), g), "the reconciler's own")
	refused(t, c.Grant(t.Context(), g, time.Time{}), "the reconciler's own")
	found, err := c.Observe(t.Context(), []string{g.Entitlement})
	ok(t, err)
	if !slices.Contains(found, g) {
		t.Error("its right is gone")
	}
}

func TestCeilings(t *testing.T) {
	s := start(t)
	c := opened(t, s, connectors.Settings{"roles": []string{"orders_ro"}, "databases": []string{"app"}})
	refused(t, c.Grant(t.Context(), gr("alice", role("orders_rw")), time.Time{}), "setting roles does not list")
	refused(t, c.Grant(t.Context(), gr("alice", connectors.Spec{"privilege": "select", "database": "my_app"}), time.Time{}), "setting databases does not list")
	all := opened(t, s, nil)
	refused(t, all.Grant(t.Context(), gr("alice", connectors.Spec{"privilege": "select", "database": "mysql"}), time.Time{}), "the server's own")
}

func TestARightTakenAwayIsNamed(t *testing.T) {
	s := start(t)
	c := opened(t, s, nil)
	k, _ := connectors.AsChecker(c)
	ent := gr("", connectors.Spec{"privilege": "execute", "database": "app", "function": "one"}).Entitlement
	if errs := k.Check(t.Context(), []string{ent}); len(errs) != 0 {
		t.Fatal(errs)
	}
	s.Exec(t, "REVOKE EXECUTE ON FUNCTION app.one FROM tenure")
	refused(t, errors.Join(k.Check(t.Context(), []string{ent})...),
		"missing right: EXECUTE ON FUNCTION `app`.`one` WITH GRANT OPTION of tenure@%")
	refused(t, c.Grant(t.Context(), grants.Grant{Target: "db", Account: "alice", Entitlement: ent}, time.Time{}), "doctor names it")
	ok(t, c.Revoke(t.Context(), grants.Grant{Target: "db", Account: "alice", Entitlement: ent}))
}

func TestSettingsAreStrictAndKeepSecrets(t *testing.T) {
	for _, bad := range []struct {
		set  connectors.Settings
		word string
	}{
		{connectors.Settings{"user": "tenure"}, "address"},
		{connectors.Settings{"address": "db.example.com", "user": "tenure", "password": "hunter2"}, "host:port"},
		{connectors.Settings{"address": "db.example.com:3306", "user": "tenure", "password": "hunter2", "maxConns": 0}, "maxConns"},
		{connectors.Settings{"address": "db.example.com:3306", "user": "tenure", "ca": "hunter2"}, "ca"},
		{connectors.Settings{"address": "db.example.com:3306", "user": "tenure", "pasword": "hunter2"}, "password"},
	} {
		_, err := Driver{}.Open(context.Background(), "db", bad.set)
		refused(t, err, bad.word)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a secret in %q", err)
		}
	}
	for address, plain := range map[string]bool{"127.0.0.1:1": true, "localhost:1": true, "[::1]:1": true, "db.example.com:1": false, "10.0.0.1:1": false} {
		cfg, err := config(settings{Address: address, User: "u"})
		ok(t, err)
		if (cfg.TLS == nil) != plain || cfg.TLS != nil && cfg.TLS.InsecureSkipVerify {
			t.Errorf("%s: TLS %+v", address, cfg.TLS)
		}
	}
}

func TestMySQLSpeaksOfRolesAsAccounts(t *testing.T) {
	e := entitlement{role: "orders_ro"}
	if got, want := e.statement(server{}, false, []account{{"alice", "%"}}), "GRANT `orders_ro`@`%` TO `alice`@`%`"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	e = entitlement{privilege: "select", database: "my_app"}
	if got, want := e.statement(server{partialRevoke: true}, true, []account{{"alice", "%"}}), "REVOKE SELECT ON `my_app`.* FROM `alice`@`%`"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
