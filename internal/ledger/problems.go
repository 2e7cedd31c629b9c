package ledger

import (
	"context"
	"fmt"
	"time"
)

// NotInForce is one file of the branch that is not in force as it stands, so that
// what was in force at its path before stays.
type NotInForce struct {
	Path   string    `json:"path"`             // empty: the tree as a whole
	Commit string    `json:"commit,omitempty"` // full hash of the one that brought it; empty: not known
	Pull   int       `json:"pull,omitempty"`   // the pull request that brought it; 0: none, or not known
	Why    string    `json:"why"`              // what is missing or wrong
	Since  time.Time `json:"since"`            // when this commit was first seen not to be in force there
	Waits  Reason    `json:"waits,omitempty"`  // what confirming the commit would be for; empty: it would do nothing
}

// NotInForce returns the files of the branch that are not in force as they stand,
// sorted by path.
func (l *Ledger) NotInForce(ctx context.Context) ([]NotInForce, error) {
	var out []NotInForce
	err := l.db.View(ctx, func(r Reader) error {
		return r.Query(ctx, func(scan func(...any) error) error {
			var p NotInForce
			var pull, since int64
			err := scan(&p.Path, &p.Commit, &pull, &p.Why, &since, &p.Waits)
			p.Pull, p.Since = int(pull), instant(since)
			out = append(out, p)
			return err
		}, `SELECT path, commit_hash, pull, why, since, waits FROM not_in_force ORDER BY path`)
	})
	return out, named("read files that are not in force", err)
}

// putNotInForce replaces all that is known of files that are not in force.
func (w *write) putNotInForce(ctx context.Context, files []NotInForce) error {
	if _, err := w.Exec(ctx, `DELETE FROM not_in_force`); err != nil {
		return err
	}
	rows := make([][]any, 0, len(files))
	for _, p := range files {
		if err := exact(p.Path); err != nil {
			return err
		}
		if p.Since.IsZero() {
			return fmt.Errorf("%s: since when it is not in force is missing", p.Path)
		}
		rows = append(rows, []any{p.Path, p.Commit, int64(p.Pull), clean(p.Why), nanos(p.Since), string(p.Waits)})
	}
	return w.ExecMany(ctx, `INSERT INTO not_in_force (path, commit_hash, pull, why, since, waits)
		VALUES ($1, $2, $3, $4, $5, $6)`, rows)
}
