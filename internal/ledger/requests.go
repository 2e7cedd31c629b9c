package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

const requestColumns = `SELECT id, path, live, body, decision, ended_at, floor_at, revert, pull FROM requests`

// Requests returns every request on the branch that is live or not yet ended,
// sorted by ID.
func (l *Ledger) Requests(ctx context.Context) ([]Request, error) {
	return l.requests(ctx, ` WHERE pull = 0 AND (live = 1 OR ended_at = 0)`)
}

// AllRequests returns every request there ever was, emergencies too, sorted by ID.
func (l *Ledger) AllRequests(ctx context.Context) ([]Request, error) {
	return l.requests(ctx, ``)
}

// Emergencies returns every use of break-glass there ever was, sorted by ID.
func (l *Ledger) Emergencies(ctx context.Context) ([]Request, error) {
	return l.requests(ctx, ` WHERE pull <> 0`)
}

// RequestByPath returns the requests that a file on the branch has been, newest
// first.
func (l *Ledger) RequestByPath(ctx context.Context, path string) ([]Request, error) {
	var out []Request
	err := l.db.View(ctx, func(r Reader) (err error) {
		out, err = selectRequests(ctx, r, ` WHERE path = $1 AND pull = 0 ORDER BY position DESC`, path)
		return err
	})
	return out, named("read requests of "+path, err)
}

// RevertRequests returns the requests that a revert pull request is to remove,
// sorted by ID: those whose Revert is the key. An emergency has no file on the
// branch to be removed.
func (l *Ledger) RevertRequests(ctx context.Context, key string) ([]Request, error) {
	return l.requests(ctx, ` WHERE revert = $1 AND pull = 0`, key)
}

func (l *Ledger) requests(ctx context.Context, where string, args ...any) ([]Request, error) {
	var out []Request
	err := l.db.View(ctx, func(r Reader) (err error) {
		out, err = selectRequests(ctx, r, where, args...)
		return err
	})
	slices.SortFunc(out, func(a, b Request) int { return strings.Compare(a.ID, b.ID) })
	return out, named("read requests", err)
}

func selectRequests(ctx context.Context, r Reader, where string, args ...any) ([]Request, error) {
	var out []Request
	err := r.Query(ctx, func(scan func(...any) error) error {
		var q Request
		var live, ended, floor int64
		var body, decision string
		if err := scan(&q.ID, &q.Path, &live, &body, &decision, &ended, &floor, &q.Revert, &q.Pull); err != nil {
			return err
		}
		if body != "" {
			q.Body = json.RawMessage(body)
		}
		q.Live, q.EndedAt, q.Floor = live != 0, instant(ended), instant(floor)
		if err := json.Unmarshal([]byte(decision), &q.Decision); err != nil {
			return fmt.Errorf("decision of %s: %w", q.ID, err)
		}
		recorded(&q.Decision, q.EndedAt, q.Floor)
		out = append(out, q)
		return nil
	}, requestColumns+where, args...)
	return out, err
}

// Decisions returns the decision of every request that is live or still has
// holds, sorted by request. EndedAt, Floor and Finished are filled in.
func (l *Ledger) Decisions(ctx context.Context) ([]grants.Decision, error) {
	var out []grants.Decision
	err := l.db.View(ctx, func(r Reader) error {
		holding, err := holding(ctx, r)
		if err != nil {
			return err
		}
		return r.Query(ctx, func(scan func(...any) error) error {
			var id, text string
			var live, ended, floor int64
			if err := scan(&id, &live, &ended, &floor, &text); err != nil {
				return err
			}
			if live == 0 && !holding[id] {
				return nil
			}
			var d grants.Decision
			if err := json.Unmarshal([]byte(text), &d); err != nil {
				return fmt.Errorf("decision of %s: %w", id, err)
			}
			recorded(&d, instant(ended), instant(floor))
			out = append(out, d)
			return nil
		}, `SELECT id, live, ended_at, floor_at, decision FROM requests`)
	})
	slices.SortFunc(out, func(a, b grants.Decision) int { return strings.Compare(a.Request, b.Request) })
	return out, named("read decisions", err)
}

// recorded fills in what Finish and Commit recorded of a decision. An end and a floor
// that it carries itself are never taken back: ended is final.
func recorded(d *grants.Decision, ended, floor time.Time) {
	if d.Finished = !ended.IsZero(); d.Finished {
		d.EndedAt = ended
	}
	if floor.After(d.Floor) {
		d.Floor = floor
	}
}

// holding returns the requests that hold something.
func holding(ctx context.Context, r Reader) (map[string]bool, error) {
	out := map[string]bool{}
	err := r.Query(ctx, func(scan func(...any) error) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		var holders []struct {
			Request string `json:"request"`
		}
		if err := json.Unmarshal([]byte(text), &holders); err != nil {
			return fmt.Errorf("holders of a hold: %w", err)
		}
		for _, h := range holders {
			out[h.Request] = true
		}
		return nil
	}, `SELECT DISTINCT holders FROM holds`)
	return out, err
}

// Finish marks requests as ended for good and puts each into the revert group of
// key; those already ended, and unknown ones, are left as they are. Events that
// name a request are written for the newly ended ones only; jobs and events that
// name none are written if at least one request is newly ended.
func (l *Ledger) Finish(ctx context.Context, ids []string, at time.Time, key string, events []Event, jobs []Job) error {
	return named("finish", l.update(ctx, func(w *write) error {
		if at.IsZero() {
			at = w.now
		}
		ended := map[string]bool{}
		for _, id := range ids {
			n, err := w.Exec(ctx, `UPDATE requests SET ended_at = $1, revert = $2 WHERE id = $3 AND ended_at = 0`, nanos(at), key, id)
			if err != nil {
				return err
			}
			if n > 0 {
				ended[id] = true
			}
		}
		if len(ended) == 0 {
			return nil
		}
		w.version++
		for _, e := range events {
			if e.Request == "" || ended[e.Request] {
				if err := w.append(e); err != nil {
					return err
				}
			}
		}
		return w.enqueue(ctx, jobs)
	}))
}

// raiseFloors moves floors up, never down. Unknown requests are left out.
func (w *write) raiseFloors(ctx context.Context, floors map[string]time.Time) error {
	rows := make([][]any, 0, len(floors))
	for _, id := range slices.Sorted(maps.Keys(floors)) {
		rows = append(rows, []any{nanos(floors[id]), id, nanos(floors[id])})
	}
	return w.ExecMany(ctx, `UPDATE requests SET floor_at = $1 WHERE id = $2 AND floor_at < $3`, rows)
}
