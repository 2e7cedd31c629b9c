package e2e_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// lagRoles is how many roles each login holds; see lagLogins.
const lagRoles = 10

// TestManyGrantsEndInTheSameSecond lets 1,000 memberships of 100 people end at one
// instant, with 50 of their sessions open, and prints how late the database itself
// says they ended. It fails on wrong order, on anything left and on nothing else:
// how fast the machine is, is no reason.
func TestManyGrantsEndInTheSameSecond(t *testing.T) {
	for _, kind := range ledgerKinds {
		t.Run(kind.name, func(t *testing.T) { endTogether(t, kind.url(t), 0) })
	}
}

// TestManyGrantsEndOverOneSecond is the same with an end of its own for each of
// them, a millisecond apart.
func TestManyGrantsEndOverOneSecond(t *testing.T) {
	for _, kind := range ledgerKinds {
		t.Run(kind.name, func(t *testing.T) { endTogether(t, kind.url(t), time.Millisecond) })
	}
}

// BenchmarkLagOfAThousandEnds reports the lags of one such end as parts of the
// second that is promised: gone-p99/s of the memberships, sessions-max/s of the
// sessions.
func BenchmarkLagOfAThousandEnds(b *testing.B) {
	for _, kind := range ledgerKinds {
		b.Run(kind.name, func(b *testing.B) {
			var gone, ended []time.Duration
			for b.Loop() {
				gone, ended = endTogether(b, kind.url(b), 0)
			}
			b.ReportMetric(quantile(gone, 0.99).Seconds(), "gone-p99/s")
			b.ReportMetric(ended[len(ended)-1].Seconds(), "sessions-max/s")
		})
	}
}

// endTogether returns how long after their ends the memberships and the sessions
// were gone, both sorted.
func endTogether(t testing.TB, url string, apart time.Duration) (gone, ended []time.Duration) {
	server, pairs := pgServer(t, lagLogins, lagRoles)
	admin := pgConnect(t, server.DSN(""))
	led := openPGLedger(t, url)
	t.Cleanup(func() { _ = led.Close() })
	target := pgConnector(t, server)
	t.Cleanup(func() { _ = target.Close() })
	p := &phases{}
	stop := pgRunEngine(t, pgEngine(t, timedLedger{led, p}, timedTarget{target, p}, 30*time.Second))

	ends := grantAll(t, led, func(d ...grants.Decision) { pgDecide(t, led, d...) }, pairs, apart, func() (map[string]bool, error) {
		_, held, err := pgMembers(t.Context(), admin)
		return held, err
	})
	first := ends[pairs[0].String()]
	var people []pgPair
	for i := 0; i < len(pairs) && len(people) < 50; i += lagRoles {
		people = append(people, pairs[i]) // with the role of each that ends first
	}
	sessions := openSessions(t, func(login string) string { return server.DSNAs(login, "", "") }, people)
	w, stopWatching := watchMembers(t, server.DSN(""), ends)

	gone = w.lags(t)
	ended = sessions.lags(t, func(i int) time.Time { return ends[people[i].String()] }, admin)
	stopWatching()
	pgUntil(t, "an empty ledger", func() (bool, error) {
		holds, err := led.Holds(t.Context(), "")
		return len(holds) == 0, err
	})
	pgUntil(t, "the end of every request", func() (bool, error) {
		events, err := led.Events(t.Context(), ledger.Filter{Kinds: []string{ledger.EventEnded}})
		return len(events) == len(pairs), err
	})
	stop()
	if err := led.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	verified, err := led.Events(t.Context(), ledger.Filter{Kinds: []string{ledger.EventRevoked}})
	if err != nil || len(verified) != len(pairs) {
		t.Fatalf("%d revokes were read back, want %d (%v)", len(verified), len(pairs), err)
	}
	t.Logf("expiry to membership gone: %s (database's clock, %d looks)", lagLine(gone), w.looks)
	t.Logf("expiry to session ended:   %s (client told)", lagLine(ended))
	t.Logf("steps from the first expiry on:%s", p.since(first))
	if worst := max(gone[len(gone)-1], ended[len(ended)-1]); worst > pgPatience {
		t.Fatalf("access outlived its window by %s", worst)
	}
	return gone, ended
}

// grantAll decides for every pair and waits until all are members. A machine that
// needs longer than the window gets a longer one, as a person would.
func grantAll(t testing.TB, led *ledger.Ledger, decide func(...grants.Decision), pairs []pgPair, apart time.Duration, look func() (map[string]bool, error)) map[string]time.Time {
	t.Helper()
	for window := 6 * time.Second; window < 10*time.Minute; window *= 3 {
		now := time.Now().UTC()
		last := now.Add(window).Truncate(time.Second)
		ends := make(map[string]time.Time, len(pairs))
		var decisions []grants.Decision
		for i, pair := range pairs {
			ends[pair.String()] = last.Add(time.Duration(i) * apart)
			decisions = append(decisions, pgDecision(pair, now, ends[pair.String()]))
		}
		decide(decisions...)
		for time.Until(last) > 3*time.Second {
			held, err := look()
			if err != nil {
				t.Fatal(err)
			}
			holds, err := led.Holds(t.Context(), pgTarget)
			if err != nil {
				t.Fatal(err)
			}
			granted := len(holds) == len(pairs) && !slices.ContainsFunc(holds, func(h grants.Hold) bool {
				return h.State != grants.StateHeld || !h.Until.Equal(ends[h.Account+"/"+h.Role])
			})
			if granted && len(held) == len(pairs) {
				return ends
			}
			time.Sleep(20 * time.Millisecond) // a real server is polled
		}
	}
	t.Fatal("the memberships were never all there")
	return nil
}
