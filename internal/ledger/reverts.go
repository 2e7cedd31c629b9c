package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const revertColumns = `SELECT name, number, url, state, head_sha, paths, due_at FROM reverts`

// Reverts returns the revert pull requests in any of the states, all when none is
// given, sorted by key.
func (l *Ledger) Reverts(ctx context.Context, states ...string) ([]Revert, error) {
	sql, args := revertColumns, []any(nil)
	if len(states) > 0 {
		in := make([]string, len(states))
		for i, s := range states {
			in[i] = fmt.Sprintf("$%d", i+1)
			args = append(args, s)
		}
		sql += ` WHERE state IN (` + strings.Join(in, ", ") + `)`
	}
	var out []Revert
	err := l.db.View(ctx, func(r Reader) (err error) {
		out, err = selectReverts(ctx, r, sql, args...)
		return err
	})
	slices.SortFunc(out, func(a, b Revert) int { return strings.Compare(a.Key, b.Key) })
	return out, named("read reverts", err)
}

func selectReverts(ctx context.Context, r Reader, sql string, args ...any) ([]Revert, error) {
	var out []Revert
	err := r.Query(ctx, func(scan func(...any) error) error {
		var v Revert
		var number, due int64
		var paths string
		if err := scan(&v.Key, &number, &v.URL, &v.State, &v.HeadSHA, &paths, &due); err != nil {
			return err
		}
		v.Number, v.DueAt = int(number), instant(due)
		out = append(out, v)
		return json.Unmarshal([]byte(paths), &out[len(out)-1].Paths)
	}, sql, args...)
	return out, err
}

// PutRevert inserts or replaces a revert pull request by its key, and records the
// change; one that is stored already as it is changes nothing.
func (l *Ledger) PutRevert(ctx context.Context, v Revert) error {
	return named("store revert "+v.Key, l.update(ctx, func(w *write) error {
		if v.Key == "" {
			return fmt.Errorf("it has no key")
		}
		v.DueAt = instant(nanos(v.DueAt))
		before, err := selectReverts(ctx, w, revertColumns+` WHERE name = $1`, v.Key)
		if err != nil {
			return err
		}
		text, err := encode(v)
		if err != nil {
			return err
		}
		if len(before) == 1 {
			if old, err := encode(before[0]); err != nil || old == text {
				return err
			}
		}
		paths, err := encode(v.Paths)
		if err != nil {
			return err
		}
		_, err = w.Exec(ctx, `INSERT INTO reverts (name, number, url, state, head_sha, paths, due_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (name) DO UPDATE SET number = excluded.number, url = excluded.url, state = excluded.state,
			head_sha = excluded.head_sha, paths = excluded.paths, due_at = excluded.due_at`,
			v.Key, int64(v.Number), v.URL, v.State, v.HeadSHA, paths, nanos(v.DueAt))
		if err != nil {
			return err
		}
		return w.append(Event{Kind: EventRevert, Data: []byte(text)})
	}))
}
