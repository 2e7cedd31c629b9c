package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Head returns where the intake stands.
func (l *Ledger) Head(ctx context.Context) (Head, error) {
	var h Head
	err := l.db.View(ctx, func(r Reader) error {
		return one(ctx, r, `SELECT accepted, diverged, repository_id FROM head WHERE id = 1`, nil,
			&h.Accepted, &h.Diverged, &h.RepositoryID)
	})
	return h, named("read head", err)
}

// PinRepository stores the forge's numeric id of the repository, once. Another id
// later is an error: it is another repository, whatever its name.
func (l *Ledger) PinRepository(ctx context.Context, id int64) error {
	return named("pin repository", l.update(ctx, func(w *write) error {
		if id == 0 {
			return fmt.Errorf("the forge gave no id for the repository")
		}
		if w.repoID != 0 && w.repoID != id {
			return fmt.Errorf("this ledger belongs to repository %d, the forge now says %d: check repository.url, or start a new ledger", w.repoID, id)
		}
		w.repoID = id
		return nil
	}))
}

// TakeIn writes what taking in commits found, in one transaction, if the lease is
// still held, or returns ErrLostLease and writes nothing.
func (l *Ledger) TakeIn(ctx context.Context, lease *Lease, b IntakeBatch) error {
	return named("take in", l.update(ctx, func(w *write) error {
		if err := w.check(ctx, lease); err != nil {
			return err
		}
		if b.Head != "" {
			w.accepted = b.Head
		}
		if b.Diverged != nil {
			w.diverged = *b.Diverged
			if *b.Diverged == "" {
				if err := w.spendAll(ctx); err != nil {
					return err
				}
			}
		}
		if len(b.Requests) > 0 || b.Diverged != nil {
			w.version++
		}
		if err := w.forgetStates(ctx, b.Forget); err != nil {
			return err
		}
		if err := w.putStates(ctx, b.States); err != nil {
			return err
		}
		if err := w.putRequests(ctx, b.Requests); err != nil {
			return err
		}
		if b.Scopes != nil {
			if err := w.putScopes(ctx, b.Scopes); err != nil {
				return err
			}
		}
		if b.NotInForce != nil {
			if err := w.putNotInForce(ctx, *b.NotInForce); err != nil {
				return err
			}
		}
		if err := w.spend(ctx, b.Spent); err != nil {
			return err
		}
		if err := w.append(b.Events...); err != nil {
			return err
		}
		return w.enqueue(ctx, b.Jobs)
	}))
}

// putRequests inserts or replaces by ID. EndedAt and Revert belong to
// Finish, Floor to Commit.
func (w *write) putRequests(ctx context.Context, requests []Request) error {
	if len(requests) == 0 {
		return nil
	}
	var position int64
	if err := one(ctx, w, `SELECT COALESCE(MAX(position), 0) FROM requests`, nil, &position); err != nil {
		return err
	}
	rows := make([][]any, 0, len(requests))
	for _, q := range requests {
		if err := exact(q.ID, q.Path, string(q.Body)); err != nil {
			return err
		}
		if q.Decision.Request != q.ID {
			return fmt.Errorf("request %s carries the decision of %q", q.ID, q.Decision.Request)
		}
		decision, err := encode(q.Decision)
		if err != nil {
			return err
		}
		position++
		rows = append(rows, []any{q.ID, position, q.Path, bit(q.Live), string(q.Body), decision, q.Pull})
	}
	return w.ExecMany(ctx, `INSERT INTO requests (id, position, path, live, body, decision, ended_at, floor_at, revert, pull)
		VALUES ($1, $2, $3, $4, $5, $6, 0, 0, '', $7)
		ON CONFLICT (id) DO UPDATE SET path = excluded.path, live = excluded.live,
		body = excluded.body, decision = excluded.decision`, rows)
}

func (w *write) forgetStates(ctx context.Context, commits []string) error {
	rows := make([][]any, 0, len(commits))
	for _, c := range commits {
		rows = append(rows, []any{c})
	}
	return w.ExecMany(ctx, `DELETE FROM config_states WHERE commit_hash = $1`, rows)
}

// putStates adds configuration states. A commit that is known keeps its state, as what
// was in force then does not change afterwards, unless a rewritten branch was taken in
// again: see ConfigState.Replace.
func (w *write) putStates(ctx context.Context, states []ConfigState) error {
	for _, s := range states {
		files := s.Files
		if files == nil {
			files = map[string]string{}
		}
		text, err := encode(files) // keys are sorted
		if err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(text))
		digest := hex.EncodeToString(sum[:])
		if _, err := w.Exec(ctx, `INSERT INTO config_contents (digest, files) VALUES ($1, $2)
			ON CONFLICT (digest) DO NOTHING`, digest, text); err != nil {
			return err
		}
		known := `DO NOTHING`
		if s.Replace {
			known = `DO UPDATE SET digest = excluded.digest`
		}
		if _, err := w.Exec(ctx, `INSERT INTO config_states (commit_hash, digest) VALUES ($1, $2)
			ON CONFLICT (commit_hash) `+known, s.Commit, digest); err != nil {
			return err
		}
	}
	return nil
}

// ConfigState returns the configuration in force at a commit; ok is false when
// the ledger does not know the commit.
func (l *Ledger) ConfigState(ctx context.Context, commit string) (s ConfigState, ok bool, err error) {
	err = l.db.View(ctx, func(r Reader) error {
		return r.Query(ctx, func(scan func(...any) error) error {
			var text string
			if err := scan(&text); err != nil {
				return err
			}
			ok, s.Commit = true, commit
			return json.Unmarshal([]byte(text), &s.Files)
		}, `SELECT c.files FROM config_states s JOIN config_contents c ON c.digest = s.digest
			WHERE s.commit_hash = $1`, commit)
	})
	return s, ok && err == nil, named("read configuration at "+commit, err)
}
