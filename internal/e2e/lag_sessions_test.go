package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pgSessions are live sessions of people who hold something, doing what sessions
// do: waiting, sitting in a transaction, running a statement. Every second one has
// taken on its role with SET ROLE, which a revoke alone does not undo.
type pgSessions struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	ends map[int]time.Time // by session: when the client was told
	errs []error           // ends that were something else than 57P01
	pids []uint32
}

func openSessions(t testing.TB, dsn func(login string) string, pairs []pgPair) *pgSessions {
	t.Helper()
	s := &pgSessions{ends: map[int]time.Time{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(func() { cancel(); s.wg.Wait() })
	for i, p := range pairs {
		c := pgConnect(t, dsn(p.login))
		s.pids = append(s.pids, c.PgConn().PID())
		statements := []string{}
		if i%2 == 0 {
			statements = append(statements, "SET ROLE "+p.role)
		}
		wait := func() error { _, err := c.WaitForNotification(ctx); return err }
		switch i % 3 {
		case 1:
			statements = append(statements, "BEGIN")
		case 2:
			wait = func() error { _, err := c.Exec(ctx, "SELECT pg_sleep(3600)"); return err }
		}
		for _, q := range statements {
			if _, err := c.Exec(t.Context(), q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		s.wg.Go(func() { s.note(i, wait()) })
	}
	return s
}

func (s *pgSessions) note(i int, err error) {
	at := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends[i] = at
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != "57P01" {
		s.errs = append(s.errs, fmt.Errorf("a session ended with something else than admin_shutdown: %w", err))
	}
}

// lags returns how long after the end of its window each client was told, sorted.
func (s *pgSessions) lags(t testing.TB, until func(i int) time.Time, admin *pgx.Conn) []time.Duration {
	t.Helper()
	pgUntil(t, "the end of every session", func() (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.ends) == len(s.pids), nil
	})
	s.wg.Wait()
	if len(s.errs) > 0 {
		t.Fatal(errors.Join(s.errs...))
	}
	var left int
	if err := admin.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1)", s.pids).Scan(&left); err != nil || left > 0 {
		t.Fatalf("the server still shows %d of the sessions: %v", left, err)
	}
	var out []time.Duration
	for i, at := range s.ends {
		lag := at.Sub(until(i))
		if lag < 0 {
			t.Fatalf("a session was ended %s before its window", -lag)
		}
		out = append(out, lag)
	}
	slices.Sort(out)
	return out
}
