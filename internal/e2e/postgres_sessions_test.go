package e2e_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// cutOff is a connector whose process dies between the revoke and the end of the
// sessions: from then on nothing reaches the target, until it is healed.
type cutOff struct {
	connectors.Connector
	dead, healed atomic.Bool
}

var errCutOff = errors.New("cut off")

func (c *cutOff) Abilities() connectors.AbilitySet {
	return connectors.AbilitySet{Batcher: c, SessionEnder: c}
}

func (c *cutOff) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if c.dead.Load() {
		return nil, errCutOff
	}
	return c.Connector.Observe(ctx, scope)
}

func (c *cutOff) Apply(ctx context.Context, acts []connectors.Act) []error {
	if c.dead.Load() {
		errs := make([]error, len(acts))
		for i := range errs {
			errs[i] = errCutOff
		}
		return errs
	}
	b, _ := connectors.AsBatcher(c.Connector)
	return b.Apply(ctx, acts)
}

func (c *cutOff) EndSessions(ctx context.Context, lost []grants.Grant) error {
	if c.healed.Load() {
		s, _ := connectors.AsSessionEnder(c.Connector)
		return s.EndSessions(ctx, lost)
	}
	c.dead.Store(true)
	return errCutOff
}

// A session that took on the role before the end would keep it for good, so a
// crash right after the revoke must not leave it.
func TestSessionsEndAlthoughTheFirstAttemptDiedBeforeThem(t *testing.T) {
	for _, restart := range []bool{true, false} {
		t.Run(map[bool]string{true: "another process goes on", false: "the same one tries again"}[restart], func(t *testing.T) {
			server, pairs := pgServer(t, 3, 1)
			admin := pgConnect(t, server.DSN(""))
			led := openPGLedger(t, "sqlite://"+filepath.Join(t.TempDir(), "ledger.db"))
			t.Cleanup(func() { _ = led.Close() })
			target := pgConnector(t, server)
			t.Cleanup(func() { _ = target.Close() })
			first := &cutOff{Connector: target}
			stop := pgRunEngine(t, pgEngine(t, led, first, time.Second))
			ends := grantAll(t, led, func(d ...grants.Decision) { pgDecide(t, led, d...) }, pairs, 0, func() (map[string]bool, error) {
				_, held, err := pgMembers(t.Context(), admin)
				return held, err
			})
			sessions := openSessions(t, func(login string) string { return server.DSNAs(login, "", "") }, pairs)
			pgUntil(t, "the first attempt", func() (bool, error) { return first.dead.Load(), nil })
			if restart {
				stop()
				stop = pgRunEngine(t, pgEngine(t, led, target, time.Second))
			} else {
				first.healed.Store(true)
				first.dead.Store(false)
			}
			lags := sessions.lags(t, func(i int) time.Time { return ends[pairs[i].String()] }, admin)
			t.Logf("end to session ended: %s", lagLine(lags))
			pgUntil(t, "an empty ledger", func() (bool, error) {
				holds, err := led.Holds(t.Context(), pgTarget)
				return len(holds) == 0, err
			})
			stop()
		})
	}
}
