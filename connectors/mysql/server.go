package mysql

import (
	"context"
	"strings"
)

// server is what the statements depend on.
type server struct {
	version       string
	maria         bool
	foldsCase     bool // names of databases and tables are kept in lower case
	partialRevoke bool // MySQL: names of databases are no patterns
}

// who asks the server what it is.
func (c *connector) who(ctx context.Context) (s server, err error) {
	var lower int
	if err := c.db.QueryRowContext(ctx, "SELECT VERSION(), @@lower_case_table_names").Scan(&s.version, &lower); err != nil {
		return s, err
	}
	s.maria, s.foldsCase = strings.Contains(s.version, "MariaDB"), lower != 0
	if !s.maria {
		err = c.db.QueryRowContext(ctx, "SELECT @@partial_revokes").Scan(&s.partialRevoke)
	}
	return s, err
}

// role names a role: in MySQL it is an account like any other.
func (s server) role(name string) string {
	if s.maria {
		return quote(name)
	}
	return account{name, "%"}.sql()
}

// pattern writes the name of a database for a grant on it, where _ and % would stand
// for any characters: a grant on orders_db would be one on ordersXdb, too.
func (s server) pattern(database string) string {
	if s.partialRevoke {
		return database
	}
	return strings.NewReplacer(`\`, `\\`, `_`, `\_`, `%`, `\%`).Replace(database)
}
