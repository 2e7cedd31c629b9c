package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// perFilter is how many values Graph takes in one list of a filter.
const perFilter = 15

// user is a user of the directory.
type user struct {
	ID   string `json:"id"`
	Name string `json:"userPrincipalName"`
}

// users returns the users whose property, id or userPrincipalName, is one of the values.
// Graph compares names without regard to capital letters.
func (c *connector) users(ctx context.Context, property string, values []string) ([]user, error) {
	var mu sync.Mutex
	var all []user
	var errs []error
	chunks := slices.Collect(slices.Chunk(values, perFilter))
	each(chunks, func(part []string) {
		in := make([]string, len(part))
		for i, v := range part {
			in[i] = quoted(v)
		}
		found, err := list[user](ctx, c.graph, "/v1.0/users"+query("$filter", property+" in ("+strings.Join(in, ", ")+")", "$select", "id,userPrincipalName"))
		for i := range found {
			if found[i].ID = strings.ToLower(found[i].ID); found[i].ID == "" || found[i].Name == "" {
				err = errors.New("the directory does not show ids and names of users; doctor names the missing right")
			}
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, found...)
		if err != nil {
			errs = append(errs, err)
		}
	})
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("look up users: %w", err)
	}
	return all, nil
}

// findUsers looks up the principals that are users, and says of each that is not there
// why.
func (c *connector) findUsers(ctx context.Context, wanted []principal) (func(principal) (principal, string), error) {
	property, key := byName, func(p principal) string { return p.name }
	if c.set.Accounts == byID {
		property, key = "id", func(p principal) string { return p.id }
	}
	var values []string
	for _, p := range wanted {
		if p.kind == kindUser {
			values = append(values, key(p))
		}
	}
	slices.Sort(values)
	found, err := c.users(ctx, property, slices.Compact(values))
	if err != nil {
		return nil, err
	}
	at := map[string]user{}
	for _, u := range found {
		if property == byName {
			at[strings.ToLower(u.Name)] = u
		} else {
			at[u.ID] = u
		}
	}
	return func(p principal) (principal, string) {
		if p.kind != kindUser {
			return p, ""
		}
		u, ok := at[strings.ToLower(key(p))]
		switch {
		case !ok:
			return p, "the directory has no such user"
		case property == byName && u.Name != p.name:
			return p, fmt.Sprintf("the directory spells it %q", u.Name)
		}
		p.id = u.ID
		return p, ""
	}, nil
}

// group is a group of the directory.
type group struct {
	ID         string   `json:"id"`
	Name       string   `json:"displayName"`
	Types      []string `json:"groupTypes"`
	Assignable bool     `json:"isAssignableToRole"`
	Synced     bool     `json:"onPremisesSyncEnabled"`
	Mail       bool     `json:"mailEnabled"`
	Visibility string   `json:"visibility"`
}

const groupFields = "id,displayName,groupTypes,isAssignableToRole,onPremisesSyncEnabled,mailEnabled,visibility"

// findGroup returns a group by its id or its exact name, or nil. More than one of a name
// is an error.
func (c *connector) findGroup(ctx context.Context, name string) (*group, error) {
	if isID(name) {
		var g group
		err := c.graph.call(ctx, http.MethodGet, "/v1.0/groups/"+name+query("$select", groupFields), nil, &g)
		if gone(err) {
			return nil, nil
		}
		if err == nil && !strings.EqualFold(g.ID, name) {
			err = errors.New("the server answers with another group")
		}
		if err != nil {
			return nil, fmt.Errorf("look up the group: %w", err)
		}
		g.ID = strings.ToLower(g.ID)
		return &g, nil
	}
	found, err := list[group](ctx, c.graph, "/v1.0/groups"+query("$filter", "displayName eq "+quoted(name), "$select", groupFields))
	if err != nil {
		return nil, fmt.Errorf("look up the group: %w", err)
	}
	found = slices.DeleteFunc(found, func(g group) bool { return g.Name != name })
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1:
		return nil, fmt.Errorf("%d groups have this name; write the id of the one that is meant", len(found))
	case !isID(strings.ToLower(found[0].ID)):
		return nil, errors.New("the server answers with a group without an id")
	}
	found[0].ID = strings.ToLower(found[0].ID)
	return &found[0], nil
}

// writable refuses groups whose members are not given one by one, or that give more than
// they seem to.
func (c *connector) writable(g *group, name string) error {
	switch {
	case slices.Contains(g.Types, "DynamicMembership"):
		return errors.New("a rule says who is a member of this group; nobody can be added")
	case g.Synced:
		return errors.New("the group is kept in a directory on premises; nobody can be added here")
	case g.Mail && !slices.Contains(g.Types, "Unified"):
		return errors.New("this is a distribution group; Graph cannot add members")
	case g.Assignable && !slices.Contains(c.set.PrivilegedGroups, name):
		return errors.New("the group may hold roles of Entra itself; list it in setting privilegedGroups if that is meant")
	}
	return nil
}

// member is a member of a group, of any kind.
type member struct {
	user
	Type string `json:"@odata.type"`
}

// members returns all direct members of a group.
func (c *connector) members(ctx context.Context, g *group) ([]member, error) {
	if g.Visibility == "HiddenMembership" {
		return nil, errors.New("the group hides its members; such groups are not supported")
	}
	all, err := list[member](ctx, c.graph, "/v1.0/groups/"+g.ID+"/members"+query("$select", "id,userPrincipalName", "$top", "999"))
	if err != nil {
		return nil, fmt.Errorf("list the members: %w", err)
	}
	for i := range all {
		m := &all[i]
		m.ID, m.Type = strings.ToLower(m.ID), strings.TrimPrefix(m.Type, "#microsoft.graph.")
		if m.ID == "" || m.Type == "" || m.Type == kindUser && m.Name == "" {
			return nil, errors.New("the directory does not show ids and names of members; doctor names the missing right")
		}
	}
	return all, nil
}

// add makes a user a member.
func (c *connector) add(ctx context.Context, g *group, it *item) error {
	body := map[string]string{"@odata.id": c.graph.base + "/v1.0/directoryObjects/" + it.who.id}
	// A new user takes a while to be known everywhere; the directory has shown it.
	young := func(err error) bool { return clash(err) || is(err, "Request_ResourceNotFound") }
	err := again(ctx, young, func() error {
		return c.graph.call(ctx, http.MethodPost, "/v1.0/groups/"+g.ID+"/members/$ref", body, nil)
	})
	var no *refusal
	if !errors.As(err, &no) || no.status != http.StatusBadRequest {
		return err
	}
	// This is also the answer for one who is a member already.
	all, failed := c.members(ctx, g)
	if failed == nil && slices.ContainsFunc(all, func(m member) bool { return m.ID == it.who.id }) {
		return nil
	}
	return err
}

// remove ends a membership. Without $ref at its end, this request would delete the user.
func (c *connector) remove(ctx context.Context, g *group, it *item) error {
	err := again(ctx, clash, func() error {
		return c.graph.call(ctx, http.MethodDelete, "/v1.0/groups/"+g.ID+"/members/"+it.who.id+"/$ref", nil, nil)
	})
	if gone(err) {
		return nil
	}
	return err
}
