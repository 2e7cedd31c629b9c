package postgres

import (
	"context"
	_ "embed"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/connectors"
)

//go:embed sql/unheld.sql
var unheldSQL string

// dropUnheld drops the roles of privileges that nobody holds any more. It is tidying:
// a role without members gives nothing to anybody, so an error here is no error of
// the revoke. What is left is tried again at the next revoke, and Check names it.
func (c *connector) dropUnheld(ctx context.Context, acts []connectors.Act) {
	if !slices.ContainsFunc(acts, func(a connectors.Act) bool {
		h, err := c.holdingOf(a.Grant)
		return a.Revoke && err == nil && h.direct
	}) {
		return
	}
	names, err := c.unheld(ctx, c.pool)
	if err != nil {
		return
	}
	for _, name := range names {
		_ = retry(ctx, func() error { return c.tryDropOwned(ctx, name) })
	}
}

// unheld returns the roles that carry our mark for their own name.
func (c *connector) unheld(ctx context.Context, q querier) (names []string, err error) {
	prefix := ownedMarkPrefix(c.target)
	rows, err := q.Query(ctx, unheldSQL, prefix)
	if err != nil {
		return nil, err
	}
	var name, comment string
	_, err = pgx.ForEachRow(rows, []any{&name, &comment}, func() error {
		if name == ownedName(c.target, strings.TrimPrefix(comment, prefix)) {
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// tryDropOwned looks again under the writer's lock: a grant may have come. The role
// owns nothing, so nothing has to be reassigned: its privileges are taken and it goes.
func (c *connector) tryDropOwned(ctx context.Context, name string) error {
	return pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(writerLock)); err != nil {
			return err
		}
		still, err := c.unheld(ctx, tx)
		if err != nil || !slices.Contains(still, name) {
			return err
		}
		has, err := rights(ctx, tx, []string{name})
		if err != nil {
			return err
		}
		for _, s := range append(takeFrom(name, has[name]), "DROP ROLE "+quote(name)) {
			if _, err := tx.Exec(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
}
