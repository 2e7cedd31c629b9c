package keycloak

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/tenure-dev/tenure/connectors/rest"
)

// user, group, client and role are what is needed of the representations of the admin
// API (https://www.keycloak.org/docs-api/latest/rest-api/).
type user struct {
	ID       string          `json:"id"`
	Username string          `json:"username"`
	Access   map[string]bool `json:"access"`
}

type group struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Path     string          `json:"path"`
	ParentID string          `json:"parentId"`
	Access   map[string]bool `json:"access"`
}

type client struct {
	ID       string `json:"id"`
	ClientID string `json:"clientId"`
}

type role struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Composite   bool   `json:"composite"`
	ClientRole  bool   `json:"clientRole"`
	ContainerID string `json:"containerId"`
}

// errAbsent says that a group, client or role does not exist.
var errAbsent = errors.New("does not exist in the realm")

// place is an entitlement that was found: where its holders are, and what they hold.
type place struct {
	entitlement
	chain  []group // the group's ancestors and itself
	role   role
	client client // of a client's role
}

// find looks an entitlement up. errAbsent is wrapped.
func (c *connector) find(ctx context.Context, e entitlement) (place, error) {
	p := place{entitlement: e}
	var err error
	switch {
	case e.group != "":
		p.chain, err = c.findGroup(ctx, e.group)
	case e.realmRole != "":
		p.role, err = c.findRole(ctx, e.realmRole, "roles", e.realmRole)
	default:
		if p.client, err = c.findClient(ctx, e.client); err == nil {
			p.role, err = c.findRole(ctx, e.role, "clients", p.client.ID, "roles", e.role)
		}
	}
	if err != nil {
		return p, fmt.Errorf("%s: %w", e, err)
	}
	return p, nil
}

// findGroup walks down the path by exact names: an address by path would take a name
// with a slash for two.
func (c *connector) findGroup(ctx context.Context, path string) ([]group, error) {
	names, err := splitPath(path)
	if err != nil {
		return nil, err
	}
	var chain []group
	for _, name := range names {
		below, parent := []string{"groups"}, ""
		if n := len(chain); n > 0 {
			parent = chain[n-1].ID
			below = []string{"groups", parent, "children"}
		}
		// Without the hierarchy a page has one entry for each group of that name: with it,
		// pages of those below others are not full, and the end is not to be told.
		q := url.Values{"search": {name}, "exact": {"true"}, "populateHierarchy": {"false"}}
		var found *group
		err := pages(ctx, c, q, func(g group) bool {
			if g.Name == name && (parent == "" && g.ParentID == "" || g.ParentID == parent) {
				found = &g
			}
			return found == nil
		}, below...)
		switch {
		case rest.Missing(err) && parent != "" || err == nil && found == nil:
			return nil, c.absent(ctx, errAbsent)
		case err != nil:
			return nil, err
		}
		chain = append(chain, *found)
	}
	return chain, nil
}

func (c *connector) findRole(ctx context.Context, name string, path ...string) (role, error) {
	var r role
	err := c.get(ctx, nil, &r, path...)
	switch {
	case rest.Missing(err):
		return r, c.absent(ctx, errAbsent)
	case err != nil:
		return r, err
	case r.ID == "" || r.Name != name:
		return r, fmt.Errorf("%w; the server answers with %+.80q", errAbsent, r.Name)
	}
	return r, nil
}

func (c *connector) findClient(ctx context.Context, id string) (client, error) {
	var list []client
	if err := c.get(ctx, url.Values{"clientId": {id}}, &list, "clients"); err != nil {
		return client{}, err
	}
	for _, one := range list {
		if one.ClientID == id {
			return one, nil
		}
	}
	if id == adminClient {
		return client{}, errAbsent
	}
	// To those who may not see clients the server says that there are none.
	if _, err := c.findClient(ctx, adminClient); err != nil {
		return client{}, fmt.Errorf("the server shows no clients (missing right: view-clients): %w", hidden(err))
	}
	return client{}, errAbsent
}

// absent returns err, which says that no such user, group or role is there (or nil, that
// there is nobody), if the server would show one: to those who may not see users and groups
// it says that there are none, and a gateway may answer for a server that is down. Our own
// service account is always there.
func (c *connector) absent(ctx context.Context, err error) error {
	var list []user
	q := url.Values{"username": {c.self}, "exact": {"true"}, "briefRepresentation": {"true"}}
	if err := c.get(ctx, q, &list, "users"); err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("the server shows no users and groups (missing right: manage-users)")
	}
	return err
}

// hidden takes away that something is absent, where nobody knows whether it is.
func hidden(err error) error {
	if errors.Is(err, errAbsent) {
		return errors.New("not even " + adminClient)
	}
	return err
}

// findUser returns the user of that exact name; without one, an empty user and how the
// server spells the name, if it does.
func (c *connector) findUser(ctx context.Context, name string) (u user, spelled string, err error) {
	var list []user
	err = c.get(ctx, url.Values{"username": {name}, "exact": {"true"}, "briefRepresentation": {"true"}}, &list, "users")
	for _, one := range list {
		if one.Username == name {
			return one, name, err
		}
		spelled = one.Username
	}
	if err == nil && spelled == "" {
		err = c.absent(ctx, nil)
	}
	return user{}, spelled, err
}

// pageSize is how many things are asked for at once.
const pageSize = 100

// restarts is how often a list is begun again because it changed while it was read.
const restarts = 5

// errChanged says that a list changed while it was read.
var errChanged = errors.New("the list on the server changes while it is read")

// identified is something that has an id.
type identified interface{ id() string }

func (u user) id() string  { return u.ID }
func (g group) id() string { return g.ID }

// pages calls f for the entries of a list until f returns false. The API counts no
// lists: the end is a page that is not full. Each page begins with the last entry of the
// one before it, so that entries that come or go meanwhile are noticed: then it is
// errChanged.
func pages[T identified](ctx context.Context, c *connector, q url.Values, f func(T) bool, path ...string) error {
	seen := map[string]bool{}
	last := ""
	for first := 0; ; {
		q.Set("first", strconv.Itoa(first))
		q.Set("max", strconv.Itoa(pageSize))
		var page []T
		if err := c.get(ctx, q, &page, path...); err != nil {
			return err
		}
		full := len(page) >= pageSize
		if first > 0 {
			if len(page) == 0 || page[0].id() != last {
				return errChanged
			}
			page = page[1:]
		}
		for _, item := range page {
			if item.id() == "" {
				return errors.New("the list on the server has an entry without an id")
			}
			if seen[item.id()] {
				return errChanged
			}
			seen[item.id()], last = true, item.id()
			if !f(item) {
				return nil
			}
		}
		if !full {
			return nil
		}
		first = len(seen) - 1
	}
}
