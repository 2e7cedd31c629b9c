package okta

import (
	"context"
	"fmt"
	"net/url"

	"github.com/tenure-dev/tenure/connectors/rest"
)

// nobody is a user's id that no organization has: taking this user out of a group
// changes nothing, and is refused to those who may not change the group.
const nobody = "00u00000000000000000"

// Check names what the credential may not do for the entitlements in scope.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	miss := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{c.target}, args...)...))
	}
	if _, err := c.ourselves(ctx); err != nil {
		return []error{c.wrap("check", err)}
	}
	var some []user
	if err := c.do(ctx, "GET", url.Values{"limit": {"1"}}, &some, "users"); rest.Refused(err) {
		miss("missing right: read users: %w", err)
	} else if err != nil {
		return append(errs, c.wrap("check", err))
	}
	// The same harmless try: no user of this id has sessions.
	if err := c.do(ctx, "DELETE", url.Values{"oauthTokens": {"true"}}, nil, "users", nobody, "sessions"); rest.Refused(err) {
		miss("missing right: end sessions of users: %w", err)
	} else if err != nil && !rest.Missing(err) {
		errs = append(errs, c.wrap("check", err))
	}
	d := c.directory(ctx)
	for _, text := range scope {
		e, err := readText(text)
		if err == nil {
			err = e.Allowed(c.groups)
		}
		if err != nil {
			miss("%s: %w", text, err)
			continue
		}
		g, err := d.find(ctx, e)
		switch {
		case rest.Refused(err):
			miss("missing right: read groups: %w", err)
			continue
		case err == nil && g.Type != managed:
			err = fmt.Errorf("%s: it is of the type %+.40q: something else than Okta manages its members", e, g.Type)
		case err == nil:
			err = c.harmless(ctx, e, g)
		}
		if err != nil {
			errs = append(errs, c.wrap("check", err))
			continue
		}
		err = c.do(ctx, "DELETE", nil, nil, "groups", g.ID, "users", nobody)
		if rest.Refused(err) {
			miss("missing right: change the members of the %s: %w", e, err)
		} else if err != nil && !rest.Missing(err) {
			errs = append(errs, c.wrap("check", err))
		}
	}
	return errs
}
