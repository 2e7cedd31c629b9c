package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

var errPooler = errors.New("the connection goes through a pooler that shares sessions between clients (such as PgBouncer in transaction mode); leases need a direct connection: use the server's own host and port")

// checkDirect reports errPooler unless two connections are two sessions that each
// keep what is set in them.
//
// Its statements are the simplest kind, in the simplest protocol: prepared ones
// would fail behind a pooler with an error that does not say why.
func checkDirect(ctx context.Context, cc *pgx.ConnConfig) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cc = cc.Copy()
	cc.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	for k := range settings() {
		delete(cc.RuntimeParams, k)
	}
	var conns [2]*pgx.Conn
	for i := range conns {
		if conns[i], err = pgx.ConnectConfig(ctx, cc); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		defer func() { err = errors.Join(err, conns[i].Close(context.WithoutCancel(ctx))) }()
	}
	var marks [2]string
	var pids [2]int32
	for i, c := range conns {
		marks[i] = rand.Text()
		if err := c.QueryRow(ctx, `SELECT pg_backend_pid(), set_config('tenure.session', $1, false)`, marks[i]).Scan(&pids[i], new(string)); err != nil {
			return fmt.Errorf("ask for the session: %w", err)
		}
	}
	// In an order that neither a pooler that lends the session used last nor one
	// that lends them in turn answers like two sessions would.
	for _, i := range []int{0, 0, 1, 0, 1, 1, 1, 0} {
		var pid int32
		var mark string
		err := conns[i].QueryRow(ctx, `SELECT pg_backend_pid(), COALESCE(current_setting('tenure.session', true), '')`).Scan(&pid, &mark)
		if err != nil {
			return fmt.Errorf("ask for the session again: %w", err)
		}
		if pid != pids[i] || mark != marks[i] {
			return errPooler
		}
	}
	if pids[0] == pids[1] {
		return errPooler
	}
	return nil
}
