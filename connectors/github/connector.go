package github

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/connectors"
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

// Observe returns who holds the entitlements in scope: by a membership, assignment or
// permission of their own, or by an invitation that can still be accepted.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	texts := map[entitlement]map[string]string{} // thing -> level -> canonical text
	var things []entitlement
	for _, text := range scope {
		e, err := read(text)
		if err != nil {
			return nil, c.wrap(ctx, "observe", err)
		}
		if texts[e.thing()] == nil {
			texts[e.thing()] = map[string]string{}
			things = append(things, e.thing())
		}
		texts[e.thing()][e.level] = text
	}
	found := make([][]held, len(things))
	errs := make([]error, len(things))
	each(len(things), func(i int) { found[i], errs[i] = c.thing(things[i]).look(ctx) })
	var out []grants.Grant
	for i, e := range things {
		if errs[i] != nil {
			return nil, c.wrap(ctx, fmt.Sprintf("observe %s", e), errs[i])
		}
		seen := map[string]bool{}
		for _, h := range found[i] {
			text, ok := texts[e][h.level]
			account := c.account(h.person)
			if !ok || h.expired || seen[account] {
				continue
			}
			seen[account] = true
			out = append(out, grants.Grant{Target: c.target, Account: account, Entitlement: text})
		}
	}
	return out, nil
}

// Parts divides a scope by thing, so that a team or repository that cannot be read
// does not hide the others.
func (c *connector) Parts(scope []string) [][]string {
	var out [][]string
	at := map[entitlement]int{}
	for _, text := range scope {
		e, err := read(text)
		if err != nil {
			out = append(out, []string{text})
			continue
		}
		i, ok := at[e.thing()]
		if !ok {
			i, at[e.thing()] = len(out), len(out)
			out = append(out, nil)
		}
		out[i] = append(out[i], text)
	}
	return out
}

// each calls f for 0 to n-1, a few at once.
func each(n int, f func(int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}
