package keycloak

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/rest"
	"github.com/tenure-dev/tenure/grants"
)

// connector is one realm.
type connector struct {
	target, realm string
	self          string // user name of our own service account
	rest          *rest.Client
	groups        []string // setting groups
	realmRoles    []string // setting realmRoles
	clientRoles   []string // setting clientRoles
}

// parallel is how many requests of one call are under way at once.
const parallel = 8

// Grant makes the membership or role; the server itself ends nothing, so until is not
// used.
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

// get reads something below the realm.
func (c *connector) get(ctx context.Context, q url.Values, out any, path ...string) error {
	return c.do(ctx, "GET", q, nil, out, path...)
}

func (c *connector) do(ctx context.Context, method string, q url.Values, body, out any, path ...string) error {
	_, err := c.rest.Do(ctx, rest.Request{Method: method, Path: append([]string{"admin", "realms", c.realm}, path...), Query: q, Body: body}, out)
	return err
}
