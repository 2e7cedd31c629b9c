package e2e_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger/open"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

// TestTheProgramIsKilledAtRandomMoments lets the real program work on a stream of
// starts and ends, kills it with SIGKILL again and again, every third time while a
// change of the database hangs in the middle, and looks after each kill whether the
// ledger knows of every membership. Git, the forge and the receiver of notices are
// down all the while.
func TestTheProgramIsKilledAtRandomMoments(t *testing.T) {
	bin := buildReconciler(t)
	for _, kind := range ledgerKinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			killAtRandom(t, bin, kind.url(t))
		})
	}
}

func killAtRandom(t *testing.T, bin, url string) {
	server, pairs := pgServer(t, 60, 5)
	admin := pgConnect(t, server.DSN(""))
	config := processConfig(t, url, server)

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // moments, not secrets
	begin := time.Now().UTC()
	last := begin
	var decisions []grants.Decision
	for _, p := range pairs {
		from := begin.Add(time.Duration(random.IntN(6000)) * time.Millisecond)
		until := from.Add(time.Second + time.Duration(random.IntN(3000))*time.Millisecond)
		decisions = append(decisions, pgDecision(p, from, until))
		if until.After(last) {
			last = until
		}
	}
	led := openPGLedger(t, url)
	pgDecide(t, led, decisions...)
	if err := led.Close(); err != nil {
		t.Fatal(err)
	}

	var kills, midAct, members int
	wall := &barrier{t: t, dsn: server.DSN("")}
	defer wall.open()
	for time.Now().Before(last) {
		p := startProcess(t, bin, config)
		if kills%3 == 2 {
			wall.close()
			pgUntilOr(t, 3*time.Second, wall.reached)
		}
		sleepFor(t, time.Duration(100+random.IntN(900))*time.Millisecond)
		p.kill()
		wall.open()
		kills++
		n, interrupted := everyMemberIsKnown(t, admin, url)
		members += n
		midAct += interrupted
	}
	p := startProcess(t, bin, config)
	nothingIsLeft(t, admin, url)
	p.kill()
	if kills > 6 && (members == 0 || midAct == 0) {
		t.Fatalf("%d kills found %d memberships and %d open acts: nothing was tested", kills, members, midAct)
	}
	t.Logf("%d kills; %d memberships were seen after them, %d holds were in the middle of an act", kills, members, midAct)
}

// pgUntilOr waits until look says yes, but not longer than limit.
func pgUntilOr(t testing.TB, limit time.Duration, look func() (bool, error)) {
	t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); sleepFor(t, 5*time.Millisecond) {
		if ok, err := look(); err != nil {
			t.Fatal(err)
		} else if ok {
			return
		}
	}
}

// sleepFor lets real time pass for a process that is not ours to command.
func sleepFor(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	case <-time.After(d):
	}
}

// readHolds reads the ledger of a process that is dead or alive.
func readHolds(t testing.TB, url string) []grants.Hold {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), pgPatience)
	defer cancel()
	led, err := open.ReadOnly(ctx, url, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer led.Close()
	holds, err := led.Holds(ctx, pgTarget)
	if err != nil {
		t.Fatal(err)
	}
	return holds
}

// everyMemberIsKnown fails the test if somebody is a member of something that the
// ledger does not hold. It returns how many members there are and how many acts
// were interrupted.
func everyMemberIsKnown(t testing.TB, admin *pgx.Conn, url string) (members, interrupted int) {
	t.Helper()
	_, held, err := pgMembers(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, h := range readHolds(t, url) {
		known[h.Account+"/"+h.Role] = true
		if !h.Deadline.IsZero() {
			interrupted++
		}
	}
	for m := range held {
		if !known[m] {
			t.Fatalf("the ledger does not know of %s", m)
		}
	}
	return len(held), interrupted
}

// nothingIsLeft waits until the target has no member and the ledger no hold, and
// verifies the ledger.
func nothingIsLeft(t testing.TB, admin *pgx.Conn, url string) {
	t.Helper()
	pgUntil(t, "the end of every membership", func() (bool, error) {
		_, held, err := pgMembers(t.Context(), admin)
		return len(held) == 0, err
	})
	pgUntil(t, "an empty ledger", func() (bool, error) { return len(readHolds(t, url)) == 0, nil })
	if _, held, err := pgMembers(t.Context(), admin); err != nil || len(held) > 0 {
		t.Fatalf("access came back: %v, %v", held, err)
	}
	led, err := open.ReadOnly(t.Context(), url, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer led.Close()
	if err := led.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestTheDatabaseIsKilledInTheMiddleOfABatch kills the server with SIGKILL while a
// batch of grants hangs in it, restarts it, and does the same with the revokes.
func TestTheDatabaseIsKilledInTheMiddleOfABatch(t *testing.T) {
	server, pairs := pgServer(t, 50, 4)
	url := "sqlite://" + filepath.Join(t.TempDir(), "ledger.db")
	led := openPGLedger(t, url)
	t.Cleanup(func() { _ = led.Close() })
	target := pgConnector(t, server)
	t.Cleanup(func() { _ = target.Close() })
	wall := &barrier{t: t, dsn: server.DSN("")}
	defer wall.open()

	wall.close()
	stop := pgRunEngine(t, pgEngine(t, led, target, 2*time.Second))
	now := time.Now().UTC()
	var decisions []grants.Decision
	for _, p := range pairs {
		decisions = append(decisions, pgDecision(p, now, now.Add(time.Hour)))
	}
	pgDecide(t, led, decisions...)
	killInBatch(t, server, wall)
	pgUntil(t, "every membership", func() (bool, error) {
		n, err := countMembers(t, server)
		return n == len(pairs), err
	})
	ends := grantAll(t, led, func(d ...grants.Decision) { pgDecide(t, led, d...) }, pairs, 0, func() (map[string]bool, error) {
		_, held, err := pgMembersOnce(t, server)
		return held, err
	})

	wall.close()
	killInBatch(t, server, wall)
	pgUntil(t, "the end of every membership", func() (bool, error) {
		n, err := countMembers(t, server)
		return n == 0, err
	})
	// Those that may still take effect stay owned until their hard deadline.
	pgUntil(t, "an empty ledger", func() (bool, error) {
		holds, err := led.Holds(t.Context(), pgTarget)
		return len(holds) == 0, err
	})
	stop()
	if time.Now().Before(ends[pairs[0].String()]) {
		t.Fatal("the memberships ended early")
	}
	if err := led.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func killInBatch(t *testing.T, server *pgtest.Server, wall *barrier) {
	t.Helper()
	pgUntil(t, "a batch in the middle", wall.reached)
	server.Kill()
	wall.open()
	server.Restart(t)
}

func countMembers(t testing.TB, server *pgtest.Server) (int, error) {
	t.Helper()
	_, held, err := pgMembersOnce(t, server)
	return len(held), err
}

// pgMembersOnce is pgMembers on a connection of its own, for a server that comes
// and goes.
func pgMembersOnce(t testing.TB, server *pgtest.Server) (time.Time, map[string]bool, error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN(""))
	if err != nil {
		return time.Time{}, nil, err
	}
	defer conn.Close(t.Context())
	return pgMembers(t.Context(), conn)
}
