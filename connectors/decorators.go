package connectors

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// WithTimeout gives every call at most perCall, and less if its context ends
// earlier. It relies on the connector to honour its context, which conformance
// checks.
func WithTimeout(c Connector, perCall time.Duration) Connector {
	return &decorator{c, func(ctx context.Context, k call) error {
		inner, cancel := context.WithTimeout(ctx, perCall)
		defer cancel()
		err := k.run(inner)
		if err != nil && ctx.Err() == nil && errors.Is(inner.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("%s: no answer within %s: %w", k.op, perCall, err)
		}
		return err
	}}
}

// WithRecover turns a panic of a connector into the error of that call, so that a
// fault in one target's client does not end the process that serves the others.
// What the call had done by then is not known.
func WithRecover(c Connector) Connector {
	return &decorator{c, func(ctx context.Context, k call) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%s: the connector panicked, which is a fault in it: %v", k.op, p)
			}
		}()
		return k.run(ctx)
	}}
}

// ErrReadOnly is returned by every call of a read-only connector that would change
// its target.
var ErrReadOnly = errors.New("this target is read-only here: nothing was changed")

// ReadOnly lets a connector look and never touch.
func ReadOnly(c Connector) Connector {
	return &decorator{c, func(ctx context.Context, k call) error {
		if k.op.Changes() {
			return fmt.Errorf("%s: %w", k.op, ErrReadOnly)
		}
		return k.run(ctx)
	}}
}

// Recorder is told of every call. It brings its own clock.
type Recorder interface {
	// Call is called when a call starts; n counts the grants, acts or entitlements
	// in it. done is called once when it ended, with its error: for a batch, the
	// errors of its acts joined.
	Call(op Op, n int) (done func(err error))
}

// WithMetrics tells r of every call.
func WithMetrics(c Connector, r Recorder) Connector {
	return &decorator{c, func(ctx context.Context, k call) error {
		done := r.Call(k.op, k.n)
		err := k.run(ctx)
		done(err)
		return err
	}}
}
