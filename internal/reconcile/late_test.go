package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/ledger"
)

// hooked is a target with something before each call; an error of a hook is the
// call's answer.
type hooked struct {
	*memory
	observe func(ctx context.Context) error
	act     func(ctx context.Context, g grants.Grant) error
}

func (h hooked) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if h.observe != nil {
		if err := h.observe(ctx); err != nil {
			return nil, err
		}
	}
	return h.memory.Observe(ctx, scope)
}

func (h hooked) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	if h.act != nil {
		if err := h.act(ctx, g); err != nil {
			return err
		}
	}
	return h.memory.Grant(ctx, g, until)
}

func (h hooked) Revoke(ctx context.Context, g grants.Grant) error {
	if h.act != nil {
		if err := h.act(ctx, g); err != nil {
			return err
		}
	}
	return h.memory.Revoke(ctx, g)
}

// counted keeps how often a revoke was counted.
type counted struct {
	noMetrics
	revoked []time.Duration
	overdue int
}

func (c *counted) Overdue(_ string, n int) { c.overdue = n }

func (c *counted) Revoked(_ string, lag time.Duration) { c.revoked = append(c.revoked, lag) }

func TestAFailedGrantDoesNotDelayTheRevoke(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 3))
	w.target.deaf = true // the grant takes effect, and nobody hears of it
	end := start.Add(3 * time.Minute)
	for w.now.Before(end) {
		if _, err, _ := w.pass(); err == nil {
			t.Fatal("a lost answer was not reported")
		}
		if w.now = w.holds()[0].RetryAt; !w.now.After(start) {
			t.Fatal("no retry is planned")
		}
	}
	w.target.deaf = false
	w.now = end
	if w.mustPass(); len(w.target.held) != 0 {
		t.Fatal("the revoke waited for the retry of the grant")
	}
}

func TestALateGrantIsFoundAfterItsRevoke(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 1))
	end := start.Add(time.Minute)
	w.now = end.Add(-time.Second)
	w.engine.workers[0].conn = hooked{memory: w.target, act: func(context.Context, grants.Grant) error { return context.DeadlineExceeded }}
	if _, err, _ := w.pass(); err == nil {
		t.Fatal("a lost answer was not reported")
	}
	// The grant is still on its way when its revoke is accepted and read back.
	w.engine.workers[0].conn = w.target
	w.target.late = map[grants.Grant]act{grant("alice", "rw"): {at: end.Add(2 * time.Second)}}
	w.now = end
	next := w.mustPass()
	if len(w.holds()) != 1 {
		t.Fatal("the hold was given up while the grant could still take effect")
	}
	if next.After(end.Add(2 * time.Minute)) {
		t.Fatalf("looks again only at %s", next)
	}
	for range 5 {
		w.now = next
		next = w.mustPass()
	}
	if w.target.settleLate(); len(w.target.late) != 0 || len(w.target.held) != 0 || len(w.holds()) != 0 {
		t.Fatalf("the late grant stays: %v, holds %v", w.target.held, w.holds())
	}
}

func TestNothingIsGrantedWhoseWindowClosedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 1), asks("b", "bob", "rw", 0, 60))
	w.now = start.Add(59 * time.Second)
	w.engine.workers[0].conn = hooked{memory: w.target, observe: func(context.Context) error {
		w.now = start.Add(61 * time.Second)
		return nil
	}}
	w.mustPass()
	if w.target.held[grant("alice", "rw")] || !w.target.held[grant("bob", "rw")] {
		t.Fatalf("after a slow look at the target: %v", w.target.held)
	}
}

func TestARevokeThatCannotBeReadBackIsCountedAndToldOnce(t *testing.T) {
	w := newWorld(t)
	m := &counted{}
	w.engine.cfg.Metrics = m
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.mustPass()
	w.target.blind = true
	w.now = start.Add(time.Hour)
	for range 100 {
		if _, err, _ := w.pass(); err == nil {
			t.Fatal("a pass that could not observe reported no error")
		}
		w.now = w.now.Add(time.Minute)
	}
	if !slices.Equal(m.revoked, []time.Duration{0}) {
		t.Errorf("lags of one revoke: %v", m.revoked)
	}
	n := 0
	for _, k := range w.kinds() {
		if k == ledger.EventRevokeIntended || k == ledger.EventRevokeAccepted {
			n++
		}
	}
	if n != 2 || len(w.target.acts) != 2 {
		t.Errorf("%d events and %v", n, w.target.acts)
	}
	w.target.blind = false
	if w.mustPass(); len(w.holds()) != 0 {
		t.Error("the read-back did not release the hold")
	}
}

