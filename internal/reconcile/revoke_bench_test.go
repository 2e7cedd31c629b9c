package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/postgres"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

// BenchmarkRevoke1000 is the pass at the moment when 1,000 memberships of a real
// PostgreSQL end at once. The limit is the same 1,000 REVOKEs as one script in one
// transaction and one round trip, on the same server in the same iteration, with no
// ledger, no evidence and no read-back. The metrics are divided by it: gone-x is the
// time until the memberships are gone (read the ledger, plan, write the intents,
// revoke), pass-x the whole pass (and end sessions, write outcomes, read back, end the
// requests).
func BenchmarkRevoke1000(b *testing.B) {
	const logins, roles = 100, 10
	server := pgtest.Start(b)
	statements := []string{"CREATE ROLE tenure LOGIN SUPERUSER"}
	var items []grants.Item
	for r := range roles {
		statements = append(statements, fmt.Sprintf("CREATE ROLE r%02d", r))
	}
	for l := range logins {
		statements = append(statements, fmt.Sprintf("CREATE ROLE u%03d LOGIN", l))
		for r := range roles {
			g := grant(fmt.Sprintf("u%03d", l), connectors.Format(map[string]string{"role": fmt.Sprintf("r%02d", r)}))
			items = append(items, grants.Item{Grant: g, Subject: g.Account, Role: fmt.Sprintf("r%02d", r), Spec: `{}`})
		}
	}
	server.Exec(b, "", statements...)
	conn, err := postgres.Driver{}.Open(b.Context(), "db", connectors.Settings{"dsn": server.DSNAs("tenure", "", "")})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	plain, err := pgx.Connect(b.Context(), server.DSN(""))
	if err != nil {
		b.Fatal(err)
	}
	defer plain.Close(context.Background())

	w := newWorld(b)
	target := &noting{Connector: conn}
	w.engine.workers[0].conn = target
	var gone, whole, script []time.Duration
	round := 0
	for b.Loop() {
		b.StopTimer()
		script = append(script, runScript(b, plain, items))
		round++
		decisions := eachItem(items, round, w.now)
		w.decide(decisions...)
		w.mustPass()
		w.now = w.now.Add(time.Hour)
		b.StartTimer()

		at := time.Now()
		w.mustPass()
		whole, gone = append(whole, time.Since(at)), append(gone, target.applied.Sub(at))

		b.StopTimer()
		if n := len(w.holds()); n != 0 {
			b.Fatalf("%d holds are left", n)
		}
		w.forget(decisions)
		b.StartTimer()
	}
	limit := float64(median(script))
	b.ReportMetric(float64(median(gone))/limit, "gone-x")
	b.ReportMetric(float64(median(whole))/limit, "pass-x")
	b.ReportMetric(float64(median(script).Microseconds())/1000, "script-ms")
}

// noting remembers when the target's batch came back.
type noting struct {
	connectors.Connector
	applied time.Time
}

func (c *noting) Abilities() connectors.AbilitySet {
	a := connectors.Abilities(c.Connector)
	a.Batcher = c
	return a
}

func (c *noting) Apply(ctx context.Context, acts []connectors.Act) []error {
	b, _ := connectors.AsBatcher(c.Connector)
	errs := b.Apply(ctx, acts)
	c.applied = time.Now()
	return errs
}

// eachItem makes a request of one hour for each item.
func eachItem(items []grants.Item, round int, from time.Time) []grants.Decision {
	out := make([]grants.Decision, 0, len(items))
	for i, it := range items {
		name := fmt.Sprintf("requests/%d-%04d.yaml@000000000000", round, i)
		out = append(out, grants.Decision{Request: name, Path: name, Granted: true, Terms: []grants.Terms{{
			Span: grants.Window{From: from, Until: from.Add(time.Hour)}, Items: []grants.Item{it}}}})
	}
	return out
}

// forget takes the files of ended requests off the branch, so that every round works
// on as many requests.
func (w *world) forget(decisions []grants.Decision) {
	w.t.Helper()
	var b ledger.IntakeBatch
	for _, d := range decisions {
		b.Requests = append(b.Requests, ledger.Request{ID: d.Request, Path: d.Path, Body: []byte(`{}`), Decision: d})
	}
	if err := w.led.TakeIn(w.t.Context(), w.intake, b); err != nil {
		w.t.Fatal(err)
	}
}

// runScript grants everything and returns how long the script of revokes took.
func runScript(b *testing.B, conn *pgx.Conn, items []grants.Item) time.Duration {
	b.Helper()
	var grant, revoke strings.Builder
	grant.WriteString("BEGIN;")
	revoke.WriteString("BEGIN;")
	for _, it := range items {
		fmt.Fprintf(&grant, "GRANT %s TO %s;", it.Role, it.Account)
		fmt.Fprintf(&revoke, "REVOKE %s FROM %s;", it.Role, it.Account)
	}
	grant.WriteString("COMMIT;")
	revoke.WriteString("COMMIT;")
	exec := func(sql string) {
		if _, err := conn.PgConn().Exec(b.Context(), sql).ReadAll(); err != nil {
			b.Fatal(err)
		}
	}
	exec(grant.String())
	at := time.Now()
	exec(revoke.String())
	return time.Since(at)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
