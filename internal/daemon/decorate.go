package daemon

import (
	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/internal/reconcile"
	"github.com/tenure-dev/tenure/internal/web"
)

// decorate wraps a target's connector for the engine, which bounds every call
// itself: its calls are measured, and a panic in it is an error of the call.
func (d *Daemon) decorate(target string, c connectors.Connector) connectors.Connector {
	return connectors.WithMetrics(connectors.WithRecover(c), calls{d.Metrics, d.opts.Clock, target})
}

// calls measures the calls to one target.
type calls struct {
	metrics *web.Metrics
	clock   reconcile.Clock
	target  string
}

func (c calls) Call(op connectors.Op, _ int) func(error) {
	began := c.clock.Now()
	return func(error) { c.metrics.Called(c.target, string(op), c.clock.Now().Sub(began)) }
}
