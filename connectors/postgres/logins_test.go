package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

var making = connectors.Settings{"createLogins": true, "loginPrefix": "jit_"}

// login is "absent", "yes until T" or "no".
func login(t *testing.T, s *pgtest.Server, name string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN(""))
	ok(t, err)
	defer conn.Close(t.Context())
	var out string
	err = conn.QueryRow(t.Context(), `SELECT CASE WHEN rolcanlogin
		THEN 'yes until ' || coalesce(to_char(rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), 'ever')
		ELSE 'no' END FROM pg_roles WHERE rolname = $1`, name).Scan(&out)
	if errors.Is(err, pgx.ErrNoRows) {
		return "absent"
	}
	ok(t, err)
	return out
}

func wantLogin(t *testing.T, s *pgtest.Server, name, want string) {
	t.Helper()
	if got := login(t, s, name); got != want {
		t.Fatalf("login %s: %s, want %s", name, got, want)
	}
}

func at(hour int) time.Time { return time.Date(2099, 1, 1, hour, 0, 0, 0, time.UTC) }

func TestALoginIsMadeForTheTimeOfItsGrants(t *testing.T) {
	s := start(t)
	c := openClosing(t, s, "tenure", making)
	ok(t, c.Grant(t.Context(), gr("orders_rw", "jit_x"), at(5)))
	wantLogin(t, s, "jit_x", "yes until 2099-01-01 05:00:00")
	ok(t, c.Grant(t.Context(), gr("orders_ro", "jit_x"), at(3))) // an earlier end cuts nothing
	wantLogin(t, s, "jit_x", "yes until 2099-01-01 05:00:00")
	ok(t, c.Grant(t.Context(), gr("orders_ro", "jit_x"), at(7))) // renewed
	wantLogin(t, s, "jit_x", "yes until 2099-01-01 07:00:00")
	conn := connect(t, s, "jit_x")
	ok(t, c.Revoke(t.Context(), gr("orders_rw", "jit_x")))
	wantLogin(t, s, "jit_x", "yes until 2099-01-01 07:00:00")
	ok(t, conn.Ping(t.Context()))
	ok(t, c.Revoke(t.Context(), gr("orders_ro", "jit_x")))
	wantLogin(t, s, "jit_x", "absent")
	if conn.Ping(t.Context()) == nil {
		t.Error("a session outlived its login")
	}
	ok(t, c.Revoke(t.Context(), gr("orders_ro", "jit_x")))
	ender, _ := connectors.AsSessionEnder(c)
	ok(t, ender.EndSessions(t.Context(), []grants.Grant{gr("orders_ro", "jit_x")}))
	ok(t, c.Grant(t.Context(), gr("orders_ro", "jit_x"), time.Time{}))
	wantLogin(t, s, "jit_x", "yes until ever")
}

func TestOnlyLoginsWithThePrefixAreMade(t *testing.T) {
	s := start(t)
	c := openClosing(t, s, "tenure", making)
	err := c.Grant(t.Context(), gr("orders_rw", "mallory"), at(5))
	if !errors.Is(err, connectors.ErrNoAccount) {
		t.Errorf("%v", err)
	}
	wantLogin(t, s, "mallory", "absent")
}

func TestALoginThatSomebodyElseMadeIsNeverChanged(t *testing.T) {
	s := start(t)
	s.Exec(t, "", "CREATE ROLE jit_old LOGIN", "COMMENT ON ROLE jit_old IS 'tenure: login made for target other, removed with its last grant'")
	c := openClosing(t, s, "tenure", making)
	for _, name := range []string{"jit_old", "alice"} {
		ok(t, c.Grant(t.Context(), gr("orders_rw", name), at(5)))
		wantLogin(t, s, name, "yes until ever")
		ok(t, c.Revoke(t.Context(), gr("orders_rw", name)))
		wantLogin(t, s, name, "yes until ever")
	}
}

func TestALoginThatOwnsObjectsIsClosedAndNamed(t *testing.T) {
	s := start(t)
	c := openClosing(t, s, "tenure", making)
	ok(t, c.Grant(t.Context(), gr("orders_rw", "jit_x"), at(5)))
	s.Exec(t, "", "CREATE TABLE mine (a int)", "ALTER TABLE mine OWNER TO jit_x")
	ok(t, c.Revoke(t.Context(), gr("orders_rw", "jit_x")))
	wantLogin(t, s, "jit_x", "no")
	check, _ := connectors.AsChecker(c)
	refused(t, errors.Join(check.Check(t.Context(), nil)...), `login "jit_x" has ended`, "owns objects")
	ok(t, c.Grant(t.Context(), gr("orders_rw", "jit_x"), at(6)))
	wantLogin(t, s, "jit_x", "yes until 2099-01-01 06:00:00")
	s.Exec(t, "", "DROP TABLE mine")
	ok(t, c.Revoke(t.Context(), gr("orders_rw", "jit_x")))
	wantLogin(t, s, "jit_x", "absent")
}

