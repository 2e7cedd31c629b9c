package okta

import (
	"context"
	"errors"
	"net/url"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/group"
	"github.com/tenure-dev/tenure/connectors/rest"
	"github.com/tenure-dev/tenure/grants"
)

// Observe lists the members of groups, by whatever way they came in.
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
	d := c.directory(ctx)
	err = rest.Each(ctx, parallel, list, func(ctx context.Context, e group.Entitlement) error {
		g, err := d.find(ctx, e)
		if errors.Is(err, errAbsent) {
			return nil
		}
		if err != nil {
			return err
		}
		members, err := pages[user](ctx, c, url.Values{"limit": {"200"}}, "groups", g.ID, "users")
		if rest.Missing(err) {
			return nil // it went away meanwhile
		}
		if err != nil {
			return about(e, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, u := range members {
			if u.Profile.Login == "" {
				return about(e, errors.New("the server shows a member without a login"))
			}
			out = append(out, grants.Grant{Target: c.target, Account: u.Profile.Login, Entitlement: e.Canonical()})
		}
		return nil
	})
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	return out, nil
}
