package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tenure-dev/tenure/grants"
)

// Holds returns the holds on a target, sorted by grant; an empty target means all.
func (l *Ledger) Holds(ctx context.Context, target string) ([]grants.Hold, error) {
	sql := `SELECT target, account, entitlement, subject, role, spec, state, pre_existing, since, until,
		deadline, holders, revoked, failures, retry_at, last_error FROM holds`
	var args []any
	if target != "" {
		sql, args = sql+` WHERE target = $1`, []any{target}
	}
	var out []grants.Hold
	err := l.db.View(ctx, func(r Reader) error {
		return r.Query(ctx, func(scan func(...any) error) error {
			h, err := scanHold(scan)
			out = append(out, h)
			return err
		}, sql, args...)
	})
	slices.SortFunc(out, func(a, b grants.Hold) int { return a.Grant.Compare(b.Grant) })
	return out, named("read holds", err)
}

func scanHold(scan func(...any) error) (grants.Hold, error) {
	var h grants.Hold
	var state, holders string
	var pre, since, until, deadline, revoked, failures, retry int64
	err := scan(&h.Target, &h.Account, &h.Entitlement, &h.Subject, &h.Role, &h.Spec, &state, &pre, &since, &until,
		&deadline, &holders, &revoked, &failures, &retry, &h.LastError)
	if err != nil {
		return h, err
	}
	h.State, h.PreExisting, h.Failures = grants.HoldState(state), pre != 0, int(failures)
	h.Since, h.Until, h.Deadline = instant(since), instant(until), instant(deadline)
	h.Revoked, h.RetryAt = instant(revoked), instant(retry)
	if err := json.Unmarshal([]byte(holders), &h.Holders); err != nil {
		return h, fmt.Errorf("holders of %s: %w", h.Grant, err)
	}
	return h, nil
}

const putHold = `INSERT INTO holds (target, account, entitlement, subject, role, spec, state, pre_existing,
	since, until, deadline, holders, revoked, failures, retry_at, last_error)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
	ON CONFLICT (target, account, entitlement) DO UPDATE SET
	subject = excluded.subject, role = excluded.role, spec = excluded.spec, state = excluded.state,
	pre_existing = excluded.pre_existing, since = excluded.since, until = excluded.until,
	deadline = excluded.deadline, holders = excluded.holders, revoked = excluded.revoked,
	failures = excluded.failures, retry_at = excluded.retry_at, last_error = excluded.last_error`

func (w *write) putHolds(ctx context.Context, holds []grants.Hold) error {
	rows := make([][]any, 0, len(holds))
	for _, h := range holds {
		if err := exact(h.Target, h.Account, h.Entitlement, h.Subject, h.Role, h.Spec); err != nil {
			return err
		}
		holders, err := encode(h.Holders)
		if err != nil {
			return err
		}
		rows = append(rows, []any{h.Target, h.Account, h.Entitlement, h.Subject, h.Role, h.Spec, string(h.State),
			bit(h.PreExisting), nanos(h.Since), nanos(h.Until), nanos(h.Deadline), holders, nanos(h.Revoked),
			int64(h.Failures), nanos(h.RetryAt), clean(h.LastError)})
	}
	return w.ExecMany(ctx, putHold, rows)
}

func (w *write) deleteHolds(ctx context.Context, gone []grants.Grant) error {
	return w.ExecMany(ctx, `DELETE FROM holds WHERE target = $1 AND account = $2 AND entitlement = $3`, keys(gone))
}

func keys(gs []grants.Grant) [][]any {
	rows := make([][]any, 0, len(gs))
	for _, g := range gs {
		rows = append(rows, []any{g.Target, g.Account, g.Entitlement})
	}
	return rows
}
