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
	if observed, err := w.observe(ctx, s); errors.Is(err, errMakeWay) {
		w.cut = true
	} else if err != nil {
		errs = multierror.Append(errs, err)
	} else {
		errs = multierror.Append(errs, w.settle(ctx, s, observed))
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

// end revokes what is held and no longer asked for. It does not look at the
// target first: a target that cannot be listed can still take a revoke.
func (w *worker) end(ctx context.Context, s *state) error {
	owned := s.owned()
	due := grants.PlanBlind(s.claims, owned)
	due = grants.Attribute(due, owned, s.decisions, s.now)
	for i, c := range due {
		if c.Cause != grants.CauseExpired && w.cfg.Deactivated != nil && w.cfg.Deactivated(c.Item.Subject) {
			due[i].Cause = grants.CauseDeactivated // whatever came first: a leaver is never withheld
		}
	}
	limits := w.cfg.Guard
	limits.Tripped = w.tripped
	allowed, withheld := grants.Guard(due, ours(owned), limits, s.confirmed)
	s.withheld = withheld
	for _, c := range withheld {
		if c.Commit != "" {
			w.tripped[c.Commit] = true
		}
	}
	w.cfg.Metrics.Withheld(w.target, len(withheld))

	acts := make([]grants.Change, 0, len(allowed))
	for _, c := range allowed {
		h := s.holds[c.Item.Grant]
		if h.State == grants.StateRevoking && (w.waits(h, s.now) || awaitsReadBack(h)) {
			continue
		}
		acts = append(acts, c)
	}
	err := w.apply(ctx, s, acts)
	return multierror.Append(err, w.reportWithheld(ctx, withheld)).ErrorOrNil()
}

// awaitsReadBack reports whether the target accepted the revoke and nothing has
// spoken against it since.
func awaitsReadBack(h grants.Hold) bool {
	return !h.Revoked.IsZero() && h.RetryAt.IsZero() && h.Deadline.IsZero()
}

// ours counts the holds that are not pre-existing access.
func ours(holds []grants.Hold) (n int) {
	for _, h := range holds {
		if !h.PreExisting {
			n++
		}
	}
	return n
}

func (w *worker) reportWithheld(ctx context.Context, withheld []grants.Change) error {
	fresh, all := map[string]int{}, make(map[string]bool, len(withheld))
	for _, c := range withheld {
		key := c.Commit + " " + c.Item.Grant.String()
		if !w.withheld[key] {
			fresh[c.Commit]++
		}
		all[key] = true
	}
	w.withheld = all
	w.hold(w.target, withheld)
	var b ledger.Batch
	for _, commit := range sortedKeys(fresh) {
		w.cfg.Log.Error("removals are withheld: one commit takes away too much; look at it, then run `reconciler confirm`",
			"target", w.target, "commit", commit, "removals", fresh[commit])
		b.Events = append(b.Events, w.event(ledger.EventWithheld, grants.Item{}, "", map[string]any{"commit": commit, "removals": fresh[commit]}))
	}
	if len(b.Events) == 0 {
		return nil
	}
	return w.commit(ctx, b)
}

// errMakeWay is the cause when a look at the target is cut short by an end.
var errMakeWay = errors.New("something has to end now")

// observe lists who holds what, in everything that is claimed, held or named by
// a role. A slow look makes way for the next end, but not twice in a row.
func (w *worker) observe(ctx context.Context, s *state) ([]grants.Grant, error) {
	named, err := w.cfg.Ledger.Scope(ctx, w.target)
	if err != nil {
		return nil, fmt.Errorf("read scope: %w", err)
	}
	set := make(map[string]bool, len(named))
	for _, e := range named {
		set[e] = true
	}
	for _, c := range s.claims {
		set[c.Entitlement] = true
	}
	for g := range s.holds {
		set[g.Entitlement] = true
	}
	if len(set) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.cfg.ObserveTimeout)
	defer cancel()
	if end := s.nextEnd(); !end.IsZero() && !w.cut && !s.doubted {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, end.Sub(w.now()), errMakeWay)
		defer stop()
	}
	w.cut = false
	observed, err := w.conn.Observe(ctx, sortedKeys(set))
	if err != nil && errors.Is(context.Cause(ctx), errMakeWay) {
		return nil, errMakeWay
	}
	if err != nil {
		w.cfg.Metrics.Failed(w.target, "observe")
		return nil, fmt.Errorf("observe: %w", err)
	}
	return observed, nil
}

// nextEnd returns when the first of what is held has to end; zero: nothing is.
func (s *state) nextEnd() (end time.Time) {
	for _, c := range s.claims {
		if h, held := s.holds[c.Grant]; held && !h.PreExisting {
			end = earlier(end, c.Until)
		}
	}
	return end
}

