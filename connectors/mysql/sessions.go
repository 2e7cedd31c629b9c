package mysql

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/tenure-dev/tenure/grants"
)

// sessionWait bounds the wait for sessions to go: one that is killed ends at its next
// look, which is at most milliseconds away unless it is stuck in I/O.
const sessionWait = 10 * time.Second

// EndSessions ends the sessions of accounts that lost something and have no other path
// to it, and returns when the server shows none of them. A session may have taken a
// role by SET ROLE, or a database's privileges by USE: it keeps them until its end.
//
// The server shows the user name of a session and not the account that it logged in
// to: accounts that share a user name lose their sessions together.
func (c *connector) EndSessions(ctx context.Context, lost []grants.Grant) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	items := map[held]bool{}
	for _, g := range lost {
		e, err := readText(g.Entitlement)
		if err != nil {
			return c.wrap("end sessions", err)
		}
		if a, err := readAccount(g.Account); err == nil && a.user != c.user { // else it cannot have a session, or is ours
			items[held{a, e}] = true
		}
	}
	err := retry(ctx, func() error {
		users, err := c.without(ctx, items)
		if err == nil && len(users) > 0 {
			err = c.seesAll(ctx)
		}
		if err == nil {
			err = c.end(ctx, users)
		}
		return err
	})
	if err != nil {
		return c.wrap("end sessions", err)
	}
	return nil
}

// without returns the user names that no longer have what they lost.
func (c *connector) without(ctx context.Context, items map[held]bool) ([]string, error) {
	s, err := c.who(ctx)
	if err != nil {
		return nil, err
	}
	want, roles := map[entitlement]bool{}, false
	for h := range items {
		want[h.entitlement] = true
		roles = roles || h.role != ""
		if h.kind != "" { // the same privilege on the whole database covers it
			want[entitlement{privilege: h.privilege, database: h.database}] = true
		}
	}
	now, err := c.holders(ctx, s, want)
	if err != nil {
		return nil, err
	}
	var above map[string][]account // who is granted a role, by its name
	if roles {
		if above, err = c.members(ctx, s); err != nil {
			return nil, err
		}
	}
	users := map[string]bool{}
	for h := range items {
		whole := held{h.account, entitlement{privilege: h.privilege, database: h.database}}
		if now[h] || h.kind != "" && now[whole] || h.role != "" && reaches(above, h.role, h.account) {
			continue
		}
		users[h.account.user] = true
	}
	return slices.Sorted(maps.Keys(users)), nil
}

// members returns the direct members of every role; a role among them has no host, or
// in MySQL any host.
func (c *connector) members(ctx context.Context, s server) (map[string][]account, error) {
	query := "SELECT Role, User, Host FROM mysql.roles_mapping"
	if !s.maria {
		query = "SELECT FROM_USER, TO_USER, TO_HOST FROM mysql.role_edges WHERE FROM_HOST = '%'"
	}
	res, err := c.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	above := map[string][]account{}
	err = scan(res, 3, func(v []string) { above[v[0]] = append(above[v[0]], account{v[1], v[2]}) })
	return above, err
}

// reaches reports whether a holds role, directly or through roles.
func reaches(above map[string][]account, role string, a account) bool {
	seen, next := map[string]bool{role: true}, []string{role}
	for len(next) > 0 {
		r := next[0]
		next = next[1:]
		for _, m := range above[r] {
			if m == a {
				return true
			}
			if (m.host == "" || m.host == "%") && !seen[m.user] {
				seen[m.user] = true
				next = append(next, m.user)
			}
		}
	}
	return false
}

// seesAll is an error where the server would show this login its own sessions only,
// which it does without a word.
func (c *connector) seesAll(ctx context.Context) error {
	me, err := c.me(ctx)
	if err != nil {
		return err
	}
	own, _, err := c.global(ctx, me)
	if err == nil && !own["PROCESS"] {
		err = errNoProcess
	}
	return err
}

var errNoProcess = errors.New("the reconciler's own login lacks the right PROCESS, so that the server hides other people's sessions from it; doctor names what is missing")

// end kills the sessions that these users have now and waits until they are gone.
func (c *connector) end(ctx context.Context, users []string) error {
	ctx, cancel := context.WithTimeout(ctx, sessionWait)
	defer cancel()
	told := map[string]bool{}
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		var left []string
		err := c.rows(ctx, "SELECT ID, USER FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND USER IN ", users, 2, func(v []string) {
			// The column is compared without regard to case; names are not.
			if slices.Contains(users, v[1]) && (len(told) == 0 || told[v[0]]) {
				left = append(left, v[0])
			}
		})
		if err != nil || len(left) == 0 {
			return err
		}
		if len(told) == 0 {
			var errs []error
			for _, id := range left {
				told[id] = true
				errs = append(errs, c.kill(ctx, id))
			}
			if err := errors.Join(errs...); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("sessions of %s do not end: %w", strings.Join(users, ", "), ctx.Err())
		case <-time.After(wait):
		}
	}
}

func (c *connector) kill(ctx context.Context, id string) error {
	_, err := c.db.ExecContext(ctx, "KILL CONNECTION "+id) // a number that the server gave us
	var me *mysql.MySQLError
	if errors.As(err, &me) && me.Number == 1094 { // it has gone by itself
		return nil
	}
	return err
}
