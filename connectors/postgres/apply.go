package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/connectors"
)

// writerLock is the key of the advisory lock that one writer holds for one
// transaction: two that change memberships at once fail with "tuple concurrently
// updated". It binds the connections to one database; for others there is retry.
const writerLock = 0x54454e555245 // "TENURE"

// statementError is the failure of one act's statement, which undid the whole batch.
type statementError struct{ err error }

func (e statementError) Error() string { return e.err.Error() }
func (e statementError) Unwrap() error { return e.err }

// readBackError says that the server shows something else than what an act was to
// reach.
type readBackError string

func (e readBackError) Error() string { return string(e) }

// Apply changes all memberships in one transaction and a handful of round trips, and
// reads them back in it. If a statement fails, the acts are done one by one.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	errs := make([]error, len(acts))
	if len(acts) == 0 {
		return errs
	}
	c.applyAll(ctx, acts, errs)
	c.removeEnded(ctx, acts, errs)
	c.dropUnheld(ctx, acts)
	return errs
}

func (c *connector) applyAll(ctx context.Context, acts []connectors.Act, errs []error) {
	err := retry(ctx, func() error {
		clear(errs)
		return c.change(ctx, acts, errs)
	})
	var bad statementError
	if errors.As(err, &bad) && len(acts) > 1 {
		for i := range acts {
			c.applyAll(ctx, acts[i:i+1], errs[i:i+1])
		}
		return
	}
	if err == nil {
		c.again(ctx, acts, errs)
	}
	for i, a := range acts {
		if err != nil && errs[i] == nil {
			errs[i] = err
		}
		if errs[i] != nil {
			verb := "grant"
			if a.Revoke {
				verb = "revoke"
			}
			e, acc := a.Grant.Entitlement, a.Grant.Account
			errs[i] = fmt.Errorf("%s: %s %s for %+.80q: %w", c.target, verb, e, acc, explain(errs[i]))
		}
	}
}

// again repeats, a few times, the acts whose result the read-back did not show: a
// writer that our lock does not reach (another database, an administrator) may have
// undone the fact on which a statement did nothing.
func (c *connector) again(ctx context.Context, acts []connectors.Act, errs []error) {
	for range 3 {
		var which []int
		var some []connectors.Act
		for i, err := range errs {
			var miss readBackError
			if errors.As(err, &miss) {
				which, some = append(which, i), append(some, acts[i])
			}
		}
		if len(some) == 0 || ctx.Err() != nil {
			return
		}
		res := make([]error, len(some))
		err := retry(ctx, func() error {
			clear(res)
			return c.change(ctx, some, res)
		})
		for j, i := range which {
			errs[i] = res[j]
			if err != nil {
				errs[i] = err
			}
		}
	}
}

// change is one attempt, in one transaction.
func (c *connector) change(ctx context.Context, acts []connectors.Act, errs []error) error {
	tx, err := c.pool.Begin(ctx)
	if err != nil {
		return err
	}
	// After a commit this does nothing. The context may have ended by then.
	defer tx.Rollback(context.WithoutCancel(ctx))
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(writerLock)); err != nil {
		return err
	}
	p := &plan{connector: c, acts: acts, errs: errs, want: map[pair]bool{}}
	if err := p.look(ctx, tx); err != nil {
		return err
	}
	for i := range acts {
		p.decide(i)
	}
	if len(p.statements) == 0 && len(p.direct) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	for _, s := range p.statements {
		batch.Queue(s)
	}
	results := tx.SendBatch(ctx, batch)
	for range p.statements {
		if _, err := results.Exec(); err != nil {
			_ = results.Close()
			if retryable(err) || ctx.Err() != nil {
				return err
			}
			return statementError{err}
		}
	}
	if err := results.Close(); err != nil {
		return err
	}
	if err := p.readBack(ctx, tx); err != nil {
		return err
	}
	if err := p.verify(ctx, tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// names returns every account and role that the acts are about.
func (c *connector) names(acts []connectors.Act) (accounts, all []string) {
	a, r := map[string]bool{}, map[string]bool{}
	for _, act := range acts {
		p, err := c.holdingOf(act.Grant)
		if err != nil || !canExist(p.account) || !canExist(p.role) {
			continue
		}
		a[p.account], r[p.role] = true, true
	}
	accounts = slices.Sorted(maps.Keys(a))
	maps.Copy(r, a)
	return accounts, slices.Sorted(maps.Keys(r))
}
