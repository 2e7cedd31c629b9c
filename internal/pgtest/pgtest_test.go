//go:build unix

package pgtest

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTwoServersAtOnceAreApart(t *testing.T) {
	a, b := Start(t), Start(t)
	if a.Port() == b.Port() {
		t.Fatalf("both listen on port %d", a.Port())
	}
	a.CreateDatabase(t, `it's "quoted"`)
	conn, err := pgx.Connect(t.Context(), a.DSN(`it's "quoted"`))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if c, err := pgx.Connect(t.Context(), b.DSN(`it's "quoted"`)); err == nil {
		c.Close(t.Context())
		t.Fatal("the other server has the database, too")
	}
}

func TestKilledServerComesBackWithItsData(t *testing.T) {
	s := Start(t)
	dsn := s.CreateDatabase(t, "kept")
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	port := s.Port()
	s.Kill()
	if err := conn.Ping(t.Context()); err == nil {
		t.Fatal("a backend outlived the kill")
	}
	s.Restart(t)
	if s.Port() != port {
		t.Fatalf("port %d became %d", port, s.Port())
	}
	s.Exec(t, "kept", "CREATE TABLE t (a int)")
	s.Stop()
	s.Stop()
}