func TestManyLoginsEndTogetherAndOnlyThoseThatOwnObjectsStay(t *testing.T) {
	s := start(t)
	c := openClosing(t, s, "tenure", making)
	var grant, revoke []connectors.Act
	for i := range 2*dropAtOnce + 50 {
		g := gr("orders_rw", fmt.Sprintf("jit_%03d", i))
		grant = append(grant, connectors.Act{Grant: g, Until: at(5)})
		revoke = append(revoke, connectors.Act{Grant: g, Revoke: true})
	}
	batch, _ := connectors.AsBatcher(c)
	ok(t, errors.Join(batch.Apply(t.Context(), grant)...))
	owners := []string{"jit_000", "jit_099", "jit_101", "jit_249"}
	for _, name := range owners {
		s.Exec(t, "", "CREATE TABLE of_"+name+" (a int)", "ALTER TABLE of_"+name+" OWNER TO "+name)
	}
	ok(t, errors.Join(batch.Apply(t.Context(), revoke)...))
	var left []string
	err := connect(t, s, "postgres").QueryRow(t.Context(),
		`SELECT array_agg(rolname::text ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'jit%' AND NOT rolcanlogin`).Scan(&left)
	ok(t, err)
	if !slices.Equal(left, owners) {
		t.Fatalf("left are %v, want %v", left, owners)
	}
}

func TestALoginLeftByACrashOrAnotherHandIsRemovedLater(t *testing.T) {
	s := start(t)
	c := openClosing(t, s, "tenure", making)
	for _, name := range []string{"jit_crash", "jit_drift"} {
		ok(t, c.Grant(t.Context(), gr("orders_rw", name), at(5)))
		takeAway(t, s, "orders_rw", name)
	}
	s.Exec(t, "", "ALTER ROLE jit_crash NOLOGIN") // as if we ended before the drop
	ok(t, c.Revoke(t.Context(), gr("orders_rw", "jit_drift")))
	wantLogin(t, s, "jit_drift", "absent")
	wantLogin(t, s, "jit_crash", "absent")
}

func TestALoginIsEndedEvenAfterCreateLoginsWasTurnedOff(t *testing.T) {
	s := start(t)
	ok(t, openClosing(t, s, "tenure", making).Grant(t.Context(), gr("orders_rw", "jit_x"), at(5)))
	ok(t, openClosing(t, s, "tenure", nil).Revoke(t.Context(), gr("orders_rw", "jit_x")))
	wantLogin(t, s, "jit_x", "absent")
}

func TestABatchMakesAndEndsManyLogins(t *testing.T) {
	s := start(t)
	c := openClosing(t, s, "tenure", making)
	b, _ := connectors.AsBatcher(c)
	var acts []connectors.Act
	for _, n := range []string{"jit_1", "jit_2", "jit_3", "nobody"} {
		acts = append(acts, connectors.Act{Grant: gr("orders_rw", n), Until: at(5)}, connectors.Act{Grant: gr("orders_ro", n), Until: at(6)})
	}
	for i, err := range b.Apply(t.Context(), acts) {
		if errors.Is(err, connectors.ErrNoAccount) != (i >= 6) {
			t.Errorf("%d: %v", i, err)
		}
	}
	wantLogin(t, s, "jit_3", "yes until 2099-01-01 06:00:00")
	for i := range acts {
		acts[i].Revoke = true
	}
	ok(t, errors.Join(b.Apply(t.Context(), acts)...))
	for _, n := range []string{"jit_1", "jit_2", "jit_3"} {
		wantLogin(t, s, n, "absent")
	}
}

func TestThePasswordOfAMadeLoginEndsByItself(t *testing.T) {
	hba := filepath.Join(t.TempDir(), "hba")
	// Under root the server runs as another user, who must get at the file.
	for dir := filepath.Dir(hba); strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		ok(t, os.Chmod(dir, 0o755))
	}
	ok(t, os.WriteFile(hba, []byte("host all jit_pw 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"), 0o644))
	s := pgtest.Start(t, "hba_file="+hba, "password_encryption=scram-sha-256") // md5 is the default up to 13
	s.Exec(t, "", setup...)
	adminOption(t, s)
	c := openClosing(t, s, "tenure", making)
	try := func() error {
		conn, err := pgx.Connect(t.Context(), s.DSNAs("jit_pw", "pw", ""))
		if err == nil {
			_ = conn.Close(context.Background())
		}
		return err
	}
	ok(t, c.Grant(t.Context(), gr("orders_rw", "jit_pw"), at(5)))
	s.Exec(t, "", "ALTER ROLE jit_pw PASSWORD 'pw'")
	ok(t, try())
	ok(t, c.Revoke(t.Context(), gr("orders_rw", "jit_pw")))
	ok(t, c.Grant(t.Context(), gr("orders_rw", "jit_pw"), time.Now().Add(-time.Second)))
	s.Exec(t, "", "ALTER ROLE jit_pw PASSWORD 'pw'")
	refused(t, try(), "password authentication failed")
}