func TestAccessThatComesBackAfterItsRevokeIsTakenAwayAgain(t *testing.T) {
	w := newWorld(t)
	m := &counted{}
	w.engine.cfg.Metrics = m
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.mustPass()
	stubborn := true
	w.engine.workers[0].conn = hooked{memory: w.target, observe: func(context.Context) error {
		if stubborn {
			w.target.held[grant("alice", "rw")] = true
		}
		return nil
	}}
	w.now = start.Add(time.Hour)
	var wait time.Duration
	for range 20 {
		next := w.mustPass()
		if wait = next.Sub(w.now); wait <= 0 || wait > time.Minute {
			t.Fatalf("tries again after %s", wait)
		}
		w.now = next
	}
	if wait != time.Minute {
		t.Errorf("the pause does not grow: it is %s after 20 tries", wait)
	}
	if len(m.revoked) != 1 {
		t.Errorf("one revoke was counted %d times", len(m.revoked))
	}
	stubborn = false
	for range 3 {
		w.now = w.now.Add(time.Minute)
		w.mustPass()
	}
	if len(w.target.held) != 0 || len(w.holds()) != 0 {
		t.Errorf("target %v, holds %v", w.target.held, w.holds())
	}
}

// A clock that was wrong when a revoke failed must not decide when it is tried again.
func TestARetryPlannedByAWrongClockIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.mustPass()
	w.target.down = true
	w.now = start.AddDate(1, 0, 0)
	if _, err, _ := w.pass(); err == nil {
		t.Fatal("a failed revoke was not reported")
	}
	w.target.down = false
	w.now = start.Add(2 * time.Hour)
	w.restart()
	if w.mustPass(); len(w.target.held) != 0 || len(w.holds()) != 0 {
		t.Fatalf("target %v, holds %v", w.target.held, w.holds())
	}
}

func TestAnActThatHangsLeavesTimeForTheOthers(t *testing.T) {
	w := newWorld(t)
	w.engine.cfg.ActTimeout = 50 * time.Millisecond
	w.decide(asks("a", "alice", "rw", 0, 60), asks("b", "bob", "rw", 0, 60))
	w.mustPass()
	w.engine.workers[0].conn = hooked{memory: w.target, act: func(ctx context.Context, g grants.Grant) error {
		if g.Account == "alice" {
			<-ctx.Done()
		}
		return ctx.Err()
	}}
	w.now = start.Add(time.Hour)
	if _, err, _ := w.pass(); err == nil {
		t.Fatal("an act that hangs was not reported")
	}
	if w.target.held[grant("bob", "rw")] {
		t.Fatal("bob stays because alice's revoke hangs")
	}
}

// A pass does not sit through one time-out after another: what there was no time
// for comes first in the next one, without counting as failed.
func TestWhatThereWasNoTimeForIsNextAtOnce(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 60), asks("b", "bob", "rw", 0, 60))
	w.mustPass()
	w.engine.workers[0].conn = hooked{memory: w.target, act: func(_ context.Context, g grants.Grant) error {
		if g.Account == "alice" {
			w.now = w.now.Add(w.engine.cfg.ActTimeout)
			return context.DeadlineExceeded
		}
		return nil
	}}
	w.now = start.Add(time.Hour)
	next, err, _ := w.pass()
	if err == nil || next.After(w.now) {
		t.Fatalf("next pass at %s, now it is %s; %v", next, w.now, err)
	}
	for _, h := range w.holds() {
		if h.Account == "bob" && (h.Failures != 0 || !h.RetryAt.IsZero() || h.State != grants.StateRevoking) {
			t.Fatalf("bob's revoke: %+v", h)
		}
	}
	_, _, _ = w.pass()
	if w.target.held[grant("bob", "rw")] {
		t.Fatal("bob's revoke did not come first")
	}
}

