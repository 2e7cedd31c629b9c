package daemon

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/config"
	"github.com/tenure-dev/tenure/internal/reconcile"
	"github.com/tenure-dev/tenure/internal/web"
)

// door is a driver whose Open a test decides.
type door struct {
	open  func(ctx context.Context) (connectors.Connector, error)
	tries int
}

func (d *door) Name() string                              { return "door" }
func (d *door) Canonical(connectors.Spec) (string, error) { return "", nil }
func (d *door) Open(ctx context.Context, _ string, _ connectors.Settings) (connectors.Connector, error) {
	d.tries++
	return d.open(ctx)
}

// room is an open connector that can end sessions.
type room struct{ closed int }

func (r *room) Observe(context.Context, []string) ([]grants.Grant, error) { return nil, nil }
func (r *room) Grant(context.Context, grants.Grant, time.Time) error      { return nil }
func (r *room) Revoke(context.Context, grants.Grant) error                { return nil }
func (r *room) EndSessions(context.Context, []grants.Grant) error         { return nil }
func (r *room) Close() error                                              { r.closed++; return nil }

var errShut = errors.New("shut")

func shut(context.Context) (connectors.Connector, error) { return nil, errShut }

func reopeningDoor(d *door) *reopening {
	return &reopening{target: "orders", driver: d, now: time.Now, log: discard, failed: func() {}}
}

// calls makes every call of a connector once.
func everyCall(ctx context.Context, c connectors.Connector) []error {
	_, err := c.Observe(ctx, []string{"group=ops"})
	return []error{err, c.Grant(ctx, grants.Grant{}, time.Time{}), c.Revoke(ctx, grants.Grant{})}
}

func TestCallsFailUntilTheTargetOpensAndTryAtMostOnceAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, inner := &door{open: shut}, &room{}
		failed := 0
		r := reopeningDoor(d)
		r.failed = func() { failed++ }
		for range 3 {
			for _, err := range everyCall(t.Context(), r) {
				if !errors.Is(err, errShut) || !strings.Contains(err.Error(), "orders") {
					t.Errorf("call: %v", err)
				}
			}
		}
		if d.tries != 1 || failed != 1 {
			t.Errorf("%d tries, %d failures counted; want one", d.tries, failed)
		}
		if a := connectors.Abilities(r); a != (connectors.AbilitySet{}) {
			t.Errorf("abilities before it is open: %+v", a)
		}
		d.open = func(context.Context) (connectors.Connector, error) { return inner, nil }
		time.Sleep(reopenPause - time.Nanosecond) // the bubble's clock
		if err := r.Revoke(t.Context(), grants.Grant{}); !errors.Is(err, errShut) || d.tries != 1 {
			t.Errorf("within the pause: %v after %d tries", err, d.tries)
		}
		time.Sleep(time.Nanosecond)
		// As the engine does it: revoke, then ask who ends sessions.
		c := connectors.WithRecover(r)
		if err := c.Revoke(t.Context(), grants.Grant{}); err != nil || d.tries != 2 {
			t.Errorf("after the pause: %v after %d tries", err, d.tries)
		}
		if _, ok := connectors.AsSessionEnder(c); !ok {
			t.Error("the revoke that opened the target leaves live sessions")
		}
		if err := errors.Join(everyCall(t.Context(), r)...); err != nil || d.tries != 2 {
			t.Errorf("open: %v after %d tries", err, d.tries)
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil || inner.closed != 1 {
			t.Errorf("close: %v, closed %d times", err, inner.closed)
		}
		if err := r.Revoke(t.Context(), grants.Grant{}); err == nil {
			t.Error("a closed target was opened again")
		}
	})
}

func TestPauseEndsWhenTheClockIsSetBack(t *testing.T) {
	d := &door{open: shut}
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	r := reopeningDoor(d)
	r.now = func() time.Time { return now }
	_ = r.Revoke(t.Context(), grants.Grant{})
	now = now.Add(-time.Hour)
	_ = r.Revoke(t.Context(), grants.Grant{})
	if d.tries != 2 {
		t.Errorf("%d tries", d.tries)
	}
}

