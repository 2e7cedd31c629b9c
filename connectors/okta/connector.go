package okta

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/rest"
	"github.com/tenure-dev/tenure/grants"
)

// connector is one organization.
type connector struct {
	target string
	rest   *rest.Client
	person bool     // our credential is a person's API token
	groups []string // setting groups

	mu   sync.Mutex
	self string // id of that person; "": not yet asked for
}

// parallel is how many requests of one call are under way at once: Okta limits them for
// a whole organization.
const parallel = 4

// Grant makes the membership; Okta itself ends nothing, so until is not used.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes it away.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Close closes the idle connections.
func (c *connector) Close() error {
	c.rest.Close()
	return nil
}

func (c *connector) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, err)
}

func (c *connector) do(ctx context.Context, method string, q url.Values, out any, path ...string) error {
	_, err := c.rest.Do(ctx, rest.Request{Method: method, Path: append([]string{"api", "v1"}, path...), Query: q}, out)
	return err
}

// ourselves returns the id of the person whose API token this is; an app is nobody.
func (c *connector) ourselves(ctx context.Context) (string, error) {
	c.mu.Lock()
	id := c.self
	c.mu.Unlock()
	if id != "" || !c.person {
		return id, nil
	}
	var me user
	if err := c.do(ctx, "GET", nil, &me, "users", "me"); err != nil {
		return "", fmt.Errorf("ask who the token belongs to: %w", err)
	}
	if me.ID == "" {
		return "", fmt.Errorf("ask who the token belongs to: the server does not say")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.self = me.ID
	return me.ID, nil
}
