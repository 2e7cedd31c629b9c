package postgres

import (
	"context"
	_ "embed"
	"errors"
	"slices"
	"strings"

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
	for names := range slices.Chunk(ended, dropAtOnce) {
		if err == nil {
			err = c.dropLogins(ctx, names)
		}
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

// dropAtOnce is how many logins one transaction drops: each takes locks, of which a
// server has a few thousand.
const dropAtOnce = 100

// dropLogins drops those logins that can be dropped: all at once, or, when one of
// them cannot be, each half on its own.
func (c *connector) dropLogins(ctx context.Context, names []string) error {
	err := retry(ctx, func() error { return c.tryDrop(ctx, names) })
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != "2BP01" { // dependent_objects_still_exist
		return err
	}
	if len(names) == 1 {
		return nil
	}
	half := len(names) / 2
	if err := c.dropLogins(ctx, names[:half]); err != nil {
		return err
	}
	return c.dropLogins(ctx, names[half:])
}

// tryDrop looks again under the writer's lock: a grant may have brought a login
// back in the meantime.
func (c *connector) tryDrop(ctx context.Context, names []string) error {
	return pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(writerLock)); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, endedLoginsSQL, c.mark)
		if err != nil {
			return err
		}
		still, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		var drop []string
		for _, name := range names {
			if slices.Contains(still, name) {
				drop = append(drop, quote(name))
			}
		}
		if len(drop) == 0 {
			return nil
		}
		_, err = tx.Exec(ctx, "DROP ROLE "+strings.Join(drop, ", "))
		return err
	})
}
