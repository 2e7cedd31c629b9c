package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tenure-dev/tenure/grants"
)

// Strangers is the reason of a confirmation that lets a list of strangers lose what
// belongs to Tenure alone; see grants.Reclaim.
const Strangers Reason = "strangers"

// Scope is one entitlement on a target that roles name: what drift is looked for in.
type Scope struct {
	Target      string
	Entitlement string
	Exclusive   bool     // it belongs to Tenure alone
	Keep        []string // accounts that are left alone; of an exclusive one, sorted
	Since       string   // accepted head since which it is exclusive; kept while it stays so
	Waits       string   // why nothing is taken away for now; empty: nothing stands in the way
}

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

// notFollowed is why nothing is taken away from strangers of a branch that diverged.
const notFollowed = "the branch was rewritten or moved back, and is not followed"

// Exclusive returns the entitlements on a target that belong to Tenure alone, sorted
// by entitlement. All of them wait while the branch is not followed.
func (l *Ledger) Exclusive(ctx context.Context, target string) ([]grants.Exclusive, error) {
	var out []grants.Exclusive
	err := l.db.View(ctx, func(r Reader) error {
		var diverged string
		if err := one(ctx, r, `SELECT diverged FROM head WHERE id = 1`, nil, &diverged); err != nil {
			return err
		}
		return r.Query(ctx, func(scan func(...any) error) error {
			var e grants.Exclusive
			var keep string
			var listed int64
			if err := scan(&e.Entitlement, &keep, &e.Commit, &listed, &e.Waits); err != nil {
				return err
			}
			e.Listed = listed != 0
			if diverged != "" {
				e.Waits = notFollowed
			}
			if err := json.Unmarshal([]byte(keep), &e.Keep); err != nil {
				return fmt.Errorf("accounts to keep of %s: %w", e.Entitlement, err)
			}
			out = append(out, e)
			return nil
		}, `SELECT entitlement, keep, since, listed, waits FROM scopes WHERE target = $1 AND exclusive = 1`, target)
	})
	slices.SortFunc(out, func(a, b grants.Exclusive) int { return cmp.Compare(a.Entitlement, b.Entitlement) })
	return out, named("read what is exclusive on "+target, err)
}

// ConfirmStrangers records that a list of strangers is meant to lose what it holds.
// The id is the Commit of the changes that grants.Reclaim made of it.
func (l *Ledger) ConfirmStrangers(ctx context.Context, id, who string) error {
	return named("confirm strangers", l.update(ctx, func(w *write) error {
		if id == "" {
			return fmt.Errorf("no list given")
		}
		return w.confirm(ctx, Confirmation{Reason: Strangers, Commit: id}, who)
	}))
}

// StrangersConfirmed reports the lists of strangers that an operator confirmed.
func (l *Ledger) StrangersConfirmed(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	err := l.confirmations(ctx, func(c Confirmation) {
		if c.Reason == Strangers {
			out[c.Commit] = true
		}
	})
	return out, err
}

// scopeKey is what tells scopes apart.
type scopeKey struct{ target, entitlement string }

// scopeRow is a scope as it is stored.
type scopeRow struct {
	exclusive, listed  int64
	keep, since, waits string
}

// putScopes replaces the scopes of all targets; if that changes something, workers
// are woken. What was exclusive before keeps since when, and that its first list was
// confirmed. What becomes exclusive is covered by no word that was given before: at the
// same head that was about others, or about an earlier life of it.
func (w *write) putScopes(ctx context.Context, scopes []Scope) error {
	want := map[scopeKey]scopeRow{}
	for _, s := range scopes {
		if err := exact(append([]string{s.Target, s.Entitlement}, s.Keep...)...); err != nil {
			return err
		}
		row := scopeRow{keep: "[]"}
		if s.Exclusive {
			keep, err := encode(append([]string{}, s.Keep...))
			if err != nil {
				return err
			}
			row = scopeRow{exclusive: 1, keep: keep, since: s.Since, waits: clean(s.Waits)}
		}
		want[scopeKey{s.Target, s.Entitlement}] = row
	}
	have, err := selectScopes(ctx, w)
	if err != nil {
		return err
	}
	var gone, put, unsaid [][]any
	for k := range have {
		if _, wanted := want[k]; !wanted {
			gone = append(gone, []any{k.target, k.entitlement})
		}
	}
	for k, row := range want {
		old, known := have[k]
		if old.exclusive != 0 && row.exclusive != 0 {
			row.since, row.listed = old.since, old.listed
		} else if row.exclusive != 0 {
			unsaid = append(unsaid, []any{string(Strangers), row.since})
		}
		if !known || old != row {
			put = append(put, []any{k.target, k.entitlement, row.exclusive, row.keep, row.since, row.listed, row.waits})
		}
	}
	if len(gone)+len(put) == 0 {
		return nil
	}
	w.version++
	if err := w.ExecMany(ctx, `DELETE FROM confirmations WHERE reason = $1 AND commit_hash = $2`, unsaid); err != nil {
		return err
	}
	if err := w.ExecMany(ctx, `DELETE FROM scopes WHERE target = $1 AND entitlement = $2`, gone); err != nil {
		return err
	}
	return w.ExecMany(ctx, `INSERT INTO scopes (target, entitlement, exclusive, keep, since, listed, waits)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (target, entitlement) DO UPDATE SET exclusive = excluded.exclusive, keep = excluded.keep,
		since = excluded.since, listed = excluded.listed, waits = excluded.waits`, put)
}

func selectScopes(ctx context.Context, r Reader) (map[scopeKey]scopeRow, error) {
	out := map[scopeKey]scopeRow{}
	err := r.Query(ctx, func(scan func(...any) error) error {
		var k scopeKey
		var v scopeRow
		err := scan(&k.target, &k.entitlement, &v.exclusive, &v.keep, &v.since, &v.listed, &v.waits)
		out[k] = v
		return err
	}, `SELECT target, entitlement, exclusive, keep, since, listed, waits FROM scopes`)
	return out, err
}

// markListed notes exclusive entitlements whose first list of strangers was confirmed
// and has been begun.
func (w *write) markListed(ctx context.Context, scopes []Scope) error {
	rows := make([][]any, 0, len(scopes))
	for _, s := range scopes {
		rows = append(rows, []any{s.Target, s.Entitlement, s.Since})
	}
	return w.ExecMany(ctx, `UPDATE scopes SET listed = 1 WHERE target = $1 AND entitlement = $2 AND since = $3 AND exclusive = 1`, rows)
}
