package gcp

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// connector is one target: some projects, folders and organisations.
type connector struct {
	target, title string
	set           settings
	api           *api
	self          string // address of the reconciler's own service account, if it is known

	mu   sync.Mutex
	busy map[resource]chan struct{} // one change of a policy at a time
}

// Grant makes the account a member of Tenure's own binding that ends at until, and of no
// other one of Tenure's with this role.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes the account out of Tenure's own bindings. It is an error if a binding
// that somebody else made still gives the same.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// NativeExpiry says how Google ends access by itself.
func (c *connector) NativeExpiry() string {
	return "Google ends it: the binding has the condition request.time < the end of the grant, which is evaluated at each request"
}

// Close ends what is under way for a token and closes the idle connections.
func (c *connector) Close() error {
	c.api.tokens.close()
	c.api.http.CloseIdleConnections()
	return nil
}

// lock keeps the changes of one policy in this process one after another: they would
// only get in each other's way at the server.
func (c *connector) lock(ctx context.Context, on resource) (unlock func(), err error) {
	c.mu.Lock()
	slot, ok := c.busy[on]
	if !ok {
		slot = make(chan struct{}, 1)
		c.busy[on] = slot
	}
	c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *connector) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, err)
}
