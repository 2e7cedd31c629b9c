package postgres

import (
	"context"
	_ "embed"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tenure-dev/tenure/connectors"
)

var (
	//go:embed sql/ended_logins.sql
	endedLoginsSQL string
	//go:embed sql/end_login_sessions.sql
	endLoginSessionsSQL string
)

// removeEnded drops the logins that we made and that hold nothing any more. They can
// no longer log in since the transaction of their last revoke; a crash in between
// leaves them for the next batch. One that owns objects cannot be dropped: it stays
// without login and Check names it, because whose the objects should be is for
// people to say.
func (c *connector) removeEnded(ctx context.Context, acts []connectors.Act, errs []error) {
	if !slices.ContainsFunc(acts, func(a connectors.Act) bool { return a.Revoke }) {
		return
	}
	var ended []string
	err := retry(ctx, func() (err error) {
		ended, err = c.endedLogins(ctx)
		return err
	})
	if err == nil && len(ended) > 0 {
		// Sessions do not end with the login that they belong to.
		err = c.endUntilNone(ctx, endLoginSessionsSQL, ended)
	}
	for _, name := range ended {
		if err != nil {
			break
		}
		err = retry(ctx, func() error { return c.dropLogin(ctx, name) })
	}
	if err == nil {
		return
	}
	for i, a := range acts {
		if a.Revoke && errs[i] == nil && slices.Contains(ended, a.Grant.Account) {
			errs[i] = c.wrap("remove the login that was made for "+a.Grant.Account, err)
		}
	}
}

func (c *connector) endedLogins(ctx context.Context) ([]string, error) {
	rows, err := c.pool.Query(ctx, endedLoginsSQL, c.mark)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// dropLogin looks again under the writer's lock: a grant may have brought the login
// back in the meantime.
func (c *connector) dropLogin(ctx context.Context, name string) error {
	err := pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(writerLock)); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, endedLoginsSQL, c.mark)
		if err != nil {
			return err
		}
		still, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || !slices.Contains(still, name) {
			return err
		}
		_, err = tx.Exec(ctx, "DROP ROLE "+quote(name))
		return err
	})
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == "2BP01" { // dependent_objects_still_exist
		return nil
	}
	return err
}
