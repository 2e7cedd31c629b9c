package keycloak

import (
	"context"
	"errors"
	"net/url"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/rest"
	"github.com/tenure-dev/tenure/grants"
)

// Observe lists the direct members of groups and the users who have a role themselves.
// Who is in a group below, or has a role through a group or another role, is not shown.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	list, err := connectors.DecodeScope(scope, readText)
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	var mu sync.Mutex
	var out []grants.Grant
	err = rest.Each(ctx, parallel, list, func(ctx context.Context, e entitlement) error {
		p, err := c.find(ctx, e)
		if errors.Is(err, errAbsent) {
			return nil
		}
		if err != nil {
			return err
		}
		users, err := c.holders(ctx, p)
		mu.Lock()
		defer mu.Unlock()
		for _, u := range users {
			out = append(out, grants.Grant{Target: c.target, Account: u.Username, Entitlement: e.text()})
		}
		return err
	})
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	return out, nil
}

// holders returns all direct holders, each once. What has gone meanwhile has none.
func (c *connector) holders(ctx context.Context, p place) ([]user, error) {
	path := []string{"roles", p.realmRole, "users"}
	switch {
	case p.group != "":
		path = []string{"groups", p.chain[len(p.chain)-1].ID, "members"}
	case p.client.ID != "":
		path = []string{"clients", p.client.ID, "roles", p.entitlement.role, "users"}
	}
	for try := 1; ; try++ {
		var out []user
		nameless := false
		err := pages(ctx, c, url.Values{"briefRepresentation": {"true"}}, func(u user) bool {
			nameless = nameless || u.Username == ""
			out = append(out, u)
			return true
		}, path...)
		switch {
		case rest.Missing(err):
			return nil, c.absent(ctx, nil)
		case err == nil && nameless:
			return nil, errors.New("the server shows a user without a name")
		case err == nil && len(out) == 0:
			return nil, c.absent(ctx, nil) // nobody, or nobody who is shown to us
		case err == nil || try == restarts || !errors.Is(err, errChanged):
			return out, err
		}
	}
}
