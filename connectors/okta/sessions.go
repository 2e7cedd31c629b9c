package okta

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/tenure-dev/tenure/connectors/group"
	"github.com/tenure-dev/tenure/connectors/rest"
	"github.com/tenure-dev/tenure/grants"
)

// EndSessions ends the Okta sessions of accounts that lost a group and are not in it any
// more, and takes back the OAuth tokens that Okta gave for them. Okta lists no sessions:
// that it accepts the call is all there is to confirm.
func (c *connector) EndSessions(ctx context.Context, lost []grants.Grant) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	accounts := map[string][]group.Entitlement{}
	var logins []string
	for _, g := range lost {
		e, err := readText(g.Entitlement)
		if err != nil {
			return c.wrap("end sessions", err)
		}
		if checkLogin(g.Account) != nil {
			continue // no such account has a session
		}
		if accounts[g.Account] == nil {
			logins = append(logins, g.Account)
		}
		accounts[g.Account] = append(accounts[g.Account], e)
	}
	if len(logins) == 0 {
		return nil
	}
	self, err := c.ourselves(ctx)
	if err == nil {
		err = rest.All(ctx, parallel, logins, func(ctx context.Context, login string) error {
			u, _, err := c.findUser(ctx, login)
			if err != nil || u.ID == "" || u.ID == self {
				return err
			}
			if err := c.end(ctx, u, accounts[login]); err != nil && !rest.Missing(err) {
				return fmt.Errorf("%q: %w", login, err)
			}
			return nil
		})
	}
	if err != nil {
		return c.wrap("end sessions", err)
	}
	return nil
}

// end ends the user's sessions unless the user is still in all of the groups.
func (c *connector) end(ctx context.Context, u user, lost []group.Entitlement) error {
	in, err := pages[groupDoc](ctx, c, url.Values{"limit": {"200"}}, "users", u.ID, "groups")
	if err != nil {
		return err
	}
	for _, e := range lost {
		if !slices.ContainsFunc(in, func(g groupDoc) bool { return g.ID == e.ID || g.Profile.Name == e.Name && g.Type == managed }) {
			return c.do(ctx, "DELETE", url.Values{"oauthTokens": {"true"}}, nil, "users", u.ID, "sessions")
		}
	}
	return nil
}
