package vault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// parallel is how many requests of one call are under way at once.
const parallel = 8

// connector is one server, or one namespace of it.
type connector struct {
	target     string
	client     *client
	groups     []string // setting groups
	policies   []string // setting policies
	mounts     []string // setting mounts
	endsTokens bool     // setting endTokens

	mu     sync.Mutex
	locks  map[string]chan struct{} // a group's name -> who changes it
	seen   map[string]string        // an account -> its entity, as last listed
	owners map[string]string        // a token's accessor -> its entity, which never changes
	given  map[grants.Grant]*given  // to whom
}

// Grant adds the account to the list of members; the server itself ends nothing, so
// until is not used.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes the account off the list of members.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Abilities leaves out the ending of sessions where the settings say so.
func (c *connector) Abilities() connectors.AbilitySet {
	s := connectors.AbilitySet{Batcher: c, Checker: c}
	if c.endsTokens {
		s.SessionEnder = c
	}
	return s
}

// Close closes the idle connections. A token that was got by a login ends by itself.
func (c *connector) Close() error {
	c.client.close()
	return nil
}

func (c *connector) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, err)
}

// each calls f for every i below n, a few at once, and returns the first error. What
// has not begun by then is left out.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i := range n {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := f(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// failures is how many of many calls may fail before the others are left out.
const failures = 20

// most calls f for every i below n, a few at once, and goes on where one fails: it must
// not keep back the others. Where many fail, or the caller's time is over, it stops.
func most(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	var mu sync.Mutex
	var errs []error
	err := each(ctx, n, func(ctx context.Context, i int) error {
		err := f(ctx, i)
		if err == nil {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if errs = append(errs, err); len(errs) >= failures || ctx.Err() != nil {
			return err
		}
		return nil
	})
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return err
}
