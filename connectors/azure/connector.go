package azure

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// parallel is how many requests are under way at once, for one call of a connector.
const parallel = 8

// connector is one target: some scopes of Azure and some groups of its directory.
type connector struct {
	target     string
	set        settings
	web        *web
	cred       *credential
	arm, graph *client
}

// Grant makes a role assignment, or the account a member of a group. Azure does not end
// them by itself.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke removes Tenure's own role assignment, or ends the membership. It is an error if
// an assignment that somebody else made still gives the same.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Close closes the idle connections.
func (c *connector) Close() error {
	c.web.CloseIdleConnections()
	return nil
}

func (c *connector) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, err)
}

// each calls f for every one, a few at once, and waits.
func each[T any](all []T, f func(T)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, x := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(x)
		})
	}
	wg.Wait()
}
