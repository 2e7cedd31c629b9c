package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/holders"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/giteaapi"
)

// parallel is how many requests are under way at once.
const parallel = 4

// connector is one organisation.
type connector struct {
	target    string
	set       settings
	way       *giteaapi.API
	transport *http.Transport

	mu sync.Mutex
	me string // login of the account that acts; see self

	firsts holders.Firsts[entitlement, int64] // numbers of teams and repositories
}

// Grant makes the grant exist. Until has no meaning to Gitea.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes it away.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Close closes the idle connections.
func (c *connector) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// host is the organisation as package holders sees it.
func (c *connector) host() *holders.Host[entitlement, held] {
	return &holders.Host[entitlement, held]{
		Target: c.target, Parallel: parallel, Explain: c.explain, Read: read, Allowed: c.set.allowed,
		Things: func() func(entitlement) holders.Thing[held] {
			return func(e entitlement) holders.Thing[held] {
				if e.kind == kindTeam {
					return &team{c: c, name: e.name}
				}
				return &repository{c: c, name: e.name}
			}
		},
	}
}

// Observe returns the members of teams and the collaborators of repositories.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	return c.host().Observe(ctx, scope)
}

// Apply reads each thing once, takes away, reads it back, and gives.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	return c.host().Apply(ctx, acts)
}

// Parts divides a scope by thing.
func (c *connector) Parts(scope []string) [][]string { return c.host().Parts(scope) }

// explain takes the token out of an error. What ended by its context says just that.
func (c *connector) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	text := err.Error()
	if short := c.way.Short(text); short != text {
		return fmt.Errorf("%s%w", short, hidden{err})
	}
	return err
}

// hidden keeps what an error is, without what it says.
type hidden struct{ err error }

func (hidden) Error() string          { return "" }
func (h hidden) Is(target error) bool { return errors.Is(h.err, target) }
