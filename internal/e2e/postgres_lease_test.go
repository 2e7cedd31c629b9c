package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/internal/ledger/open"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

// TestTheSecondReconcilerTakesOver runs the real program twice on one PostgreSQL
// ledger and one target. The first has the target's lease and grants; shortly before
// the end of the windows it loses the lease in one of several ways. The ends must be
// on time, every act must have been done by exactly one of the two, and the ledger
// must be whole.
func TestTheSecondReconcilerTakesOver(t *testing.T) {
	bin := buildReconciler(t)
	for _, c := range []struct {
		name string
		lose func(t *testing.T, w *twoReconcilers)
		// again: the first was in the middle of its revokes, which may still take
		// effect; so they are made again until that is past, and verified once.
		again bool
	}{
		{"the first is killed", func(_ *testing.T, w *twoReconcilers) { w.first.kill() }, false},
		{"the first's connection is ended", func(t *testing.T, w *twoReconcilers) { w.endLease(t) }, false},
		{"the first's connection is ended within an act", func(t *testing.T, w *twoReconcilers) {
			wall := &barrier{t: t, dsn: w.target.DSN("")}
			defer wall.open()
			wall.close()
			pgUntil(t, "an act", wall.reached)
			w.endLease(t)
			pgUntil(t, "the other's lease", func() (bool, error) {
				pid, err := w.leaseHolder(t.Context())
				return pid != 0 && pid != w.ended, err
			})
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := startTwo(t, bin)
			watcher, stop := watchMembers(t, w.target.DSN(""), w.ends)
			c.lose(t, w)
			t.Logf("expiry to membership gone: %s", lagLine(watcher.lags(t)))
			stop()
			admin := pgConnect(t, w.target.DSN(""))
			nothingIsLeft(t, admin, w.url)
			w.actedOnce(t, c.again)
		})
	}
}

type twoReconcilers struct {
	target, ledger *pgtest.Server
	url            string // of the ledger
	first, second  *process
	ends           map[string]time.Time
	until          time.Time
	db             *pgx.Conn // to the ledger's database
	ended          int       // process id of the backend that endLease ended
}

// startTwo returns when the first has granted everything, the second runs, and the
// windows end within two seconds.
func startTwo(t *testing.T, bin string) *twoReconcilers {
	t.Helper()
	w := &twoReconcilers{ledger: pgtest.Start(t)}
	var pairs []pgPair
	w.target, pairs = pgServer(t, 20, 2)
	w.url = w.ledger.CreateDatabase(t, "ledger")
	w.db = pgConnect(t, w.url)
	led := openPGLedger(t, w.url)
	defer led.Close()
	decide, release := pgIntake(t, led)
	defer release()
	admin := pgConnect(t, w.target.DSN(""))

	w.first = startProcess(t, bin, processConfig(t, w.url, w.target))
	pgUntil(t, "the first's lease", func() (bool, error) {
		pid, err := w.leaseHolder(t.Context())
		return pid != 0, err
	})
	holder, _ := w.leaseHolder(t.Context())
	w.second = startProcess(t, bin, processConfig(t, w.url, w.target))
	pgUntil(t, "the second's connection", func() (bool, error) {
		var n int
		err := w.db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tenure leases'`).Scan(&n)
		return n == 3, err // and our own
	})
	w.ends = grantAll(t, led, decide, pairs, 0, func() (map[string]bool, error) {
		_, held, err := pgMembers(t.Context(), admin)
		return held, err
	})
	w.until = w.ends[pairs[0].String()]
	if now, err := w.leaseHolder(t.Context()); err != nil || now != holder {
		t.Fatalf("the lease went from %d to %d although both live (%v)", holder, now, err)
	}
	sleepFor(t, time.Until(w.until.Add(-2*time.Second)))
	return w
}

// leaseHolder is the process id of the backend that has the target's lease; 0: none.
func (w *twoReconcilers) leaseHolder(ctx context.Context) (pid int, err error) {
	sum := sha256.Sum256([]byte("tenure lease target/" + pgTarget))
	key := binary.BigEndian.Uint64(sum[:8])
	err = w.db.QueryRow(ctx, `SELECT coalesce(max(pid), 0) FROM pg_locks WHERE locktype = 'advisory' AND granted
		AND objsubid = 1 AND classid::bigint = $1 AND objid::bigint = $2`, int64(key>>32), int64(key&0xffffffff)).Scan(&pid) //nolint:gosec // halves of the key
	return pid, err
}

// endLease ends the connection that has the lease, as a fail-over or an
// administrator does. The process that had it lives on.
func (w *twoReconcilers) endLease(t *testing.T) {
	t.Helper()
	pid, err := w.leaseHolder(t.Context())
	if err != nil || pid == 0 {
		t.Fatalf("nobody has the lease (%v)", err)
	}
	w.ended = pid
	if _, err := w.db.Exec(t.Context(), `SELECT pg_terminate_backend($1)`, pid); err != nil {
		t.Fatal(err)
	}
}

// actedOnce fails the test unless each grant and each revoke was recorded exactly
// once, whoever did it.
func (w *twoReconcilers) actedOnce(t *testing.T, again bool) {
	t.Helper()
	led, err := open.ReadOnly(t.Context(), w.url, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer led.Close()
	events, err := led.Events(t.Context(), ledger.Filter{Target: pgTarget})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]map[string]int{}
	for _, e := range events {
		if count[e.Kind] == nil {
			count[e.Kind] = map[string]int{}
		}
		count[e.Kind][e.Request]++
	}
	for kind, most := range map[string]int{
		ledger.EventGrantIntended: 1, ledger.EventGranted: 1,
		ledger.EventRevokeIntended: 1, ledger.EventRevokeAccepted: 1, ledger.EventRevoked: 1,
	} {
		if again && (kind == ledger.EventRevokeIntended || kind == ledger.EventRevokeAccepted) {
			most = len(events)
		}
		if len(count[kind]) != len(w.ends) {
			t.Errorf("%s: %d requests, want %d", kind, len(count[kind]), len(w.ends))
		}
		for request, n := range count[kind] {
			if n > most {
				t.Errorf("%s: %d times for %s", kind, n, request)
			}
		}
	}
}
