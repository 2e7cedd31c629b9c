package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// database is a real PostgreSQL that takes part in the story.
type database struct{ conn *pgx.Conn }

// The role of the orders database, and who asks for it.
const (
	dbRole  = "orders_rw"
	dbLogin = "alice"
)

// prepareDatabase makes the roles that the example's targets name, where they are
// missing. It grants nothing.
func prepareDatabase(ctx context.Context, dsn string) (*database, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("--postgres: could not connect; give the DSN of an administrator of a database that you can spare")
	}
	for role, attributes := range map[string]string{"orders_ro": "NOLOGIN", dbRole: "NOLOGIN", dbLogin: "LOGIN"} {
		var there bool
		err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role).Scan(&there)
		if err == nil && !there {
			_, err = conn.Exec(ctx, "CREATE ROLE "+pgx.Identifier{role}.Sanitize()+" "+attributes)
		}
		if err != nil {
			return nil, fmt.Errorf("--postgres: prepare role %s: %w", role, err)
		}
	}
	return &database{conn}, nil
}

func (d *database) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = d.conn.Close(ctx)
}

// member asks the database itself.
func (d *database) member(ctx context.Context) (bool, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var member bool
	err := d.conn.QueryRow(ctx, "SELECT pg_has_role($1, $2, 'MEMBER')", dbLogin, dbRole).Scan(&member)
	if member {
		return true, dbLogin + " is a member of " + dbRole, err
	}
	return false, dbLogin + " is not a member of " + dbRole, err
}
