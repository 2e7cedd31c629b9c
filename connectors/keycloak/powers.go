package keycloak

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/tenure-dev/tenure/connectors/rest"
)

// adminClient is the client whose roles are the rights to administer a realm.
const adminClient = "realm-management"

// adminRoles are roles of a realm that by their name are for administrators.
func adminRoles() []string { return []string{"admin", "create-realm", "realm-admin"} }

// harmless refuses what would let its holder administer the realm, and so take all else,
// unless a setting lists it. What cannot be looked into is refused, too.
func (c *connector) harmless(ctx context.Context, p place) error {
	if it, _ := c.listed(p.entitlement); it {
		return nil
	}
	var err error
	switch {
	case p.group != "":
		err = c.harmlessGroups(ctx, p.chain)
	case p.client.ClientID == adminClient:
		err = errAdmin
	default:
		err = c.harmlessRoles(ctx, []role{p.role})
	}
	if err != nil {
		return fmt.Errorf("%w; list it in the target's setting %s to grant it nevertheless", err, p.setting())
	}
	return nil
}

var errAdmin = fmt.Errorf("it lets its holder administer the realm")

// harmlessGroups looks at the roles that each group hands out: a group has those of the
// groups above it.
func (c *connector) harmlessGroups(ctx context.Context, chain []group) error {
	if err := c.seesRoles(ctx); err != nil {
		return err
	}
	for _, g := range chain {
		var m struct {
			RealmMappings  []role
			ClientMappings map[string]struct{ Mappings []role }
		}
		if err := c.get(ctx, nil, &m, "groups", g.ID, "role-mappings"); err != nil {
			return fmt.Errorf("look at the roles of the group %q: %w", g.Path, err)
		}
		roles := m.RealmMappings
		for id, of := range m.ClientMappings {
			if id == adminClient && len(of.Mappings) > 0 {
				return errAdmin
			}
			roles = append(roles, of.Mappings...)
		}
		if err := c.harmlessRoles(ctx, roles); err != nil {
			return err
		}
	}
	return nil
}

// seesRoles is an error without the rights view-realm and view-clients: Keycloak then
// leaves out the roles of a group, as if it had none.
func (c *connector) seesRoles(ctx context.Context) error {
	var some []role
	err := c.get(ctx, url.Values{"max": {"1"}}, &some, "roles")
	if err == nil {
		_, err = c.findClient(ctx, adminClient)
	}
	switch {
	case rest.Refused(err) || errors.Is(err, errAbsent):
		return errors.New("whether its roles let its holder administer the realm is only shown to those who have view-realm and view-clients")
	case err != nil:
		return fmt.Errorf("look at roles: %w", err)
	}
	return nil
}

// harmlessRoles follows composite roles to what they hold.
func (c *connector) harmlessRoles(ctx context.Context, next []role) error {
	seen := map[string]bool{}
	admin := "" // id of the client
	for len(next) > 0 {
		r := next[0]
		next = next[1:]
		if seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		switch {
		case !r.ClientRole && slices.Contains(adminRoles(), r.Name), r.ClientRole && admin != "" && r.ContainerID == admin:
			return errAdmin
		case !r.Composite:
			continue
		}
		if admin == "" {
			found, err := c.findClient(ctx, adminClient)
			if err != nil {
				return blind(r, err)
			}
			admin = found.ID
		}
		var parts []role
		if err := c.get(ctx, nil, &parts, "roles-by-id", r.ID, "composites"); err != nil {
			return blind(r, err)
		}
		next = append(next, parts...)
	}
	return nil
}

// blind is the error of a composite role that cannot be looked into.
func blind(r role, err error) error {
	if rest.Refused(err) || errors.Is(err, errAbsent) {
		return fmt.Errorf("the role %q is made of others, which only the rights view-realm and view-clients show: %w", r.Name, err)
	}
	return fmt.Errorf("look into the role %q: %w", r.Name, err)
}