func TestTryThatWasCutShortIsMadeAgainAtOnce(t *testing.T) {
	inner := &room{}
	d := &door{open: func(ctx context.Context) (connectors.Connector, error) { return nil, ctx.Err() }}
	r := reopeningDoor(d)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Revoke(ctx, grants.Grant{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cut short: %v", err)
	}
	r.mu.Lock()
	under := r.try
	r.mu.Unlock()
	if under != nil {
		<-under.done
	}
	d.open = func(context.Context) (connectors.Connector, error) { return inner, nil }
	if err := r.Revoke(t.Context(), grants.Grant{}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestPanicInOpenIsAnErrorWithoutItsWords(t *testing.T) {
	r := reopeningDoor(&door{open: func(context.Context) (connectors.Connector, error) { panic("dsn postgres://u:secret@db") }})
	err := r.Revoke(t.Context(), grants.Grant{})
	if err == nil || !strings.Contains(err.Error(), "panicked") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	r = reopeningDoor(&door{open: func(context.Context) (connectors.Connector, error) {
		return nil, errors.New(strings.Fields("one word")[2])
	}})
	if err := r.Revoke(t.Context(), grants.Grant{}); err == nil || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("%v", err)
	}
}

func TestStartDoesNotWaitForADriverThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mounted, inner := make(chan struct{}), &room{}
		hangs := &door{open: func(context.Context) (connectors.Connector, error) { <-mounted; return inner, nil }}
		reg, err := connectors.NewRegistry(hangs)
		if err != nil {
			t.Fatal(err)
		}
		d := &Daemon{
			cfg: &config.Config{
				Targets:  map[string]config.Target{"orders": {Connector: "door"}},
				Timeouts: config.Timeouts{Act: 30 * time.Second, Observe: 30 * time.Second},
			},
			opts: Options{Registry: reg, Clock: reconcile.SystemClock{}}, log: discard, Metrics: web.NewMetrics("test"),
		}
		began := time.Now()
		targets, err := d.startTargets(t.Context())
		if took := time.Since(began); err != nil || took > startWait {
			t.Fatalf("started after %s: %v", took, err)
		}
		c := targets["orders"]
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := c.Revoke(ctx, grants.Grant{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call while it hangs: %v", err)
		}
		close(mounted)
		if err := c.Revoke(t.Context(), grants.Grant{}); err != nil || hangs.tries != 1 {
			t.Errorf("a call after it: %v, %d tries", err, hangs.tries)
		}
		if err := c.Close(); err != nil || inner.closed != 1 {
			t.Errorf("close: %v, closed %d times", err, inner.closed)
		}
	})
}

func TestCloseDoesNotWaitForEverAndWhatOpensLaterIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mounted, inner := make(chan struct{}), &room{}
		r := reopeningDoor(&door{open: func(context.Context) (connectors.Connector, error) { <-mounted; return inner, nil }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Revoke(ctx, grants.Grant{}); err == nil {
			t.Error("revoked through a closed door")
		}
		if err := r.Close(); err == nil {
			t.Error("close does not say that the driver hangs")
		}
		close(mounted)
		synctest.Wait()
		if inner.closed != 1 {
			t.Errorf("closed %d times", inner.closed)
		}
	})
}

func TestManyCallsAtATimeShareOneTry(t *testing.T) {
	d := &door{open: func(context.Context) (connectors.Connector, error) { return &room{}, nil }}
	r := reopeningDoor(d)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := errors.Join(everyCall(t.Context(), r)...); err != nil {
				t.Error(err)
			}
			connectors.Abilities(r)
		})
	}
	wg.Wait()
	if err := r.Close(); err != nil || d.tries != 1 {
		t.Errorf("%d tries: %v", d.tries, err)
	}
}
