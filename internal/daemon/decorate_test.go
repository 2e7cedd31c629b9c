package daemon

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/reconcile"
	"github.com/tenure-dev/tenure/internal/web"
)

// faulty is a connector with a fault in its client.
type faulty struct{ connectors.Connector }

func (faulty) Revoke(context.Context, grants.Grant) error { panic("assignment to entry in nil map") }

func (faulty) Grant(context.Context, grants.Grant, time.Time) error { return nil }

func TestOneTargetsPanicIsItsOwnAndItsCallsAreMeasured(t *testing.T) {
	d := &Daemon{Metrics: web.NewMetrics("test"), opts: Options{Clock: reconcile.NewSystemClock()}}
	c := d.decorate("orders-db", faulty{})
	if err := c.Revoke(t.Context(), grants.Grant{}); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("revoke: %v", err)
	}
	if err := c.Grant(t.Context(), grants.Grant{}, time.Time{}); err != nil {
		t.Errorf("grant: %v", err)
	}
	page := httptest.NewRecorder()
	d.Metrics.Handler().ServeHTTP(page, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	for _, act := range []string{"revoke", "grant"} {
		if want := `tenure_target_call_duration_seconds_count{act="` + act + `",target="orders-db"} 1`; !strings.Contains(page.Body.String(), want) {
			t.Errorf("the page does not show %s", want)
		}
	}
}
