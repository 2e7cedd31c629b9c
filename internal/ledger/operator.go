package ledger

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"
)

// Pause says who paused a target, and when.
type Pause struct {
	Who string    `json:"who"`
	At  time.Time `json:"at"`
}

// Confirm records that an operator confirmed a commit. Confirming it again
// changes nothing.
func (l *Ledger) Confirm(ctx context.Context, commit, who string) error {
	return named("confirm", l.update(ctx, func(w *write) error {
		if commit == "" {
			return fmt.Errorf("no commit given")
		}
		n, err := w.Exec(ctx, `INSERT INTO confirmations (commit_hash, who, at) VALUES ($1, $2, $3)
			ON CONFLICT (commit_hash) DO NOTHING`, commit, who, nanos(w.now))
		if err != nil || n == 0 {
			return err
		}
		return w.operator(EventConfirmed, "", map[string]string{"commit": commit, "who": who})
	}))
}

// removals marks a confirmation that is about what a commit takes away, and about
// nothing else: it brings no configuration into force.
const removals = "removals:"

// ConfirmRemovals records that what a commit takes away was reviewed, and by whom.
func (l *Ledger) ConfirmRemovals(ctx context.Context, commit, by string) error {
	return l.Confirm(ctx, removals+commit, by)
}

// Confirmed reports the commits that an operator confirmed, for whatever they do.
func (l *Ledger) Confirmed(ctx context.Context) (map[string]bool, error) {
	out, err := l.confirmations(ctx)
	maps.DeleteFunc(out, func(commit string, _ bool) bool { return strings.HasPrefix(commit, removals) })
	return out, err
}

// RemovalsConfirmed reports the commits whose removals are confirmed: by an
// operator, or because they were reviewed.
func (l *Ledger) RemovalsConfirmed(ctx context.Context) (map[string]bool, error) {
	all, err := l.confirmations(ctx)
	out := make(map[string]bool, len(all))
	for commit := range all {
		out[strings.TrimPrefix(commit, removals)] = true
	}
	return out, err
}

func (l *Ledger) confirmations(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	err := l.db.View(ctx, func(r Reader) error {
		return r.Query(ctx, func(scan func(...any) error) error {
			var commit string
			err := scan(&commit)
			out[commit] = true
			return err
		}, `SELECT commit_hash FROM confirmations`)
	})
	return out, named("read confirmations", err)
}

// Pause stops the work on a target until Resume.
func (l *Ledger) Pause(ctx context.Context, target, who string) error {
	return named("pause "+target, l.update(ctx, func(w *write) error {
		if target == "" {
			return fmt.Errorf("no target given")
		}
		n, err := w.Exec(ctx, `INSERT INTO pauses (target, who, at) VALUES ($1, $2, $3)
			ON CONFLICT (target) DO NOTHING`, target, who, nanos(w.now))
		if err != nil || n == 0 {
			return err
		}
		return w.operator(EventPaused, target, map[string]string{"who": who})
	}))
}

// Resume ends a pause. A target that is not paused stays as it is.
func (l *Ledger) Resume(ctx context.Context, target, who string) error {
	return named("resume "+target, l.update(ctx, func(w *write) error {
		n, err := w.Exec(ctx, `DELETE FROM pauses WHERE target = $1`, target)
		if err != nil || n == 0 {
			return err
		}
		return w.operator(EventResumed, target, map[string]string{"who": who})
	}))
}

// Paused returns the paused targets.
func (l *Ledger) Paused(ctx context.Context) (map[string]Pause, error) {
	out := map[string]Pause{}
	err := l.db.View(ctx, func(r Reader) error {
		return r.Query(ctx, func(scan func(...any) error) error {
			var target string
			var p Pause
			var at int64
			err := scan(&target, &p.Who, &at)
			p.At = instant(at)
			out[target] = p
			return err
		}, `SELECT target, who, at FROM pauses`)
	})
	return out, named("read pauses", err)
}

// operator records what an operator did, and wakes the workers.
func (w *write) operator(kind, target string, data map[string]string) error {
	text, err := encode(data)
	if err != nil {
		return err
	}
	w.version++
	return w.append(Event{Kind: kind, Target: target, Data: []byte(text)})
}
