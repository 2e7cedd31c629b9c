package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/internal/e2e/stage"
	"github.com/tenure-dev/tenure/internal/pgtest"
)

// ordersRole is the role of the database that the requests of this file ask for.
const ordersRole = "orders_rw"

// ordersStage is a stage on the machine's clock with a real PostgreSQL as a target.
func ordersStage(t *testing.T, people []string, o stage.Options) (*stage.Stage, *pgtest.Server) {
	t.Helper()
	server, _ := pgServer(t, 0, 0)
	statements := []string{"CREATE ROLE " + ordersRole,
		`DO $$ BEGIN IF current_setting('server_version_num')::int >= 160000 THEN
			EXECUTE 'GRANT ` + ordersRole + ` TO tenure WITH ADMIN OPTION, INHERIT FALSE, SET FALSE'; END IF; END $$`}
	for _, p := range people {
		statements = append(statements, "CREATE ROLE "+p+" LOGIN")
	}
	server.Exec(t, "", statements...)
	o.RealClock, o.Postgres = true, server.DSNAs("tenure", "", "")
	o.Files = map[string]string{
		"targets/orders-db.yaml": `apiVersion: tenure.dev/v1
kind: Target
name: orders-db
connector: postgres
description: Orders database
allow: [{role: orders_rw}]
`,
		"groups/on-call.yaml": stage.Group("on-call", people...),
		"roles/orders.yaml": stage.Role("orders", "{target: orders-db, role: orders_rw}") +
			"emergency: {requesters: [on-call], maxDuration: 1h, reviewWithin: 24h}\n",
	}
	s := stage.New(t, o)
	s.Run()
	return s, server
}

// hasRole asks the database itself, and returns its clock after it looked.
func hasRole(t testing.TB, c *pgx.Conn, login string) (member bool, at time.Time) {
	t.Helper()
	err := c.QueryRow(t.Context(), "SELECT pg_has_role($1, $2, 'MEMBER'), clock_timestamp()", login, ordersRole).Scan(&member, &at)
	if err != nil {
		t.Fatal(err)
	}
	return member, at
}

// waitRole polls until the database gives the wanted answer, and returns when.
func waitRole(t testing.TB, c *pgx.Conn, login string, want bool) time.Time {
	t.Helper()
	for deadline := time.Now().Add(pgPatience); time.Now().Before(deadline); sleepFor(t, watchPause) {
		if member, at := hasRole(t, c, login); member == want {
			return at
		}
	}
	t.Fatalf("membership of %s was not %t within %s", login, want, pgPatience)
	return time.Time{}
}

// mergeAt merges so long after a full second, and returns when that was begun.
func mergeAt(t testing.TB, s *stage.Stage, number int, after time.Duration) time.Time {
	t.Helper()
	// An approval of the same second would not count: the next second, then later.
	sleepFor(t, time.Until(time.Now().Truncate(time.Second).Add(time.Second+after)))
	begun := time.Now()
	if _, err := s.Hub.Merge(stage.Repo, number, stage.Login("erin"), "merge"); err != nil {
		t.Fatal(err)
	}
	return begun
}

// TestFromMergeToMembershipToItsEnd measures the whole way with everything real
// but the forge, which is in this process: the daemon polls once a second. The
// merges are spread over the second, so that the poll is met at every phase.
func TestFromMergeToMembershipToItsEnd(t *testing.T) {
	people := []string{"alice", "bob", "dave", "frank"}
	s, server := ordersStage(t, people, stage.Options{})
	admin := pgConnect(t, server.DSN(""))
	pulls := map[string]int{}
	for _, p := range people {
		pulls[p] = s.Ask(p, map[string]string{"requests/" + p + ".yaml": stage.Request(p, "orders", "duration: 12s")})
		s.Approve(pulls[p], "carol")
	}
	var grantLags, endLags []time.Duration
	var pairs []pgPair
	for i, p := range people {
		if member, _ := hasRole(t, admin, p); member {
			t.Fatalf("%s is a member before the merge", p)
		}
		begun := mergeAt(t, s, pulls[p], 50*time.Millisecond+time.Duration(i)*time.Second/time.Duration(len(people)))
		grantLags = append(grantLags, waitRole(t, admin, p, true).Sub(begun))
		pairs = append(pairs, pgPair{p, ordersRole})
	}
	ends := map[string]time.Time{}
	pgUntil(t, "every hold", func() (bool, error) {
		for _, h := range s.Holds("orders-db") {
			ends[h.Account] = h.Until
		}
		return len(ends) == len(people), nil
	})
	sessions := openSessions(t, func(login string) string { return server.DSNAs(login, "", "") }, pairs)
	for _, p := range people {
		lag := waitRole(t, admin, p, false).Sub(ends[p])
		if lag < 0 {
			t.Fatalf("%s lost the role %s before the end", p, -lag)
		}
		endLags = append(endLags, lag)
	}
	sessionLags := sessions.lags(t, func(i int) time.Time { return ends[people[i]] }, admin)
	slices.Sort(grantLags)
	slices.Sort(endLags)
	t.Logf("merge to membership (poll 1s): %s", lagLine(grantLags))
	t.Logf("end to membership gone:        %s", lagLine(endLags))
	t.Logf("end to session ended:          %s", lagLine(sessionLags))
	if worst := max(grantLags[len(grantLags)-1], endLags[len(endLags)-1], sessionLags[len(sessionLags)-1]); worst > pgPatience {
		t.Fatalf("it took %s", worst)
	}
}

// TestAnEndNeedsNeitherGitNorForgeNorReceiver takes all of them away while access
// is held; it must end on time, sessions and all.
func TestAnEndNeedsNeitherGitNorForgeNorReceiver(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(receiver.Close)
	s, server := ordersStage(t, []string{"alice"}, stage.Options{Config: fmt.Sprintf("notify: {url: %s}", receiver.URL)})
	admin := pgConnect(t, server.DSN(""))
	n := s.Ask("alice", map[string]string{"requests/alice.yaml": stage.Request("alice", "orders", "duration: 8s")})
	s.Approve(n, "carol")
	mergeAt(t, s, n, 0)
	waitRole(t, admin, "alice", true)
	sessions := openSessions(t, func(login string) string { return server.DSNAs(login, "", "") }, []pgPair{{"alice", ordersRole}})

	s.HubDown()
	receiver.CloseClientConnections()
	receiver.Close()
	pgUntil(t, "the failure to read the branch", func() (bool, error) {
		return strings.Contains(s.Log(), "taking in the branch failed"), nil
	})
	holds := s.Holds("orders-db")
	if len(holds) != 1 {
		t.Fatalf("holds: %v", holds)
	}
	until := holds[0].Until
	lag := waitRole(t, admin, "alice", false).Sub(until)
	if lag < 0 || lag > pgPatience {
		t.Fatalf("the membership ended %s after the end of its window", lag)
	}
	ended := sessions.lags(t, func(int) time.Time { return until }, admin)
	pgUntil(t, "an empty ledger", func() (bool, error) { return len(s.Holds("orders-db")) == 0, nil })
	t.Logf("with Git, forge and receiver down: membership gone after %s, session after %s",
		lag.Round(time.Millisecond), ended[0].Round(time.Millisecond))
}
