package ledger

import (
	"context"
	"slices"
)

// Scope returns the entitlements on a target that roles name, sorted.
func (l *Ledger) Scope(ctx context.Context, target string) ([]string, error) {
	var out []string
	err := l.db.View(ctx, func(r Reader) error {
		return r.Query(ctx, func(scan func(...any) error) error {
			var e string
			err := scan(&e)
			out = append(out, e)
			return err
		}, `SELECT entitlement FROM scopes WHERE target = $1`, target)
	})
	slices.Sort(out)
	return out, named("read scope of "+target, err)
}

// putScopes replaces the scopes of all targets; if that changes something,
// workers are woken.
func (w *write) putScopes(ctx context.Context, scopes map[string][]string) error {
	type row struct{ target, entitlement string }
	want := map[row]bool{}
	for target, entitlements := range scopes {
		for _, e := range entitlements {
			if err := exact(target, e); err != nil {
				return err
			}
			want[row{target, e}] = true
		}
	}
	var gone, fresh [][]any
	err := w.Query(ctx, func(scan func(...any) error) error {
		var r row
		if err := scan(&r.target, &r.entitlement); err != nil {
			return err
		}
		if !want[r] {
			gone = append(gone, []any{r.target, r.entitlement})
		}
		delete(want, r)
		return nil
	}, `SELECT target, entitlement FROM scopes`)
	if err != nil {
		return err
	}
	for r := range want {
		fresh = append(fresh, []any{r.target, r.entitlement})
	}
	if len(gone)+len(fresh) == 0 {
		return nil
	}
	w.version++
	if err := w.ExecMany(ctx, `DELETE FROM scopes WHERE target = $1 AND entitlement = $2`, gone); err != nil {
		return err
	}
	return w.ExecMany(ctx, `INSERT INTO scopes (target, entitlement) VALUES ($1, $2)`, fresh)
}