// batching applies acts in one call and keeps how many there were.
type batching struct {
	*memory
	sizes []int
}

func (b *batching) Apply(ctx context.Context, acts []connectors.Act) []error {
	b.sizes = append(b.sizes, len(acts))
	errs := make([]error, len(acts))
	for i, a := range acts {
		errs[i] = b.do(a.Grant, a.Revoke)
	}
	return errs
}

func TestAHugeBatchIsCut(t *testing.T) {
	w := newWorld(t)
	b := &batching{memory: w.target}
	w.engine.workers[0].conn = b
	d := asks("a", "alice", "rw", 0, 60)
	for i := range 2*maxBatch + 1 {
		d.Terms[0].Items = append(d.Terms[0].Items, grants.Item{Grant: grant(fmt.Sprintf("user%d", i), "rw")})
	}
	w.decide(d)
	w.mustPass()
	w.now = start.Add(time.Hour)
	w.mustPass()
	if len(w.target.held) != 0 || slices.Max(b.sizes) > maxBatch || len(b.sizes) != 6 {
		t.Fatalf("batches of %v; %d are still in", b.sizes, len(w.target.held))
	}
}

// Looking at a slow target must not make the next end late.
func TestALookAtTheTargetMakesWayForAnEnd(t *testing.T) {
	w := newWorld(t)
	w.engine.cfg.ObserveTimeout = time.Minute
	w.decide(asks("a", "alice", "rw", 0, 1))
	w.mustPass()
	end := start.Add(time.Minute)
	w.now = end.Add(-20 * time.Millisecond)
	looks := 0
	w.engine.workers[0].conn = hooked{memory: w.target, observe: func(ctx context.Context) error {
		if looks++; looks > 1 {
			return nil
		}
		<-ctx.Done()
		w.now = end
		return ctx.Err()
	}}
	if next := w.mustPass(); next.After(end) {
		t.Fatalf("next pass at %s", next)
	}
	if w.mustPass(); len(w.target.held) != 0 || looks != 2 {
		t.Fatalf("after the end: %v; %d looks", w.target.held, looks)
	}
}

// Ends that follow each other closely must not keep the target from ever being
// looked at: the look after one that was cut short is not.
func TestALookIsNotCutShortTwiceInARow(t *testing.T) {
	w := newWorld(t)
	w.engine.cfg.ObserveTimeout = 100 * time.Millisecond
	w.decide(asks("a", "alice", "rw", 0, 1), asks("b", "bob", "rw", 0, 2))
	w.mustPass()
	w.now = start.Add(time.Minute - time.Millisecond)
	w.engine.workers[0].conn = hooked{memory: w.target, observe: func(ctx context.Context) error {
		<-ctx.Done()
		w.now = start.Add(2*time.Minute - time.Millisecond)
		return ctx.Err()
	}}
	if _, err, _ := w.pass(); err != nil {
		t.Fatalf("making way is no failure: %v", err)
	}
	begin := time.Now()
	if _, err, _ := w.pass(); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) < w.engine.cfg.ObserveTimeout {
		t.Fatalf("the second look was cut short, too: %v after %s", err, time.Since(begin))
	}
}

// Who asks for one pass wants it whole: nobody comes back for the rest.
func TestOncePassesUntilNothingIsLeftToDoNow(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 1))
	w.mustPass()
	w.decide(asks("b", "bob", "rw", 0, 60), asks("c", "carol", "rw", 0, 60))
	end := start.Add(time.Minute)
	w.now = end.Add(-20 * time.Millisecond)
	w.engine.workers[0].conn = hooked{memory: w.target, observe: func(ctx context.Context) error {
		if w.now.Before(end) {
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			w.now = end
		}
		return ctx.Err()
	}, act: func(context.Context, grants.Grant) error {
		w.now = w.now.Add(w.engine.cfg.ActTimeout) // slow, but not failing
		return nil
	}}
	if err := w.engine.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.target.held[grant("alice", "rw")] || !w.target.held[grant("bob", "rw")] || !w.target.held[grant("carol", "rw")] {
		t.Fatalf("after one pass: %v", w.target.held)
	}
}

