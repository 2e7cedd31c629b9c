package connectors

import (
	"context"
	"errors"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

// Op names a call to a connector, in metrics and in errors.
type Op string

// The calls that a decorator sees.
const (
	OpObserve     Op = "observe"
	OpGrant       Op = "grant"
	OpRevoke      Op = "revoke"
	OpApply       Op = "apply"
	OpEndSessions Op = "end-sessions"
	OpCheck       Op = "check"
)

// Changes reports whether the call can change the target.
func (o Op) Changes() bool { return o != OpObserve && o != OpCheck }

// call is one call on its way through a decorator. n counts the grants, acts or
// entitlements that it is about.
type call struct {
	op  Op
	n   int
	run func(context.Context) error
}

// decorator sends every call of a connector, and of every ability that it has,
// through one function; so no decorator can forget one of them.
type decorator struct {
	inner  Connector
	around func(ctx context.Context, c call) error
}

func (d *decorator) Observe(ctx context.Context, scope []string) (found []grants.Grant, err error) {
	err = d.around(ctx, call{OpObserve, len(scope), func(ctx context.Context) (err error) {
		found, err = d.inner.Observe(ctx, scope)
		return err
	}})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (d *decorator) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return d.around(ctx, call{OpGrant, 1, func(ctx context.Context) error {
		return d.inner.Grant(ctx, g, until)
	}})
}

func (d *decorator) Revoke(ctx context.Context, g grants.Grant) error {
	return d.around(ctx, call{OpRevoke, 1, func(ctx context.Context) error {
		return d.inner.Revoke(ctx, g)
	}})
}

func (d *decorator) Close() error { return d.inner.Close() }

// Abilities returns the inner connector's abilities, decorated.
func (d *decorator) Abilities() AbilitySet {
	s := Abilities(d.inner)
	if s.Batcher != nil {
		s.Batcher = aroundBatcher{d, s.Batcher}
	}
	if s.SessionEnder != nil {
		s.SessionEnder = aroundSessionEnder{d, s.SessionEnder}
	}
	if s.Checker != nil {
		s.Checker = aroundChecker{d, s.Checker}
	}
	return s
}

type aroundBatcher struct {
	*decorator
	batch Batcher
}

func (b aroundBatcher) Apply(ctx context.Context, acts []Act) []error {
	var errs []error
	err := b.around(ctx, call{OpApply, len(acts), func(ctx context.Context) error {
		errs = b.batch.Apply(ctx, acts)
		return errors.Join(errs...)
	}})
	if len(errs) != len(acts) { // the call was not made, or broke its contract
		if err == nil {
			err = errors.New("the connector did not say what became of this change")
		}
		errs = make([]error, len(acts))
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

type aroundSessionEnder struct {
	*decorator
	ender SessionEnder
}

func (s aroundSessionEnder) EndSessions(ctx context.Context, lost []grants.Grant) error {
	return s.around(ctx, call{OpEndSessions, len(lost), func(ctx context.Context) error {
		return s.ender.EndSessions(ctx, lost)
	}})
}

type aroundChecker struct {
	*decorator
	check Checker
}

func (k aroundChecker) Check(ctx context.Context, scope []string) []error {
	var errs []error
	err := k.around(ctx, call{OpCheck, len(scope), func(ctx context.Context) error {
		errs = k.check.Check(ctx, scope)
		return errors.Join(errs...)
	}})
	if len(errs) == 0 && err != nil {
		errs = []error{err}
	}
	return errs
}
