package rabbitmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// connector is one broker.
type connector struct {
	target string
	user   string // our own
	api    *client

	vhosts, everything, tags []string // settings

	writing chan struct{} // a place for one: what is read, changed and written back is so by one at a time
}

// parallel is how many requests are under way at once.
const parallel = 4

// Grant makes the alternative or tag; the broker itself ends nothing, so until is not
// used.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes the alternative or tag away.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Close closes all connections.
func (c *connector) Close() error {
	c.api.close()
	return nil
}

func (c *connector) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, err)
}

// leftAlone refuses the accounts that the connector never touches.
func (c *connector) leftAlone(account string) error {
	if account == c.user {
		return errors.New("the account is the reconciler's own: without its rights it could end nobody's access")
	}
	if account == "." || account == ".." {
		return fmt.Errorf("account %q cannot be asked for through the management plug-in", account)
	}
	return nil
}

// each runs f for every item, a few at a time, and returns what became of each.
func each[T any](items []T, f func(T) error) []error {
	errs := make([]error, len(items))
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i, item := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = f(item)
		})
	}
	wg.Wait()
	return errs
}

// sorted returns entitlements in a stable order.
func sorted(want map[entitlement]bool) []entitlement {
	return slices.SortedFunc(maps.Keys(want), func(a, b entitlement) int { return cmp.Compare(a.text(), b.text()) })
}