// brokenEnder cannot end sessions.
type brokenEnder struct{ hooked }

func (brokenEnder) EndSessions(context.Context, []grants.Grant) error {
	return errors.New(strings.Repeat("no ", 1<<20))
}

func TestAHoldIsKeptUntilItsSessionsHaveEnded(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.mustPass()
	w.engine.workers[0].conn = brokenEnder{hooked{memory: w.target, observe: func(context.Context) error {
		w.now = w.now.Add(time.Minute) // longer than the pause before the next try
		return nil
	}}}
	w.now = start.Add(time.Hour)
	for range 20 {
		if _, err, _ := w.pass(); err == nil {
			t.Fatal("sessions that do not end were not reported")
		}
		holds := w.holds()
		if len(holds) != 1 {
			t.Fatal("the hold was given up while sessions live on")
		}
		if n := len(holds[0].LastError); n == 0 || n > 2*maxMessage {
			t.Fatalf("the ledger keeps %d bytes of an error", n)
		}
	}
	w.engine.workers[0].conn = w.target
	w.now = w.now.Add(time.Minute)
	if w.mustPass(); len(w.holds()) != 0 {
		t.Fatal("the hold is kept after its sessions ended")
	}
}

func TestATargetThatIsDownForDaysDoesNotFillTheChain(t *testing.T) {
	w := newWorld(t)
	w.decide(asks("a", "alice", "rw", 0, 60))
	w.mustPass()
	w.target.down = true
	w.now = start.Add(time.Hour)
	before := len(w.kinds())
	for range 300 {
		if _, err, _ := w.pass(); err == nil {
			t.Fatal("a failed revoke was not reported")
		}
		w.now = w.now.Add(time.Minute)
	}
	if n := len(w.kinds()) - before; n < 3 || n > 24 {
		t.Errorf("%d events of one revoke that failed 300 times", n)
	}
	w.target.down = false
	w.mustPass()
	w.now = w.now.Add(2 * time.Minute) // past what the last failed act could still do
	if w.mustPass(); len(w.target.held) != 0 || len(w.holds()) != 0 {
		t.Fatalf("target %v, holds %v", w.target.held, w.holds())
	}
	if kinds := w.kinds(); !slices.Contains(kinds, ledger.EventRevokeAccepted) || !slices.Contains(kinds, ledger.EventRevoked) {
		t.Errorf("the chain misses the end: %v", kinds)
	}
}

// A person who has left and is still in is as overdue as a window that is over.
func TestARemovalThatFailsIsOverdue(t *testing.T) {
	w := newWorld(t)
	m := &counted{}
	w.engine.cfg.Metrics = m
	d := asks("a", "alice", "rw", 0, 60)
	w.decide(d)
	w.mustPass()
	w.target.down = true
	gone := d
	gone.Granted = false
	gone.Removals = grants.Removals(d, gone, "c", w.now, grants.CauseDeactivated)
	w.decide(gone)
	if _, err, _ := w.pass(); err == nil || m.overdue != 1 {
		t.Errorf("overdue: %d; %v", m.overdue, err)
	}
	w.target.down = false
	w.now = w.now.Add(2 * time.Minute)
	if w.mustPass(); m.overdue != 0 || len(w.target.held) != 0 {
		t.Errorf("overdue: %d; target %v", m.overdue, w.target.held)
	}
}

// flaky is a ledger that cannot be read for a while.
type flaky struct {
	Ledger
	down int
}

func (f *flaky) Version(ctx context.Context) (int64, error) {
	if f.down--; f.down >= 0 {
		return 0, errDown
	}
	return f.Ledger.Version(ctx)
}

func TestWorkersAreWokenWhenTheLedgerIsBack(t *testing.T) {
	w := newWorld(t)
	w.engine.cfg.Ledger = &flaky{Ledger: w.engine.cfg.Ledger, down: 3}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.engine.cfg.Clock = &napping{world: w, left: 5, stop: cancel}
	w.engine.watch(ctx)
	select {
	case <-w.engine.workers[0].wake:
	default:
		t.Fatal("the worker sleeps on")
	}
}
