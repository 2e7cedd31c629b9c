//go:build unix

package mysql

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/connectors/mysql/mysqltest"
	"github.com/tenure-dev/tenure/grants"
)

var (
	unlocked = connectors.Spec{"account": "unlocked"}
	locking  = connectors.Settings{"accountLock": true}
)

// startLocked is a server on which nobody can log in yet.
func startLocked(t *testing.T) *mysqltest.Server {
	s := start(t)
	s.Exec(t, statements(t, "mariadb locks")...)
	s.Exec(t, "ALTER USER alice, bob, carol, dave ACCOUNT LOCK")
	return s
}

func TestConformanceOfAccountLocks(t *testing.T) {
	s := startLocked(t)
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: "db",
		Open:     func(t testing.TB) connectors.Connector { return open(t, s, locking) },
		Accounts: []string{"alice", "bob", "carol", "dave"},
		Specs:    []connectors.Spec{unlocked, role("orders_ro")},
		Absent:   role("absent"),
		BadSpecs: []connectors.Spec{{"account": "locked"}, {"account": ""}, {"account": "unlocked", "role": "orders_ro"}},

		UnknownAccount: "mallory",
		ForeignGrant:   func(t testing.TB, g grants.Grant) { s.Exec(t, byHand(t, g, false)) },
		ForeignRevoke:  func(t testing.TB, g grants.Grant) { s.Exec(t, byHand(t, g, true)) },
		Named:          role,
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			if strings.Contains(name, "\x00") {
				return false // no statement can hold it
			}
			statement := "CREATE USER " + quote(name) + "@`%` ACCOUNT LOCK"
			if kind == conformance.EntitlementName {
				statement = "CREATE ROLE " + quote(name) + " WITH ADMIN `tenure`@`%`"
			}
			err := s.Try(statement)
			var me *mysql.MySQLError
			return err == nil || errors.As(err, &me) && me.Number == 1396 // exists
		},
		Many:    400,
		Kill:    func(testing.TB) { s.Kill() },
		Restart: func(t testing.TB) { s.Restart(t) },
		Session: func(t testing.TB, g grants.Grant) func() bool {
			conn, err := s.As(t, g.Account, "", "").Conn(t.Context())
			ok(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			return func() bool { return conn.PingContext(t.Context()) == nil }
		},
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			return open(t, s, connectors.Settings{"user": "weak", "password": "", "accountLock": true}), []string{
				"missing right: CREATE USER of weak@%", "missing right: SELECT on mysql.global_priv of weak@%",
			}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseNativeExpiry: "accounts are locked by a statement only, never by a time",
		},
	})
}

func TestALockedAccountCannotLogInAndItsSessionsEnd(t *testing.T) {
	s := startLocked(t)
	c := opened(t, s, locking)
	g := gr("alice", unlocked)
	try := func() error {
		db := s.As(t, "alice", "", "")
		defer db.Close()
		return db.PingContext(t.Context())
	}
	refused(t, try(), "locked")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	ok(t, try())
	conn, err := s.As(t, "alice", "", "").Conn(t.Context())
	ok(t, err)
	defer conn.Close()
	ok(t, c.Revoke(t.Context(), g))
	ender, _ := connectors.AsSessionEnder(c)
	ok(t, ender.EndSessions(t.Context(), []grants.Grant{g}))
	if conn.PingContext(t.Context()) == nil {
		t.Error("the session lives")
	}
	refused(t, try(), "locked")
}

func TestAccountsAreLockedOnlyWhereTheTargetAllowsIt(t *testing.T) {
	s := startLocked(t)
	strict := opened(t, s, nil)
	refused(t, strict.Grant(t.Context(), gr("alice", unlocked), time.Time{}), "setting accountLock")
	// What was unlocked before the setting was taken away is still locked at its end.
	ok(t, opened(t, s, locking).Grant(t.Context(), gr("alice", unlocked), time.Time{}))
	ok(t, strict.Revoke(t.Context(), gr("alice", unlocked)))
	found, err := strict.Observe(t.Context(), []string{"account=unlocked"})
	ok(t, err)
	for _, g := range found {
		if g.Account == "alice" {
			t.Error("alice can log in")
		}
	}
	refused(t, opened(t, s, locking).Revoke(t.Context(), gr("tenure", unlocked)), "the reconciler's own")
}

func TestTheServersOwnAccountsStayLocked(t *testing.T) {
	s := startLocked(t)
	c := opened(t, s, locking)
	refused(t, c.Grant(t.Context(), gr("mariadb.sys@localhost", unlocked), time.Time{}), "the server's own")
	ok(t, c.Revoke(t.Context(), gr("mariadb.sys@localhost", unlocked)))
}

func TestSessionsThatTheServerHidesAreAnError(t *testing.T) {
	s := startLocked(t)
	c := opened(t, s, locking)
	g := gr("alice", unlocked)
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	conn, err := s.As(t, "alice", "", "").Conn(t.Context())
	ok(t, err)
	defer conn.Close()
	s.Exec(t, "REVOKE PROCESS ON *.* FROM tenure")
	// A login has the rights that it had when it came.
	c = opened(t, s, locking)
	ok(t, c.Revoke(t.Context(), g))
	ender, _ := connectors.AsSessionEnder(c)
	refused(t, ender.EndSessions(t.Context(), []grants.Grant{g}), "PROCESS", "doctor")
	s.Exec(t, "GRANT PROCESS ON *.* TO tenure")
	c = opened(t, s, locking)
	ender, _ = connectors.AsSessionEnder(c)
	ok(t, ender.EndSessions(t.Context(), []grants.Grant{g}))
	if conn.PingContext(t.Context()) == nil {
		t.Error("the session lives")
	}
}