// settle compares with what the target shows: it forgets what is verified to be
// gone, notes what was there before us, renews and grants.
func (w *worker) settle(ctx context.Context, s *state, observed []grants.Grant) error {
	plan := grants.Plan(s.claims, observed, s.owned())
	var acts []grants.Change
	var drift []grants.Grant
	var b ledger.Batch
	for _, c := range plan {
		h, held := s.holds[c.Item.Grant]
		switch c.Op {
		case grants.OpGrant, grants.OpRenew:
			// Looking at the target took its time: the window may be over by now.
			if !s.starts || held && w.waits(h, s.now) || !w.now().Before(c.Until) {
				continue
			}
			acts = append(acts, c)
		case grants.OpAdopt:
			h := grants.Hold{Item: c.Item, State: grants.StateHeld, PreExisting: true, Since: s.now, Until: c.Until, Holders: c.Holders}
			b.Put = append(b.Put, h)
			b.Events = append(b.Events, w.event(ledger.EventAdopted, c.Item, holderOf(c), nil))
		case grants.OpRelease:
			w.releaseHold(s, &b, c, h)
		case grants.OpLeave:
			drift = append(drift, c.Item.Grant)
		case grants.OpRevoke:
			// Already tried in end, or withheld. It is still there: say so and
			// try again later.
			w.stillThere(s, &b, c, h)
		}
	}
	w.noteDrift(s, &b, drift)
	var errs *multierror.Error
	if len(b.Put)+len(b.Delete)+len(b.Events) > 0 || b.Drift != nil {
		err := w.commit(ctx, b)
		errs = multierror.Append(errs, err)
		if err == nil {
			s.update(b)
			if b.Drift != nil {
				w.drift, w.drifted = b.Drift.Found, true
			}
			w.countReleased(s, b)
		}
	}
	errs = multierror.Append(errs, w.apply(ctx, s, acts))
	w.cfg.Metrics.Drift(w.target, len(drift))
	return errs.ErrorOrNil()
}

// releaseHold forgets a hold that the target does not show any more. An act that
// may still take effect keeps it owned until its hard deadline has passed; one that
// failed, such as ending sessions, until it has been tried again.
func (w *worker) releaseHold(s *state, b *ledger.Batch, c grants.Change, h grants.Hold) {
	if w.underWay(h, s.now) || h.LastError != "" {
		return
	}
	kind := ledger.EventRevoked
	if h.PreExisting || h.Revoked.IsZero() {
		kind = ledger.EventReleased
	}
	b.Delete = append(b.Delete, c.Item.Grant)
	for _, r := range h.Holders {
		b.Events = append(b.Events, w.event(kind, h.Item, r.Request, map[string]any{
			"reason": c.Reason, "until": h.Until, "revokedAt": h.Revoked, "readBackAt": w.cfg.Clock.Now(),
		}))
	}
}

func (w *worker) stillThere(s *state, b *ledger.Batch, c grants.Change, h grants.Hold) {
	if w.waits(h, s.now) || h.Revoked.IsZero() || slices.ContainsFunc(s.withheld, func(x grants.Change) bool { return x.Item.Grant == c.Item.Grant }) {
		return
	}
	h.Failures++
	h.RetryAt = s.now.Add(backoff(h.Failures))
	h.LastError = "the target accepted the revoke and still shows the access; another hand may have granted it too"
	b.Put = append(b.Put, h)
	if milestone(h.Failures) {
		b.Events = append(b.Events, w.event(ledger.EventRevokeFailed, h.Item, holderOf(c), map[string]any{"error": h.LastError, "attempt": h.Failures}))
	}
	w.cfg.Metrics.Failed(w.target, string(grants.OpRevoke))
	w.cfg.Log.Error("revoked access is still there", "target", w.target, "account", h.Account, "entitlement", h.Entitlement, "retry", h.RetryAt)
}

func (w *worker) noteDrift(s *state, b *ledger.Batch, found []grants.Grant) {
	slices.SortFunc(found, grants.Grant.Compare)
	if w.drifted && slices.Equal(found, w.drift) {
		return
	}
	b.Drift = &ledger.DriftReport{Target: w.target, Found: found, At: s.now}
	for _, g := range found {
		if _, known := slices.BinarySearchFunc(w.drift, g, grants.Grant.Compare); !known {
			w.cfg.Log.Warn("drift: access that nobody asked for", "target", w.target, "account", g.Account, "entitlement", g.Entitlement)
		}
	}
}

func (w *worker) countReleased(s *state, b ledger.Batch) {
	for _, g := range b.Delete {
		w.cfg.Log.Info("access has ended", "target", w.target, "account", g.Account, "entitlement", g.Entitlement)
	}
}

// update applies a written batch to the pass's own view.
func (s *state) update(b ledger.Batch) {
	for _, h := range b.Put {
		s.holds[h.Grant] = h
	}
	for _, g := range b.Delete {
		delete(s.holds, g)
	}
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
