package ledger

import (
	"context"
	"fmt"
	"time"
)

// Pause says who paused a target, and when.
type Pause struct {
	Who string    `json:"who"`
	At  time.Time `json:"at"`
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
