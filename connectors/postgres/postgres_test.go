package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The reconciler's own login in these tests is no superuser.
var setup = []string{
	"CREATE ROLE tenure LOGIN CREATEROLE PASSWORD 'pw'",
	"GRANT pg_signal_backend TO tenure",
	"CREATE ROLE weak LOGIN",
	"CREATE ROLE orders_ro", "CREATE ROLE orders_rw",
	"CREATE ROLE alice LOGIN", "CREATE ROLE bob LOGIN", "CREATE ROLE carol LOGIN", "CREATE ROLE dave LOGIN",
	"CREATE TABLE orders (id int)",
	"GRANT SELECT ON orders TO orders_ro",
	"GRANT SELECT, INSERT ON orders TO orders_rw",
}

// adminOption lets tenure hand on the roles where CREATEROLE no longer does.
func adminOption(t *testing.T, s *pgtest.Server) {
	if version(t, s) >= 160000 {
		s.Exec(t, "", "GRANT orders_ro, orders_rw TO tenure WITH ADMIN OPTION, INHERIT FALSE, SET FALSE")
	}
}

func version(t testing.TB, s *pgtest.Server) (v int) {
	t.Helper()
	conn := connect(t, s, "postgres")
	if err := conn.QueryRow(t.Context(), "SELECT current_setting('server_version_num')::int").Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// takeAway ends a membership as a superuser would. Since PostgreSQL 16 every grantor's
// entry is one of its own.
func takeAway(t testing.TB, s *pgtest.Server, role, account string) {
	t.Helper()
	statement := "REVOKE " + quote(role) + " FROM " + quote(account)
	s.Exec(t, "", statement)
	if version(t, s) >= 160000 {
		s.Exec(t, "", statement+" GRANTED BY tenure")
	}
}

func start(t *testing.T) *pgtest.Server {
	s := pgtest.Start(t)
	s.Exec(t, "", setup...)
	adminOption(t, s)
	return s
}

func connect(t testing.TB, s *pgtest.Server, user string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSNAs(user, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func open(t testing.TB, s *pgtest.Server, user string, more connectors.Settings) connectors.Connector {
	t.Helper()
	set := connectors.Settings{"dsn": s.DSNAs(user, "", "")}
	for k, v := range more {
		set[k] = v
	}
	c, err := Driver{}.Open(t.Context(), "pg", set)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func openClosing(t testing.TB, s *pgtest.Server, user string, more connectors.Settings) connectors.Connector {
	c := open(t, s, user, more)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func gr(role, account string) grants.Grant {
	return grants.Grant{Target: "pg", Account: account, Entitlement: connectors.Format(map[string]string{"role": role})}
}

func roleOf(t testing.TB, g grants.Grant) string {
	p, err := (&connector{target: "pg"}).holdingOf(g)
	if err != nil {
		t.Fatal(err)
	}
	return p.role
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

func TestConformance(t *testing.T) {
	s := start(t)
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: "pg",
		Open:           func(t testing.TB) connectors.Connector { return open(t, s, "tenure", nil) },
		Accounts:       []string{"alice", "bob", "carol", "dave"},
		Specs:          []connectors.Spec{{"role": "orders_ro"}, {"role": "orders_rw"}},
		Absent:         connectors.Spec{"role": "absent"},
		BadSpecs:       []connectors.Spec{{"role": 1}, {"role": "public"}, {"role": "none"}, {"role": strings.Repeat("x", 64)}, {"role": "a\x00"}},
		UnknownAccount: "mallory",
		ForeignGrant: func(t testing.TB, g grants.Grant) {
			s.Exec(t, "", "GRANT "+quote(roleOf(t, g))+" TO "+quote(g.Account))
		},
		ForeignRevoke: func(t testing.TB, g grants.Grant) {
			takeAway(t, s, roleOf(t, g), g.Account)
		},
		Named: func(name string) connectors.Spec { return connectors.Spec{"role": name} },
		Create: func(t testing.TB, _ conformance.Kind, name string) bool {
			conn, err := pgx.Connect(t.Context(), s.DSN(""))
			ok(t, err)
			defer conn.Close(t.Context())
			_, err = conn.Exec(t.Context(), "CREATE ROLE "+quote(name)+" LOGIN")
			var pe *pgconn.PgError
			return err == nil || errors.As(err, &pe) && pe.Code == "42710" // exists
		},
		Kill:    func(testing.TB) { s.Kill() },
		Restart: func(t testing.TB) { s.Restart(t) },
		Session: func(t testing.TB, g grants.Grant) func() bool {
			conn, err := pgx.Connect(t.Context(), s.DSNAs(g.Account, "", ""))
			ok(t, err)
			t.Cleanup(func() { _ = conn.Close(context.Background()) })
			_, err = conn.Exec(t.Context(), "SET ROLE "+quote(roleOf(t, g)))
			ok(t, err)
			return func() bool {
				_, err := conn.Exec(t.Context(), "SELECT * FROM orders")
				return err == nil
			}
		},
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			return open(t, s, "weak", nil), []string{
				`missing right: ADMIN OPTION of weak on role "orders_ro"`,
				`missing right: ADMIN OPTION of weak on role "orders_rw"`,
				"missing right: membership of weak in pg_signal_backend",
			}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseNativeExpiry: "memberships have no end in PostgreSQL, and VALID UNTIL ends a password, not a login",
		},
	})
}

func TestASessionKeepsWhatItTookBySetRoleUntilItIsEnded(t *testing.T) {
	s := start(t)
	c := openClosing(t, s, "tenure", nil)
	ok(t, c.Grant(t.Context(), gr("orders_rw", "alice"), time.Time{}))
	conn := connect(t, s, "alice")
	_, err := conn.Exec(t.Context(), "SET ROLE orders_rw")
	ok(t, err)
	ok(t, c.Revoke(t.Context(), gr("orders_rw", "alice")))
	_, err = conn.Exec(t.Context(), "INSERT INTO orders VALUES (1)")
	ok(t, err) // the server's own behaviour, and the reason for EndSessions
	ender, _ := connectors.AsSessionEnder(c)
	ok(t, ender.EndSessions(t.Context(), []grants.Grant{gr("orders_rw", "alice")}))
	if _, err = conn.Exec(t.Context(), "INSERT INTO orders VALUES (2)"); err == nil {
		t.Error("the session lives")
	}
}

func TestSessionsWithAnotherPathToTheRoleStay(t *testing.T) {
	s := start(t)
	s.Exec(t, "", "CREATE ROLE team", "GRANT orders_rw TO team", "GRANT team TO alice", "GRANT bob TO carol")
	c := openClosing(t, s, "tenure", nil)
	ok(t, c.Grant(t.Context(), gr("orders_rw", "alice"), time.Time{}))
	ok(t, c.Grant(t.Context(), gr("orders_rw", "bob"), time.Time{}))
	alice, carol, dave := connect(t, s, "alice"), connect(t, s, "carol"), connect(t, s, "dave")
	_, err := carol.Exec(t.Context(), "SET ROLE orders_rw") // through bob
	ok(t, err)
	lost := []grants.Grant{gr("orders_rw", "alice"), gr("orders_rw", "bob")}
	for _, g := range lost {
		ok(t, c.Revoke(t.Context(), g))
	}
	ender, _ := connectors.AsSessionEnder(c)
	ok(t, ender.EndSessions(t.Context(), lost))
	ok(t, alice.Ping(t.Context())) // still has it through team
	ok(t, dave.Ping(t.Context()))
	if carol.Ping(t.Context()) == nil {
		t.Error("a session that came to the role through the account lives")
	}
}

func TestWhatMayBeGranted(t *testing.T) {
	s := start(t)
	s.Exec(t, "", "CREATE ROLE root2 SUPERUSER", "CREATE ROLE boss LOGIN SUPERUSER", "CREATE ROLE everyone")
	c := openClosing(t, s, "postgres", nil)
	for want, g := range map[string]grants.Grant{
		"PostgreSQL's own roles; the": gr("pg_read_all_stats", "alice"),
		"is a superuser; the":         gr("root2", "alice"),
		"account is a superuser":      gr("orders_rw", "boss"),
		"cannot log in":               gr("orders_rw", "everyone"),
		"account \"pg_monitor\" is":   gr("orders_rw", "pg_monitor"),
		"does not exist on the":       gr("nope", "alice"),
		"longer than 63 bytes":        gr("orders_rw", strings.Repeat("a", 64)),
		"keyword":                     gr("orders_rw", "public"),
		"control character":           gr("orders_rw", "a\x00lice"),
	} {
		refused(t, c.Grant(t.Context(), g, time.Time{}), want)
	}
	listed := openClosing(t, s, "postgres", connectors.Settings{"roles": []any{"pg_read_all_stats", "root2"}})
	ok(t, listed.Grant(t.Context(), gr("pg_read_all_stats", "alice"), time.Time{}))
	ok(t, listed.Grant(t.Context(), gr("root2", "alice"), time.Time{}))
	refused(t, listed.Grant(t.Context(), gr("orders_rw", "alice"), time.Time{}), "does not list")
	// What was granted under looser settings is still revoked.
	ok(t, c.Revoke(t.Context(), gr("pg_read_all_stats", "alice")))
	ok(t, c.Revoke(t.Context(), gr("root2", "alice")))
	found, err := c.Observe(t.Context(), []string{"role=pg_read_all_stats", "role=root2"})
	if err != nil || len(found) > 0 && found[0].Account == "alice" {
		t.Errorf("%v, %v", found, err)
	}
}

func TestTheReconcilersOwnLoginIsNobodysAccess(t *testing.T) {
	s := start(t)
	s.Exec(t, "", "GRANT orders_rw TO tenure WITH ADMIN OPTION", "GRANT orders_rw TO alice")
	found, err := openClosing(t, s, "tenure", nil).Observe(t.Context(), []string{"role=orders_rw"})
	if err != nil || len(found) != 1 || found[0].Account != "alice" {
		t.Errorf("%v, %v", found, err)
	}
}

func TestARightThatIsMissingIsNamed(t *testing.T) {
	s := start(t)
	c := openClosing(t, s, "weak", nil)
	refused(t, c.Grant(t.Context(), gr("orders_rw", "alice"), time.Time{}), "pg: grant role=orders_rw for \"alice\"", "doctor names it")
}

func TestAServerThatIsDownIsAnErrorWithoutSecrets(t *testing.T) {
	s := start(t)
	c, err := Driver{}.Open(t.Context(), "pg", connectors.Settings{"dsn": s.DSNAs("tenure", "hunter2", "")})
	ok(t, err)
	defer c.Close()
	s.Kill()
	_, err = c.Observe(t.Context(), []string{"role=orders_rw"})
	refused(t, err, "pg: observe")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	check, _ := connectors.AsChecker(c)
	if errs := check.Check(t.Context(), nil); len(errs) != 1 {
		t.Errorf("%v", errs)
	}
}

func TestSettingsAreRefusedByNameOnly(t *testing.T) {
	for want, s := range map[string]connectors.Settings{
		"setting dsn is missing":         {},
		"setting dsn is not a valid":     {"dsn": "postgres://u:hunter2@h:port/db"},
		"setting maxConns must be":       {"dsn": "postgres://u:hunter2@h/db", "maxConns": 0},
		"setting loginPrefix is of no":   {"dsn": "postgres://u:hunter2@h/db", "loginPrefix": "hunter2"},
		`"role"; did you mean "roles"?`:  {"dsn": "postgres://u:hunter2@h/db", "role": "hunter2"},
		"setting roles: name \"public\"": {"dsn": "postgres://u:hunter2@h/db", "roles": []any{"public"}},
	} {
		_, err := Driver{}.Open(t.Context(), "pg", s)
		refused(t, err, want)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

func TestWritersOnTwoDatabasesOfOneServerGetAlong(t *testing.T) {
	s := start(t)
	s.CreateDatabase(t, "second")
	a := openClosing(t, s, "tenure", nil)
	b := openClosing(t, s, "tenure", connectors.Settings{"dsn": s.DSNAs("tenure", "", "second")})
	done := make(chan error, 2)
	for _, c := range []connectors.Connector{a, b} {
		go func() {
			var errs error
			for range 30 {
				errs = errors.Join(errs, c.Grant(context.Background(), gr("orders_rw", "alice"), time.Time{}),
					c.Revoke(context.Background(), gr("orders_rw", "alice")))
			}
			done <- errs
		}()
	}
	ok(t, errors.Join(<-done, <-done))
}

func BenchmarkRevoke1000WithSessions(b *testing.B) {
	s := pgtest.Start(b)
	s.Exec(b, "", setup...)
	var gs []grants.Grant
	var create []string
	for i := range 1000 {
		name := fmt.Sprintf("user%04d", i)
		create = append(create, "CREATE ROLE "+name+" LOGIN")
		gs = append(gs, gr("orders_rw", name))
	}
	s.Exec(b, "", strings.Join(create, ";"))
	c := openClosing(b, s, "postgres", nil).(*connector)
	const sessions = 100
	for b.Loop() {
		b.StopTimer()
		acts := make([]connectors.Act, len(gs))
		for i, g := range gs {
			acts[i] = connectors.Act{Grant: g}
		}
		ok(b, errors.Join(c.Apply(b.Context(), acts)...))
		for i := range sessions {
			conn, err := pgx.Connect(b.Context(), s.DSNAs(gs[i].Account, "", ""))
			ok(b, err)
			b.Cleanup(func() { _ = conn.Close(context.Background()) })
		}
		for i := range acts {
			acts[i].Revoke = true
		}
		b.StartTimer()
		ok(b, errors.Join(c.Apply(b.Context(), acts)...))
		ok(b, c.EndSessions(b.Context(), gs))
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/1000-revokes")
}

// A statement that the server refuses undoes its transaction; the acts beside it
// must come through all the same.
func TestAStatementThatFailsDoesNotStopTheOthers(t *testing.T) {
	s := start(t)
	s.Exec(t, "", "GRANT bob TO alice")
	c := openClosing(t, s, "postgres", nil)
	b, _ := connectors.AsBatcher(c)
	errs := b.Apply(t.Context(), []connectors.Act{
		{Grant: gr("orders_rw", "carol")},
		{Grant: gr("alice", "bob")}, // a circle
		{Grant: gr("orders_rw", "dave")},
		{Grant: gr("bob", "alice"), Revoke: true},
	})
	if errs[0] != nil || errs[2] != nil || errs[3] != nil {
		t.Errorf("others were kept back: %v", errs)
	}
	refused(t, errs[1], `grant role=alice for "bob"`, "is a member of role")
	found, err := c.Observe(t.Context(), []string{"role=orders_rw", "role=alice", "role=bob"})
	found = slices.DeleteFunc(found, func(g grants.Grant) bool { return g.Account == "tenure" }) // it may hand on
	if err != nil || len(found) != 2 {
		t.Errorf("%v, %v", found, err)
	}
}
