package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Filter selects events. Empty fields select all.
type Filter struct {
	AfterSeq int64
	Kinds    []string
	Target   string
	Account  string
	Request  string
	Limit    int // 0: all
}

// Events returns events in the order of the chain.
func (l *Ledger) Events(ctx context.Context, f Filter) ([]Event, error) {
	var out []Event
	err := l.db.View(ctx, func(r Reader) (err error) {
		out, err = selectEvents(ctx, r, f)
		return err
	})
	return out, named("read events", err)
}

func selectEvents(ctx context.Context, r Reader, f Filter) ([]Event, error) {
	args := []any{f.AfterSeq}
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	where := []string{"seq > $1"}
	if len(f.Kinds) > 0 {
		var in []string
		for _, k := range f.Kinds {
			in = append(in, arg(k))
		}
		where = append(where, "kind IN ("+strings.Join(in, ", ")+")")
	}
	if f.Target != "" {
		where = append(where, "target = "+arg(f.Target))
	}
	if f.Account != "" {
		where = append(where, "account = "+arg(f.Account))
	}
	if f.Request != "" {
		where = append(where, "request = "+arg(f.Request))
	}
	sql := `SELECT seq, at, kind, target, account, request, data, prev, hash FROM events
		WHERE ` + strings.Join(where, " AND ") + ` ORDER BY seq`
	if f.Limit > 0 {
		sql += " LIMIT " + arg(int64(f.Limit))
	}
	var out []Event
	err := r.Query(ctx, func(scan func(...any) error) error {
		var e Event
		var at int64
		var data string
		if err := scan(&e.Seq, &at, &e.Kind, &e.Target, &e.Account, &e.Request, &data, &e.Prev, &e.Hash); err != nil {
			return err
		}
		e.At = instant(at)
		if data != "" {
			e.Data = json.RawMessage(data)
		}
		out = append(out, e)
		return nil
	}, sql, args...)
	return out, err
}

// LastEventAt returns the time of the newest event; zero: there is none.
func (l *Ledger) LastEventAt(ctx context.Context) (time.Time, error) {
	head, err := l.ChainHead(ctx)
	if err != nil || head.Seq == 0 {
		return time.Time{}, err
	}
	events, err := l.Events(ctx, Filter{AfterSeq: head.Seq - 1, Limit: 1})
	if err != nil || len(events) == 0 {
		return time.Time{}, err
	}
	return events[0].At, nil
}
