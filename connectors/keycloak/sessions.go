package keycloak

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/connectors/rest"
	"github.com/tenure-dev/tenure/grants"
)

// sessionWait bounds the wait for sessions to go.
const sessionWait = 10 * time.Second

// EndSessions logs out the accounts that lost something and do not have it by another
// way, ends their offline sessions, and returns when the server shows none of those that
// they had. Their refresh tokens are refused from then on; an access token that an
// application has already is good until its own end.
func (c *connector) EndSessions(ctx context.Context, lost []grants.Grant) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	accounts := map[string][]entitlement{}
	var names []string
	for _, g := range lost {
		e, err := readText(g.Entitlement)
		if err != nil {
			return c.wrap("end sessions", err)
		}
		if g.Account == c.self || checkName(g.Account) != nil {
			continue // our own session must not end; no such account has one
		}
		if accounts[g.Account] == nil {
			names = append(names, g.Account)
		}
		accounts[g.Account] = append(accounts[g.Account], e)
	}
	err := rest.All(ctx, parallel, names, func(ctx context.Context, name string) error {
		u, _, err := c.findUser(ctx, name)
		if err != nil || u.ID == "" {
			return err
		}
		for _, e := range accounts[name] {
			has, err := c.stillHas(ctx, u, e)
			if err == nil && !has {
				return c.gone(ctx, u, c.logOut(ctx, u))
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		return c.wrap("end sessions", err)
	}
	return nil
}

// gone takes an error that says that the user does not exist for none, if that is so.
func (c *connector) gone(ctx context.Context, u user, err error) error {
	if !rest.Missing(err) {
		return err
	}
	now, _, look := c.findUser(ctx, u.Username)
	if look == nil && now.ID == u.ID {
		return err
	}
	return look
}

// logOut ends the sessions that the user has now and waits until they are gone. Those
// that begin meanwhile begin without what was lost.
func (c *connector) logOut(ctx context.Context, u user) error {
	ctx, cancel := context.WithTimeout(ctx, sessionWait)
	defer cancel()
	had, err := c.sessions(ctx, u)
	if err != nil {
		return err
	}
	if err := c.do(ctx, "POST", nil, nil, nil, "users", u.ID, "logout"); err != nil {
		return err
	}
	for id, offline := range had {
		if !offline {
			continue // logging out ended it
		}
		err := c.do(ctx, "DELETE", url.Values{"isOffline": {"true"}}, nil, nil, "sessions", id)
		if err != nil && !rest.Missing(err) {
			return err
		}
	}
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		now, err := c.sessions(ctx, u)
		if err != nil {
			return err
		}
		maps.DeleteFunc(now, func(id string, _ bool) bool { _, old := had[id]; return !old })
		if len(now) == 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("sessions of %q do not end: %w", u.Username, ctx.Err())
		case <-timer.C:
		}
	}
}

// sessions returns the ids of the user's sessions, and whether each is an offline one.
func (c *connector) sessions(ctx context.Context, u user) (map[string]bool, error) {
	ids := map[string]bool{}
	add := func(offline bool, path ...string) error {
		var list []struct{ ID string }
		if err := c.get(ctx, nil, &list, path...); err != nil {
			return err
		}
		for _, s := range list {
			ids[s.ID] = offline
		}
		return nil
	}
	// The server lists offline sessions by client, and the clients among the consents.
	var consents []struct {
		AdditionalGrants []struct{ Client string }
	}
	if err := c.get(ctx, nil, &consents, "users", u.ID, "consents"); err != nil {
		return nil, err
	}
	for _, one := range consents {
		for _, grant := range one.AdditionalGrants {
			if grant.Client == "" {
				continue
			}
			if err := add(true, "users", u.ID, "offline-sessions", grant.Client); err != nil {
				return nil, err
			}
		}
	}
	return ids, add(false, "users", u.ID, "sessions")
}

// stillHas reports whether the user has the entitlement, directly or by another way.
func (c *connector) stillHas(ctx context.Context, u user, e entitlement) (bool, error) {
	if e.group != "" {
		return c.stillIn(ctx, u, e.group)
	}
	path := []string{"users", u.ID, "role-mappings", "realm", "composite"}
	name := e.realmRole
	if e.client != "" {
		name = e.role
		cl, err := c.findClient(ctx, e.client)
		if err != nil {
			return false, ignoreAbsent(err)
		}
		path = []string{"users", u.ID, "role-mappings", "clients", cl.ID, "composite"}
	}
	var roles []role
	if err := c.get(ctx, nil, &roles, path...); err != nil {
		return false, ignoreAbsent(err)
	}
	return slices.ContainsFunc(roles, func(r role) bool { return r.Name == name }), nil
}

// stillIn reports whether the user is in the group, or in one below it.
func (c *connector) stillIn(ctx context.Context, u user, path string) (bool, error) {
	chain, err := c.findGroup(ctx, path)
	if err != nil {
		return false, ignoreAbsent(err)
	}
	wanted := chain[len(chain)-1].ID
	var in []group
	err = pages(ctx, c, url.Values{}, func(g group) bool { in = append(in, g); return true }, "users", u.ID, "groups")
	if err != nil {
		return false, ignoreAbsent(err)
	}
	for _, g := range in {
		if g.ID == wanted {
			return true, nil
		}
		// The path is only a hint: a name may have a slash in it.
		for id := g.ID; id != "" && strings.HasPrefix(g.Path, path+"/"); {
			var up group
			if err := c.get(ctx, nil, &up, "groups", id); err != nil {
				return false, ignoreAbsent(err)
			}
			if id = up.ParentID; id == wanted {
				return true, nil
			}
		}
	}
	return false, nil
}

// ignoreAbsent takes what does not exist for nothing that anybody has.
func ignoreAbsent(err error) error {
	if errors.Is(err, errAbsent) || rest.Missing(err) {
		return nil
	}
	return err
}
