package e2e_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/robfig/cron/v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/postgres"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/open"
	"github.com/tenure-dev/tenure/internal/pgtest"
	"github.com/tenure-dev/tenure/internal/reconcile"
)

// pgTarget is the name of the target in these tests.
const pgTarget = "orders-db"

// pgPatience bounds every wait here. It is no measure: what is fast on an idle
// machine must not fail on a busy one.
const pgPatience = 60 * time.Second

// pgPair is one membership as the database names it.
type pgPair struct{ login, role string }

func (p pgPair) String() string { return p.login + "/" + p.role }

func (p pgPair) grant() grants.Grant {
	return grants.Grant{Target: pgTarget, Account: p.login, Entitlement: connectors.Format(map[string]string{"role": p.role})}
}

// pgServer starts a PostgreSQL with a login for the reconciler, which is no
// superuser, and every combination of so many logins and roles ready to be granted.
func pgServer(t testing.TB, logins, roles int) (*pgtest.Server, []pgPair) {
	t.Helper()
	s := pgtest.Start(t)
	statements := []string{"CREATE ROLE tenure LOGIN CREATEROLE", "GRANT pg_signal_backend TO tenure"}
	for r := range roles {
		name := fmt.Sprintf("r%02d", r)
		statements = append(statements, "CREATE ROLE "+name,
			fmt.Sprintf(`DO $$ BEGIN IF current_setting('server_version_num')::int >= 160000 THEN
				EXECUTE 'GRANT %s TO tenure WITH ADMIN OPTION, INHERIT FALSE, SET FALSE'; END IF; END $$`, name))
	}
	pairs := make([]pgPair, 0, logins*roles)
	for l := range logins {
		name := fmt.Sprintf("u%04d", l)
		statements = append(statements, "CREATE ROLE "+name+" LOGIN")
		for r := range roles {
			pairs = append(pairs, pgPair{name, fmt.Sprintf("r%02d", r)})
		}
	}
	s.Exec(t, "", statements...)
	return s, pairs
}

func pgConnect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// pgMembers reads who is a member of what, straight from the catalog, with the
// database's clock after it looked.
func pgMembers(ctx context.Context, c *pgx.Conn) (at time.Time, held map[string]bool, err error) {
	var names []string
	err = c.QueryRow(ctx, `SELECT clock_timestamp(), coalesce(array_agg(member::regrole::text || '/' || roleid::regrole::text), '{}')
		FROM pg_auth_members WHERE member::regrole::text LIKE 'u%'`).Scan(&at, &names)
	held = make(map[string]bool, len(names))
	for _, n := range names {
		held[n] = true
	}
	return at, held, err
}

// ledgerKinds are the ledgers that every one of these tests has to pass on.
var ledgerKinds = []struct {
	name string
	url  func(t testing.TB) string
}{
	{"sqlite", func(t testing.TB) string { return "sqlite://" + filepath.Join(t.TempDir(), "ledger.db") }},
	{"postgres", func(t testing.TB) string { return pgtest.Start(t, "fsync=on").CreateDatabase(t, "ledger") }},
}

func openPGLedger(t testing.TB, url string) *ledger.Ledger {
	t.Helper()
	led, err := open.Open(t.Context(), url, func() time.Time { return time.Now().UTC() })
	if err != nil {
		t.Fatal(err)
	}
	return led
}

// pgDecision is a granted request for one membership.
func pgDecision(p pgPair, from, until time.Time) grants.Decision {
	return grants.Decision{
		Request: "requests/" + p.login + "-" + p.role + ".yaml@000000000000", Path: "requests/" + p.login + "-" + p.role + ".yaml",
		Author: p.login, Reason: "measured", Granted: true,
		Terms: []grants.Terms{{
			Span:  grants.Window{From: from, Until: until},
			Items: []grants.Item{{Grant: p.grant(), Subject: p.login, Role: p.role, Spec: `{"role":"` + p.role + `"}`}},
		}},
	}
}

// pgDecide writes decisions as the intake would.
func pgDecide(t testing.TB, led *ledger.Ledger, decisions ...grants.Decision) {
	t.Helper()
	decide, release := pgIntake(t, led)
	defer release()
	decide(decisions...)
}

// pgIntake takes the intake's lease, so that no reconciler has it, and returns how
// to write decisions by it.
func pgIntake(t testing.TB, led *ledger.Ledger) (decide func(...grants.Decision), release func()) {
	t.Helper()
	lease, err := led.Acquire(t.Context(), "intake")
	if err != nil {
		t.Fatal(err)
	}
	decide = func(decisions ...grants.Decision) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), pgPatience)
		defer cancel()
		b := ledger.IntakeBatch{}
		for _, d := range decisions {
			b.Requests = append(b.Requests, ledger.Request{ID: d.Request, Path: d.Path, Live: true, Body: []byte(`{}`), Decision: d})
		}
		if err := led.TakeIn(ctx, lease, b); err != nil {
			t.Fatal(err)
		}
	}
	return decide, func() {
		if err := lease.Release(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

func pgConnector(t testing.TB, s *pgtest.Server) connectors.Connector {
	t.Helper()
	c, err := postgres.Driver{}.Open(t.Context(), pgTarget, connectors.Settings{"dsn": s.DSNAs("tenure", "", "")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pgEngine makes an engine whose guard lets Git take away nothing at all, so that
// every revoke has to be an expiry.
func pgEngine(t testing.TB, led reconcile.Ledger, c connectors.Connector, actTimeout time.Duration) *reconcile.Engine {
	t.Helper()
	e, err := reconcile.New(reconcile.Config{
		Ledger: led, Targets: map[string]connectors.Connector{pgTarget: c},
		Clock: reconcile.NewSystemClock(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: silent{},
		Guard: grants.GuardLimits{MaxRemovals: 1, MaxRemovalRatio: 0.01}, Resync: cron.Every(10 * time.Minute),
		ActTimeout: actTimeout, ObserveTimeout: 30 * time.Second,
		RevertKey: func(at time.Time) (string, time.Time) { return "all", at.Add(time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// pgRunEngine runs an engine until stop is called, which waits for its end.
func pgRunEngine(t testing.TB, e *reconcile.Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Errorf("engine: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return stop
}

// pgUntil polls a real server until look says yes.
func pgUntil(t testing.TB, what string, look func() (bool, error)) {
	t.Helper()
	pgUntilWithin(t, pgPatience, what, look)
}

func pgUntilWithin(t testing.TB, limit time.Duration, what string, look func() (bool, error)) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		ok, err := look()
		if ok && err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not seen within %s (last error: %v)", what, limit, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// silent is a recorder that keeps nothing.
type silent struct{}

func (silent) Pass(string, time.Duration, error) {}
func (silent) Granted(string, time.Duration)     {}
func (silent) Revoked(string, time.Duration)     {}
func (silent) Failed(string, string)             {}
func (silent) Overdue(string, int)               {}
func (silent) Withheld(string, int)              {}
func (silent) Drift(string, int)                 {}

// quantile returns the q-quantile of a sorted list, by nearest rank.
func quantile[T cmp.Ordered](sorted []T, q float64) T {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
