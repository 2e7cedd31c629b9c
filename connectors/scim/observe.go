package scim

import (
	"context"
	"errors"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/group"
	"github.com/tenure-dev/tenure/connectors/rest"
	"github.com/tenure-dev/tenure/grants"
)

// Observe reads each group and looks up who its members are. Members of groups that are
// members are not members here.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	list, err := connectors.DecodeScope(scope, readText)
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	var mu sync.Mutex
	var members []member
	held := map[group.Entitlement][]member{}
	err = rest.Each(ctx, parallel, list, func(ctx context.Context, e group.Entitlement) error {
		g, err := c.find(ctx, e)
		if err == nil && e.ID == "" {
			g, err = c.load(ctx, g.ID)
		}
		if errors.Is(err, errAbsent) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		held[e] = g.Members
		members = append(members, g.Members...)
		return err
	})
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	names, err := c.names(ctx, members)
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	var out []grants.Grant
	for e, members := range held {
		seen := map[string]bool{}
		for _, m := range members {
			if name := names[m.Value]; name != "" && !seen[m.Value] {
				seen[m.Value] = true
				out = append(out, grants.Grant{Target: c.target, Account: name, Entitlement: e.Canonical()})
			}
		}
	}
	return out, nil
}
