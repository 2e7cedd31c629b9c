package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Reason is what a confirmation of a commit is for. A confirmation for one thing
// says nothing about another.
type Reason string

// The reasons of confirmations.
const (
	Removals  Reason = "removals"  // what the commit takes away may go, although it is much
	Emptied   Reason = "emptied"   // it may leave no person or no request
	Rewritten Reason = "rewritten" // it is followed although the accepted head does not lead to it
	Trusted   Reason = "trust"     // its configuration comes into force without proof
)

// ofBranch reports whether a confirmation is about how the branch is taken in. Such a
// word counts once, see IntakeBatch.Spent, and does not outlive a rewritten branch.
func (r Reason) ofBranch() bool { return r == Emptied || r == Rewritten || r == Trusted }

// Confirmation is an operator's word on one commit.
type Confirmation struct {
	Reason Reason
	Commit string
	Head   string // accepted when it was given; empty unless it is about the branch
}

// ErrNothingWaits is returned by Confirm when the commit has nothing to confirm.
var ErrNothingWaits = errors.New("nothing waits for a confirmation of this commit")

// Confirm records that an operator confirmed what the branch waits for in a commit,
// and returns for what: Emptied, Rewritten or Trusted. Nothing waits:
// ErrNothingWaits, and nothing is written. Confirming again changes nothing.
func (l *Ledger) Confirm(ctx context.Context, commit, who string) ([]Reason, error) {
	var reasons []Reason
	err := l.update(ctx, func(w *write) (err error) {
		if reasons, err = w.waiting(ctx, commit); err != nil {
			return err
		}
		if len(reasons) == 0 {
			return ErrNothingWaits
		}
		for _, r := range reasons {
			if err := w.confirm(ctx, Confirmation{r, commit, w.accepted}, who); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, named("confirm "+commit, err)
	}
	return reasons, nil
}

// waiting returns what of the branch waits for the confirmation of a commit.
func (w *write) waiting(ctx context.Context, commit string) ([]Reason, error) {
	var out []Reason
	if commit != "" && w.diverged == commit {
		out = append(out, Rewritten)
	}
	err := w.Query(ctx, func(scan func(...any) error) error {
		var r Reason
		err := scan(&r)
		out = append(out, r)
		return err
	}, `SELECT DISTINCT waits FROM not_in_force WHERE commit_hash = $1 AND waits <> ''`, commit)
	slices.Sort(out)
	return out, err
}

// ConfirmRemovals records that what a commit takes away is meant: an operator said
// so, or it was reviewed.
func (l *Ledger) ConfirmRemovals(ctx context.Context, commit, who string) error {
	return named("confirm removals", l.update(ctx, func(w *write) error {
		if commit == "" {
			return fmt.Errorf("no commit given")
		}
		return w.confirm(ctx, Confirmation{Reason: Removals, Commit: commit}, who)
	}))
}

func (w *write) confirm(ctx context.Context, c Confirmation, who string) error {
	n, err := w.Exec(ctx, `INSERT INTO confirmations (reason, commit_hash, head, who, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (reason, commit_hash, head) DO NOTHING`, string(c.Reason), c.Commit, c.Head, who, nanos(w.now))
	if err != nil || n == 0 {
		return err
	}
	data := map[string]string{"reason": string(c.Reason), "commit": c.Commit, "who": who}
	if c.Head != "" {
		data["head"] = c.Head
	}
	return w.operator(EventConfirmed, "", data)
}

// Confirmed returns what operators confirmed of the branch and what has not been
// acted on yet.
func (l *Ledger) Confirmed(ctx context.Context) (map[Confirmation]bool, error) {
	out := map[Confirmation]bool{}
	err := l.confirmations(ctx, func(c Confirmation) {
		if c.Reason.ofBranch() {
			out[c] = true
		}
	})
	return out, err
}

// RemovalsConfirmed reports the commits whose removals are confirmed: by an
// operator, or because they were reviewed.
func (l *Ledger) RemovalsConfirmed(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	err := l.confirmations(ctx, func(c Confirmation) {
		if c.Reason == Removals {
			out[c.Commit] = true
		}
	})
	return out, err
}

func (l *Ledger) confirmations(ctx context.Context, each func(Confirmation)) error {
	return named("read confirmations", l.db.View(ctx, func(r Reader) error {
		return r.Query(ctx, func(scan func(...any) error) error {
			var c Confirmation
			if err := scan(&c.Reason, &c.Commit, &c.Head); err != nil {
				return err
			}
			each(c)
			return nil
		}, `SELECT reason, commit_hash, head FROM confirmations`)
	}))
}

// spend takes back the confirmations of commits that have been acted on.
func (w *write) spend(ctx context.Context, commits []string) error {
	rows := make([][]any, 0, len(commits))
	for _, c := range commits {
		for _, r := range []Reason{Emptied, Trusted} {
			rows = append(rows, []any{string(r), c})
		}
	}
	return w.ExecMany(ctx, `DELETE FROM confirmations WHERE reason = $1 AND commit_hash = $2`, rows)
}

// spendAll takes back all that was confirmed of the branch: the branch is followed
// again, and what was said before was said of another state.
func (w *write) spendAll(ctx context.Context) error {
	return w.ExecMany(ctx, `DELETE FROM confirmations WHERE reason = $1`, [][]any{{string(Emptied)}, {string(Rewritten)}, {string(Trusted)}})
}
