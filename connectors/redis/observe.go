package redis

import (
	"context"

	"github.com/tenure-dev/tenure/grants"
)

// Observe reads the access lists of all accounts. It shows selectors with the
// connector's mark, whoever made them; other selectors and an account's root
// permissions are another hand's, and no entitlement of this connector.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	want := map[entitlement]bool{}
	for _, text := range scope {
		e, err := readText(text)
		if err != nil {
			return nil, c.wrap("observe", err)
		}
		want[e] = true
	}
	var out []grants.Grant
	err := retry(ctx, func() error {
		names, err := c.db.ACLUsers(ctx).Result()
		if err != nil {
			return err
		}
		users, err := c.users(ctx, names)
		if err != nil {
			return err
		}
		out = nil
		for i, u := range users {
			if u == nil {
				continue // it was removed meanwhile
			}
			seen := map[entitlement]bool{}
			for _, s := range u.selectors {
				if e, ok := s.entitlement(); ok && want[e] && !seen[e] {
					seen[e] = true
					out = append(out, grants.Grant{Target: c.target, Account: names[i], Entitlement: e.text()})
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	return out, nil
}
