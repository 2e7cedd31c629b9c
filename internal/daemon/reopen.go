package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

const (
	// startWait is how long the start waits for targets to open; one that takes
	// longer must not delay what has to end on the others.
	startWait = 5 * time.Second
	// reopenPause is the least pause between two tries to open a target. In between
	// every call fails at once, so that a pass over many grants costs one try.
	reopenPause = 2 * time.Second
	// closeWait bounds the wait for a driver that does not return from Open.
	closeWait = 5 * time.Second
)

// opFailedOpen is the act that a failed try to open a target is counted as.
const opFailedOpen = "open"

// startTargets opens every configured target, all at the same time. One that cannot
// be opened yet is an error in the log and fails its own calls until it can; only a
// connector that this build does not know is an error here.
func (d *Daemon) startTargets(ctx context.Context) (map[string]connectors.Connector, error) {
	var errs *multierror.Error
	all := make(map[string]*reopening, len(d.cfg.Targets))
	for name, t := range d.cfg.Targets {
		driver, err := d.opts.Registry.Lookup(t.Connector)
		if err != nil {
			errs = multierror.Append(errs, fmt.Errorf("target %s: %w", name, err))
			continue
		}
		all[name] = &reopening{
			target: name, driver: driver, settings: connectors.Settings(t.Settings), now: d.opts.Clock.Now,
			log: d.log, failed: func() { d.Metrics.Failed(name, opFailedOpen) },
		}
	}
	if err := errs.ErrorOrNil(); err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	out := make(map[string]connectors.Connector, len(all))
	var wg sync.WaitGroup
	for name, r := range all {
		out[name] = r
		wg.Go(func() {
			// The try itself may take as long as any act; the first call joins it.
			if _, err := r.join(wait, ctx, d.cfg.Timeouts.Act); err != nil {
				d.log.Error("a target cannot be opened; nothing can be granted or ended on it until it can, the others go on",
					"target", name, "error", err)
			}
		})
	}
	wg.Wait()
	return out, nil
}

// reopening is a target that may not be open yet. Each call opens it first; while
// that fails, so does the call, with the same error.
type reopening struct {
	target   string
	driver   connectors.Driver
	settings connectors.Settings
	now      func() time.Time
	log      *slog.Logger
	failed   func() // called after each try that failed

	mu     sync.Mutex // never held during a try
	inner  connectors.Connector
	try    *try      // under way; nil: none
	err    error     // of the last try; nil: it may be tried again at once
	tried  time.Time // when the last one failed
	closed bool
}

// try is one call of Open. A driver that ignores its context keeps it for as long
// as it likes, and whoever waits for it leaves when their own context ends.
type try struct {
	done chan struct{} // closed at the end; what follows is set before
	conn connectors.Connector
	err  error
}

// conn returns the open connector, or tries to open it.
func (r *reopening) conn(ctx context.Context) (connectors.Connector, error) {
	return r.join(ctx, ctx, 0)
}

// join waits, until ctx ends, for a try to open the target. One that it has to begin
// itself ends with life, or after limit if that is not zero.
func (r *reopening) join(ctx, life context.Context, limit time.Duration) (connectors.Connector, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, fmt.Errorf("target %s is closed", r.target)
	}
	if r.inner != nil {
		defer r.mu.Unlock()
		return r.inner, nil
	}
	if since := r.now().Sub(r.tried); r.try == nil && r.err != nil && since >= 0 && since < reopenPause {
		defer r.mu.Unlock()
		return nil, r.err
	}
	if r.try == nil {
		r.try = &try{done: make(chan struct{})}
		go r.open(life, limit, r.try)
	}
	t := r.try
	r.mu.Unlock()
	select {
	case <-t.done:
		return t.conn, t.err
	case <-ctx.Done():
		return nil, fmt.Errorf("target %s: still opening: %w", r.target, ctx.Err())
	}
}

func (r *reopening) open(ctx context.Context, limit time.Duration, t *try) {
	defer close(t.done)
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	c, err := r.recovered(ctx)
	if err != nil {
		r.failed()
		err = fmt.Errorf("target %s cannot be opened: %w", r.target, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.try = nil
	switch {
	case err != nil:
		// A try that was cut short says nothing of the next one.
		if r.err = nil; ctx.Err() == nil {
			r.err, r.tried = err, r.now()
		}
	case r.closed: // nobody waits for it any more
		err = errors.Join(fmt.Errorf("target %s is closed", r.target), c.Close())
		c = nil
	default:
		if !r.tried.IsZero() {
			r.log.Info("the target is open", "target", r.target)
		}
		r.inner = c
	}
	t.conn, t.err = c, err
}

// recovered calls the driver. A panic is an error; its words may quote a setting and
// are left out, unless they are the runtime's own.
func (r *reopening) recovered(ctx context.Context) (c connectors.Connector, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			c, err = nil, fmt.Errorf("the connector panicked, which is a fault in it: %w", p)
		default:
			c, err = nil, fmt.Errorf("the connector panicked with a %T, which is a fault in it", p)
		}
	}()
	return r.driver.Open(ctx, r.target, r.settings)
}

func (r *reopening) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	c, err := r.conn(ctx)
	if err != nil {
		return nil, err
	}
	return c.Observe(ctx, scope)
}

func (r *reopening) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	c, err := r.conn(ctx)
	if err != nil {
		return err
	}
	return c.Grant(ctx, g, until)
}

func (r *reopening) Revoke(ctx context.Context, g grants.Grant) error {
	c, err := r.conn(ctx)
	if err != nil {
		return err
	}
	return c.Revoke(ctx, g)
}

// Abilities are those of the open connector; before, there are none. Callers ask
// again for each act, also after it: a revoke that opened the target is followed by
// the end of live sessions.
func (r *reopening) Abilities() connectors.AbilitySet {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inner == nil {
		return connectors.AbilitySet{}
	}
	return connectors.Abilities(r.inner)
}

// Close closes what is open, and waits for a try that is under way, but not for ever.
func (r *reopening) Close() error {
	r.mu.Lock()
	c, t := r.inner, r.try
	r.inner, r.closed = nil, true
	r.mu.Unlock()
	if t != nil {
		select {
		case <-t.done:
		case <-time.After(closeWait):
			return errors.New("the connector did not return from opening")
		}
	}
	if c == nil {
		return nil
	}
	return c.Close()
}
