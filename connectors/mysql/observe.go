package mysql

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/grants"
)

// held is one entry of the grant tables.
type held struct {
	account account
	entitlement
}

// Observe reads the grant tables themselves: what SHOW GRANTS and information_schema
// print cannot be read back where names hold quotes.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	want := map[entitlement]bool{}
	for _, text := range scope {
		e, err := readText(text)
		if err != nil {
			return nil, c.wrap("observe", err)
		}
		want[e] = true
	}
	var out []grants.Grant
	err := retry(ctx, func() error {
		s, err := c.who(ctx)
		if err != nil {
			return err
		}
		found, err := c.holders(ctx, s, want)
		out = nil
		for h := range found {
			out = append(out, grants.Grant{Target: c.target, Account: h.account.String(), Entitlement: h.text()})
		}
		return err
	})
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	return out, nil
}

// holders returns the entries of what is wanted, in at most five queries for every
// thousand names.
func (c *connector) holders(ctx context.Context, s server, want map[entitlement]bool) (map[held]bool, error) {
	found := map[held]bool{}
	var roles, patterns, tables, routines []string
	for e := range want {
		switch {
		case e.unlocked: // asked for below
		case e.role != "":
			roles = append(roles, e.role)
		case e.kind == "":
			patterns = append(patterns, s.pattern(e.database))
		case e.kind == "table":
			tables = append(tables, e.database)
		default:
			routines = append(routines, e.database)
		}
	}
	add := func(user, host string, e entitlement) {
		// A role that holds something has no host in MariaDB; it is nobody's account.
		if host != "" && user != "" && want[e] {
			found[held{account{user, host}, e}] = true
		}
	}
	query := "SELECT Role, User, Host FROM mysql.roles_mapping WHERE Role IN "
	if !s.maria {
		query = "SELECT FROM_USER, TO_USER, TO_HOST FROM mysql.role_edges WHERE FROM_HOST = '%' AND FROM_USER IN "
	}
	err := c.rows(ctx, query, roles, 3, func(v []string) { add(v[1], v[2], entitlement{role: v[0]}) })

	columns := databaseColumns()
	words := slices.Sorted(maps.Keys(columns))
	query = "SELECT Db, User, Host"
	for _, w := range words {
		query += ", " + columns[w]
	}
	names := map[string]string{}
	for e := range want {
		if e.role == "" && e.kind == "" {
			names[s.pattern(e.database)] = e.database
		}
	}
	err = errors.Join(err, c.rows(ctx, query+" FROM mysql.db WHERE Db IN ", patterns, 3+len(words), func(v []string) {
		name, ok := names[v[0]]
		for i, w := range words {
			if ok && v[3+i] == "Y" {
				add(v[1], v[2], entitlement{privilege: w, database: name})
			}
		}
	}))
	err = errors.Join(err, c.rows(ctx, "SELECT Db, User, Host, Table_name, Table_priv FROM mysql.tables_priv WHERE Db IN ", tables, 5, func(v []string) {
		for w := range strings.SplitSeq(strings.ToLower(v[4]), ",") {
			add(v[1], v[2], entitlement{privilege: w, database: v[0], kind: "table", thing: v[3]})
		}
	}))
	err = errors.Join(err, c.rows(ctx, "SELECT Db, User, Host, Routine_name, LOWER(Routine_type), Proc_priv FROM mysql.procs_priv WHERE Db IN ", routines, 6, func(v []string) {
		for w := range strings.SplitSeq(strings.ToLower(v[5]), ",") {
			add(v[1], v[2], entitlement{privilege: w, database: v[0], kind: v[4], thing: v[3]})
		}
	}))
	if want[entitlement{unlocked: true}] {
		err = errors.Join(err, c.unlocked(ctx, s, func(user, host string) { add(user, host, entitlement{unlocked: true}) }))
	}
	return found, err
}

// unlocked hands over the accounts that are not locked. Only the table that holds the
// secrets of accounts says so in MariaDB.
func (c *connector) unlocked(ctx context.Context, s server, each func(user, host string)) error {
	query := "SELECT User, Host FROM mysql.user WHERE account_locked = 'N'"
	if s.maria {
		query = "SELECT User, Host FROM mysql.global_priv WHERE NOT JSON_CONTAINS(Priv, 'true', '$.is_role') IS TRUE AND NOT JSON_CONTAINS(Priv, 'true', '$.account_locked') IS TRUE"
	}
	res, err := c.db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	return scan(res, 2, func(v []string) { each(v[0], v[1]) })
}

// rows runs a query that ends in IN with lists of names, and hands over each row.
func (c *connector) rows(ctx context.Context, query string, names []string, columns int, row func([]string)) error {
	slices.Sort(names)
	for part := range slices.Chunk(slices.Compact(names), 1000) {
		args := make([]any, len(part))
		for i, n := range part {
			args[i] = n
		}
		res, err := c.db.QueryContext(ctx, query+"("+strings.Repeat("?, ", len(part)-1)+"?)", args...)
		if err != nil {
			return err
		}
		if err := scan(res, columns, row); err != nil {
			return err
		}
	}
	return nil
}

func scan(res *sql.Rows, columns int, row func([]string)) error {
	defer res.Close()
	values, into := make([]string, columns), make([]any, columns)
	for i := range values {
		into[i] = &values[i]
	}
	for res.Next() {
		if err := res.Scan(into...); err != nil {
			return err
		}
		row(values)
	}
	return res.Err()
}

// accounts returns which of these exist as accounts that people log in with.
func (c *connector) accounts(ctx context.Context, s server, some map[account]bool) (map[account]bool, error) {
	var users []string
	for a := range some {
		users = append(users, a.user)
	}
	query := "SELECT User, Host, 'N' FROM mysql.user WHERE User IN "
	if s.maria {
		query = "SELECT User, Host, is_role FROM mysql.user WHERE User IN "
	}
	found := map[account]bool{}
	err := c.rows(ctx, query, users, 3, func(v []string) {
		if a := (account{v[0], v[1]}); v[2] != "Y" && some[a] {
			found[a] = true
		}
	})
	return found, err
}
