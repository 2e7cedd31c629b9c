package keycloak

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/tenure-dev/tenure/connectors/rest"
)

// Check names the roles of realm-management that the reconciler's client lacks for the
// entitlements in scope. It changes nothing: the server says with what it shows what
// may be done to it.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	missing := map[string]bool{}
	lacks := func(right, why string) {
		if !missing[right] {
			missing[right] = true
			errs = append(errs, fmt.Errorf("%s: missing right: %s of the client realm-management, %s", c.target, right, why))
		}
	}
	var own []user // our service account, as an example of a user
	err := c.get(ctx, url.Values{"username": {c.self}, "exact": {"true"}, "briefRepresentation": {"true"}}, &own, "users")
	switch {
	case rest.Status(err) == 403 || err == nil && len(own) == 0:
		lacks("manage-users", "to read users and groups, change members and roles, and end sessions")
	case err != nil:
		return []error{c.wrap("check", err)}
	case !own[0].Access["manage"]:
		lacks("manage-users", "to change members and roles, and to end sessions")
	}
	for _, text := range scope {
		e, err := readText(text)
		if err == nil {
			err = c.allowed(e)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", c.target, text, err))
			continue
		}
		p, err := c.find(ctx, e)
		if rest.Status(err) == 403 {
			switch {
			case e.group != "":
				lacks("manage-users", "to read groups")
			case e.realmRole != "":
				lacks("view-realm", "to read roles of the realm")
			default:
				lacks("view-clients", "to read clients and their roles")
			}
			continue
		}
		if err == nil && !missing["manage-users"] {
			err = c.harmless(ctx, p)
		}
		if err != nil {
			errs = append(errs, c.wrap("check", err))
			continue
		}
		if n := len(p.chain); n > 0 {
			var g group
			if err := c.get(ctx, nil, &g, "groups", p.chain[n-1].ID); err != nil {
				errs = append(errs, c.wrap("check", err))
				continue
			}
			if slices.ContainsFunc([]string{"viewMembers", "manageMembership"}, func(a string) bool { return !g.Access[a] }) {
				lacks("manage-users", "to change members and roles, and to end sessions")
			}
		}
	}
	return errs
}
