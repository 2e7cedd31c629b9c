package postgres

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/grants"
)

//go:embed sql/end_sessions.sql
var endSessionsSQL string

// sessionWait bounds the wait for sessions to go: a backend that is told to end does
// so at its next look, which is at most milliseconds away unless it is stuck in I/O.
const sessionWait = 10 * time.Second

// EndSessions ends the sessions of accounts that lost a role and have no other path
// to it, and returns when the server shows none of them.
func (c *connector) EndSessions(ctx context.Context, lost []grants.Grant) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var accounts, roles []string
	var direct []bool
	for _, g := range lost {
		p, err := c.holdingOf(g)
		if err != nil {
			return c.wrap("end sessions", err)
		}
		if canExist(p.account) && canExist(p.role) {
			accounts, roles, direct = append(accounts, p.account), append(roles, p.role), append(direct, p.direct)
		}
	}
	if len(accounts) == 0 {
		return nil
	}
	if err := c.endUntilNone(ctx, endSessionsSQL, accounts, roles, direct); err != nil {
		return c.wrap("end sessions", err)
	}
	return nil
}

// endUntilNone repeats a query that tells sessions to end and returns their users,
// until it finds none.
func (c *connector) endUntilNone(ctx context.Context, query string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, sessionWait)
	defer cancel()
	var left []string
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := retry(ctx, func() error {
			rows, err := c.pool.Query(ctx, query, args...)
			if err != nil {
				return err
			}
			left = left[:0]
			var user string
			var told bool
			_, err = pgx.ForEachRow(rows, []any{&user, &told}, func() error {
				left = append(left, user)
				return nil
			})
			return err
		})
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			slices.Sort(left)
			return fmt.Errorf("sessions of %s do not end: %w", strings.Join(slices.Compact(left), ", "), ctx.Err())
		case <-time.After(wait):
		}
	}
}
