package github

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/holders"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/githubapi"
)

// parallel is how many things are read or changed at once. GitHub counts requests that
// run at the same time against its secondary limits.
const parallel = 4

// connector is one organisation.
type connector struct {
	target    string
	set       settings
	way       *githubapi.API
	transport *http.Transport

	mu sync.Mutex
	me person // see self

	owning sync.Mutex // see ownership

	firsts holders.Firsts[entitlement, string] // ids of teams and repositories
	roles  holders.Firsts[string, int64]       // numbers of roles, by name
}

// Grant makes the grant exist. Until has no meaning to GitHub.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes it away, be it a membership or an invitation to one.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Close closes the idle connections.
func (c *connector) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

func (c *connector) wrap(ctx context.Context, what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, c.explain(ctx, err))
}

// host is the organisation as package holders sees it. Every call gets its own look
// at accounts.
func (c *connector) host() *holders.Host[entitlement, held] {
	return &holders.Host[entitlement, held]{
		Target: c.target, Parallel: parallel, Explain: c.explain,
		Read: func(text string) (entitlement, string, error) {
			e, err := read(text)
			return e.thing(), e.level, err
		},
		Things: func() func(entitlement) holders.Thing[held] {
			p := &people{c: c, known: map[string]func() (place, error){}}
			return func(e entitlement) holders.Thing[held] { return &holding{c: c, p: p, thing: c.thing(e)} }
		},
		Allowed: func(e entitlement, level string) error {
			e.level = level
			return c.set.allowed(e)
		},
	}
}

// Observe returns who holds the entitlements in scope: by a membership, assignment or
// permission of their own, or by an invitation that can still be accepted.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	return c.host().Observe(ctx, scope)
}

// Apply reads each thing once, takes away, reads it back, and gives.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	return c.host().Apply(ctx, acts)
}

// Parts divides a scope by thing.
func (c *connector) Parts(scope []string) [][]string { return c.host().Parts(scope) }
