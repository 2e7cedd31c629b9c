package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// pass makes the target agree with the ledger once, and returns when it wants to
// be called again. What has to end is ended first, whatever the target shows.
func (w *worker) pass(ctx context.Context) (next time.Time, err error) {
	began := w.cfg.Clock.Now()
	defer func() {
		if !errors.Is(err, ledger.ErrLeased) {
			w.cfg.Metrics.Pass(w.target, w.cfg.Clock.Now().Sub(began), err)
		}
	}()
	if err := w.acquire(ctx); err != nil {
		return time.Time{}, err
	}
	at := w.time.read()
	s, err := w.read(ctx, at.now)
	if err != nil {
		return time.Time{}, err
	}

	s.starts = at.starts && !s.paused
	s.doubted = at.jumped

	var errs *multierror.Error
	errs = multierror.Append(errs, w.end(ctx, s))
	if !w.leased() {
		return time.Time{}, multierror.Append(errs, ledger.ErrLostLease)
	}
	if v, err := w.observe(ctx, s); errors.Is(err, errMakeWay) {
		w.cut = true
	} else {
		errs = multierror.Append(errs, err)
		if !v.blind {
			errs = multierror.Append(errs, w.settle(ctx, s, v))
		}
	}
	if !w.leased() {
		return time.Time{}, multierror.Append(errs, ledger.ErrLostLease)
	}
	errs = multierror.Append(errs, w.finish(ctx, s))
	return w.nextPass(s), errs.ErrorOrNil()
}

// state is what one pass works on. Holds are kept up to date as the pass writes.
type state struct {
	now       time.Time
	decisions []grants.Decision // of this target's items only, sorted by request
	claims    []grants.Claim
	boundary  time.Time // when claims change next
	holds     map[grants.Grant]grants.Hold
	confirmed map[string]bool
	exclusive []grants.Exclusive
	listed    map[string]bool // confirmed lists of strangers
	paused    bool
	starts    bool // new access may be given
	more      bool // there was no time for all of it
	doubted   bool // the wall clock is not believed
	withheld  []grants.Change
}

func (s *state) owned() []grants.Hold {
	out := make([]grants.Hold, 0, len(s.holds))
	for _, h := range s.holds {
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b grants.Hold) int { return a.Grant.Compare(b.Grant) })
	return out
}

// ledgerTimeout bounds reading the ledger for one pass: a server that vanished
// without a word must not hold up what its successor could serve.
const ledgerTimeout = 30 * time.Second

func (w *worker) read(ctx context.Context, now time.Time) (*state, error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	// Before the decisions: what of a request is not known yet waits, so that nobody
	// is a stranger whose proof arrives between the two.
	exclusive, err := w.cfg.Ledger.Exclusive(ctx, w.target)
	if err != nil {
		return nil, fmt.Errorf("read what is exclusive: %w", err)
	}
	listed, err := w.cfg.Ledger.StrangersConfirmed(ctx)
	if err != nil {
		return nil, fmt.Errorf("read confirmations: %w", err)
	}
	decisions, err := w.cfg.Ledger.Decisions(ctx)
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	holds, err := w.cfg.Ledger.Holds(ctx, w.target)
	if err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	confirmed, err := w.cfg.Ledger.RemovalsConfirmed(ctx)
	if err != nil {
		return nil, fmt.Errorf("read confirmations: %w", err)
	}
	paused, err := w.cfg.Ledger.Paused(ctx)
	if err != nil {
		return nil, fmt.Errorf("read pauses: %w", err)
	}
	_, isPaused := paused[w.target]
	s := &state{
		now:       now,
		decisions: onTarget(decisions, w.target),
		holds:     make(map[grants.Grant]grants.Hold, len(holds)),
		confirmed: confirmed,
		exclusive: exclusive,
		listed:    listed,
		paused:    isPaused,
	}
	for _, h := range holds {
		s.holds[h.Grant] = h
	}
	s.claims, s.boundary = grants.Desired(s.decisions, now)
	return s, nil
}

// onTarget returns the decisions with the items of one target only, and leaves
// out those that have none there.
func onTarget(decisions []grants.Decision, target string) []grants.Decision {
	var out []grants.Decision
	for _, d := range decisions {
		terms := make([]grants.Terms, len(d.Terms))
		touches := false
		for i, t := range d.Terms {
			items := make([]grants.Item, 0, len(t.Items))
			for _, it := range t.Items {
				if it.Target == target {
					items = append(items, it)
				}
			}
			touches = touches || len(items) > 0
			t.Items = items
			terms[i] = t
		}
		for _, r := range d.Removals {
			touches = touches || r.Grant.Target == target
		}
		if touches {
			d.Terms = terms
			out = append(out, d)
		}
	}
	return out
}

// doubtedPause bounds the pause between two passes while the wall clock is not
// believed.
const doubtedPause = 30 * time.Second

// nextPass is the earliest of the next boundary, the next retry, the hard
// deadline of an act that did not return, and the resync.
func (w *worker) nextPass(s *state) time.Time {
	now, t := w.cfg.Clock.Now(), w.now()
	if !w.resync.After(now) {
		w.resync = w.cfg.Resync.Next(now)
	}
	next := s.boundary
	if !s.doubted {
		next = earlier(next, w.resync)
	}
	overdue := 0
	for _, h := range s.holds {
		if w.waits(h, t) {
			next = earlier(next, h.RetryAt)
		}
		if w.underWay(h, t) {
			next = earlier(next, h.Deadline)
		}
		if h.Overdue(s.now) {
			overdue++
		}
	}
	w.cfg.Metrics.Overdue(w.target, overdue)
	switch {
	case s.more:
		return now
	case s.doubted:
		// In the time to act by; a change of that wakes the worker.
		left := doubtedPause
		if !next.IsZero() {
			left = min(left, next.Sub(t))
		}
		return now.Add(max(left, 0))
	}
	return next
}

func holderOf(c grants.Change) string {
	if len(c.Holders) == 0 {
		return ""
	}
	return c.Holders[0].Request
}

func (w *worker) event(kind string, it grants.Item, request string, data map[string]any) ledger.Event {
	e := ledger.Event{At: w.cfg.Clock.Now(), Kind: kind, Target: w.target, Account: it.Account, Request: request}
	if it.Entitlement != "" {
		if data == nil {
			data = map[string]any{}
		}
		data["entitlement"] = it.Entitlement
		data["subject"] = it.Subject
	}
	if data != nil {
		e.Data, _ = json.Marshal(data) // maps of strings, numbers and times always encode
	}
	return e
}
