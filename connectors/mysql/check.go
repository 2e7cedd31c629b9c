package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Check names the rights that the connection lacks for the entitlements in scope.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	miss := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{c.target}, args...)...))
	}
	s, err := c.who(ctx)
	if err != nil {
		return []error{c.wrap("connect", err)}
	}
	if n := major(s.version); s.maria && n < 1005 || !s.maria && n < 800 {
		miss("server version %s is too old: want MariaDB 10.5 or MySQL 8.0, or later", s.version)
	}
	me, err := c.me(ctx)
	if err != nil {
		return append(errs, c.wrap("check", err))
	}
	name := me.user + "@" + me.host
	var readOnly bool
	if err := c.db.QueryRowContext(ctx, "SELECT @@read_only").Scan(&readOnly); err != nil {
		return append(errs, c.wrap("check", err))
	}
	if readOnly {
		miss("the server is read-only; connect to the primary")
	}
	unread := c.unreadable(ctx, s)
	for _, table := range unread {
		miss("missing right: SELECT of %s on mysql.%s", name, table)
	}
	own, grantable, err := c.global(ctx, me)
	if err != nil {
		return append(errs, c.wrap("check", err))
	}
	if !own["PROCESS"] {
		miss("missing right: PROCESS of %s, to see sessions", name)
	}
	if !own["SUPER"] && !own["CONNECTION ADMIN"] && !own["CONNECTION_ADMIN"] {
		miss("missing right: CONNECTION ADMIN of %s (CONNECTION_ADMIN in MySQL), to end sessions", name)
	}
	for _, text := range scope {
		e, err := readText(text)
		if err == nil {
			err = c.allowed(s, e)
		}
		if err != nil {
			miss("%s: %w", text, err)
			continue
		}
		if e.unlocked {
			for _, right := range c.lacksForLocks(ctx, s, own) {
				miss("missing right: %s of %s, to lock and unlock accounts", right, name)
			}
			continue
		}
		var may bool
		right := "ADMIN OPTION of " + name + " on role " + strconv.Quote(e.role)
		if e.role != "" {
			may = own["ROLE_ADMIN"] || own["SUPER"]
			if !may && len(unread) == 0 {
				may, err = c.mayHandOnRole(ctx, s, me, e.role)
			}
		} else {
			right = strings.TrimPrefix(e.statement(s, false, nil), "GRANT ")
			right = strings.TrimSuffix(right, " TO ") + " WITH GRANT OPTION of " + name
			may = grantable[strings.ToUpper(e.privilege)]
			if !may && len(unread) == 0 {
				may, err = c.mayHandOn(ctx, s, me, e)
			}
		}
		if err != nil {
			return append(errs, c.wrap("check", err))
		}
		if !may {
			miss("missing right: %s", right)
		}
	}
	return errs
}

// lacksForLocks returns the rights that are missing to see and to change whether
// accounts are locked.
func (c *connector) lacksForLocks(ctx context.Context, s server, own map[string]bool) (missing []string) {
	if !own["CREATE USER"] {
		missing = append(missing, "CREATE USER")
	}
	if err := c.unlocked(ctx, s, func(string, string) {}); err != nil {
		table := "SELECT on mysql.global_priv"
		if !s.maria {
			table = "SELECT (account_locked) on mysql.user"
		}
		missing = append(missing, table)
	}
	return missing
}

// major is 1011 for 10.11.4 and 800 for 8.0.36.
func major(version string) int {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return 0
	}
	a, _ := strconv.Atoi(parts[0])
	b, _ := strconv.Atoi(parts[1])
	return a*100 + b
}

// unreadable returns the grant tables that this login may not read.
func (c *connector) unreadable(ctx context.Context, s server) (tables []string) {
	roles := "roles_mapping"
	if !s.maria {
		roles = "role_edges"
	}
	for _, table := range []string{"user", "db", "tables_priv", "procs_priv", roles} {
		column := "User"
		if table == "role_edges" {
			column = "TO_USER"
		}
		var n int
		if err := c.db.QueryRowContext(ctx, "SELECT COUNT("+column+") FROM mysql."+table).Scan(&n); err != nil {
			tables = append(tables, table)
		}
	}
	return tables
}

// me returns the account that the server takes this login for.
func (c *connector) me(ctx context.Context) (account, error) {
	var name string
	if err := c.db.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&name); err != nil {
		return account{}, err
	}
	i := strings.LastIndexByte(name, '@')
	if i < 0 {
		return account{}, errors.New("the server's name for the reconciler's own account cannot be read")
	}
	return account{name[:i], name[i+1:]}, nil
}

// global returns this login's global privileges, and those that it may hand on.
func (c *connector) global(ctx context.Context, me account) (own, grantable map[string]bool, err error) {
	own, grantable = map[string]bool{}, map[string]bool{}
	grantee := "'" + me.user + "'@'" + me.host + "'"
	err = c.rows(ctx, "SELECT PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE IN ",
		[]string{grantee}, 2, func(v []string) {
			own[v[0]] = true
			if v[1] == "YES" {
				grantable[v[0]] = true
			}
		})
	return own, grantable, err
}

func (c *connector) mayHandOnRole(ctx context.Context, s server, me account, role string) (may bool, err error) {
	query := "SELECT User, Host, Admin_option FROM mysql.roles_mapping WHERE Role IN "
	if !s.maria {
		query = "SELECT TO_USER, TO_HOST, WITH_ADMIN_OPTION FROM mysql.role_edges WHERE FROM_HOST = '%' AND FROM_USER IN "
	}
	err = c.rows(ctx, query, []string{role}, 3, func(v []string) {
		may = may || account{v[0], v[1]} == me && v[2] == "Y"
	})
	return may, err
}

// mayHandOn looks for the privilege with GRANT OPTION on the thing or its database.
func (c *connector) mayHandOn(ctx context.Context, s server, me account, e entitlement) (may bool, err error) {
	if column := databaseColumns()[e.privilege]; column != "" {
		patterns := []string{e.database, s.pattern(e.database)}
		err = c.rows(ctx, "SELECT User, Host, Grant_priv, "+column+" FROM mysql.db WHERE Db IN ", patterns, 4, func(v []string) {
			may = may || account{v[0], v[1]} == me && v[2] == "Y" && v[3] == "Y"
		})
	}
	query := ""
	switch e.kind {
	case "table":
		query = "SELECT User, Host, Table_name, LOWER(Table_priv) FROM mysql.tables_priv WHERE Db IN "
	case "function", "procedure":
		query = "SELECT User, Host, Routine_name, LOWER(Proc_priv) FROM mysql.procs_priv WHERE Routine_type = '" + strings.ToUpper(e.kind) + "' AND Db IN "
	}
	if err != nil || query == "" {
		return may, err
	}
	err = c.rows(ctx, query, []string{e.database}, 4, func(v []string) {
		words := strings.Split(v[3], ",")
		may = may || account{v[0], v[1]} == me && v[2] == e.thing && slices.Contains(words, "grant") && slices.Contains(words, e.privilege)
	})
	return may, err
}
