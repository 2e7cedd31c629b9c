package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/tenure-dev/tenure/grants"
)

// Drift returns the access that nobody asked for, on all targets, sorted.
func (l *Ledger) Drift(ctx context.Context) ([]Drift, error) {
	var out []Drift
	err := l.db.View(ctx, func(r Reader) (err error) {
		out, err = selectDrift(ctx, r, "")
		return err
	})
	slices.SortFunc(out, func(a, b Drift) int { return a.Grant.Compare(b.Grant) })
	return out, named("read drift", err)
}

func selectDrift(ctx context.Context, r Reader, target string) ([]Drift, error) {
	sql, args := `SELECT target, account, entitlement, since FROM drift`, []any(nil)
	if target != "" {
		sql, args = sql+` WHERE target = $1`, []any{target}
	}
	var out []Drift
	err := r.Query(ctx, func(scan func(...any) error) error {
		var d Drift
		var since int64
		err := scan(&d.Grant.Target, &d.Grant.Account, &d.Grant.Entitlement, &since)
		d.Since = instant(since)
		out = append(out, d)
		return err
	}, sql, args...)
	return out, err
}

// putDrift replaces the drift of a target; what was known before keeps its since.
func (w *write) putDrift(ctx context.Context, rep DriftReport) error {
	known, err := selectDrift(ctx, w, rep.Target)
	if err != nil {
		return err
	}
	found := make(map[grants.Grant]bool, len(rep.Found))
	for _, g := range rep.Found {
		if g.Target != rep.Target {
			return fmt.Errorf("drift report of target %s names target %s", rep.Target, g.Target)
		}
		// What a target shows may not be storable as it is; it is only reported.
		found[grants.Grant{Target: g.Target, Account: clean(g.Account), Entitlement: clean(g.Entitlement)}] = true
	}
	var gone []grants.Grant
	for _, d := range known {
		if !found[d.Grant] && !rep.Unseen[d.Grant.Entitlement] {
			gone = append(gone, d.Grant)
		}
		delete(found, d.Grant)
	}
	if err := w.ExecMany(ctx, `DELETE FROM drift WHERE target = $1 AND account = $2 AND entitlement = $3`, keys(gone)); err != nil {
		return err
	}
	at := rep.At
	if at.IsZero() {
		at = w.now
	}
	rows := make([][]any, 0, len(found))
	for g := range found {
		rows = append(rows, []any{g.Target, g.Account, g.Entitlement, nanos(at)})
	}
	return w.ExecMany(ctx, `INSERT INTO drift (target, account, entitlement, since) VALUES ($1, $2, $3, $4)`, rows)
}
