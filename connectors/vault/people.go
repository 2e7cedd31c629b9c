package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

// idPrefix marks an entity that has no exact name to be written by.
const idPrefix = "id:"

// people is who is known to the server, and by which account.
type people struct {
	account map[string]string   // entity -> its one spelling
	entity  map[string]string   // the other way round
	also    map[string][]string // every name and alias, now and before -> entities
}

// people lists all entities with their aliases, in one request. An account is the name
// of an alias on the first of the setting's mounts that the entity has one on, as in
// oidc/alice@example.com, or else the entity's name.
func (c *connector) people(ctx context.Context) (people, error) {
	var list struct {
		Keys []string `json:"keys"`
		Info map[string]struct {
			Name    string `json:"name"`
			Aliases []struct {
				Name  string `json:"name"`
				Mount string `json:"mount_path"`
			} `json:"aliases"`
		} `json:"key_info"`
	}
	found, err := c.client.call(ctx, opList, "identity/entity/id", nil, &list)
	if err != nil {
		return people{}, fmt.Errorf("list entities: %w", err)
	}
	if list.Keys == nil && found {
		return people{}, errors.New("list entities: the answer holds no list")
	}
	p := people{account: map[string]string{}, entity: map[string]string{}, also: map[string][]string{}}
	slices.Sort(list.Keys)
	for _, id := range list.Keys {
		info, ok := list.Info[id]
		if !ok {
			return people{}, fmt.Errorf("list entities: the answer does not describe %s", id)
		}
		aliases := map[string][]string{}
		for _, a := range info.Aliases {
			mount := strings.TrimSuffix(strings.TrimPrefix(a.Mount, "auth/"), "/")
			aliases[mount] = append(aliases[mount], a.Name)
			p.also[mount+"/"+a.Name] = append(p.also[mount+"/"+a.Name], id)
		}
		p.also[info.Name] = append(p.also[info.Name], id)
		name := c.spell(info.Name, aliases)
		if _, taken := p.entity[name]; name == "" || taken {
			name = idPrefix + id
		}
		p.account[id], p.entity[name] = name, id
	}
	c.remember(p)
	return p, nil
}

// remember notes who is who, so that a revoke finds an entity also after it was
// renamed or lost its alias while this connector is open.
func (c *connector) remember(p people) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, id := range c.seen {
		if _, there := p.account[id]; there && p.account[id] != name && !slices.Contains(p.also[name], id) {
			p.also[name] = append(p.also[name], id)
		}
	}
	for name, id := range p.entity {
		c.seen[name] = id
	}
}

// spell returns an entity's account, or nothing where no spelling would be exact.
func (c *connector) spell(name string, aliases map[string][]string) string {
	for _, mount := range c.mounts {
		if names := aliases[mount]; len(names) > 0 {
			return mount + "/" + slices.Min(names)
		}
		if strings.HasPrefix(name, mount+"/") {
			return ""
		}
	}
	if strings.HasPrefix(name, idPrefix) {
		return ""
	}
	return name
}

// who returns the entity of an account that something is granted to: exactly as it is
// spelled.
func (p people) who(account string) (string, error) {
	if err := connectors.CheckName(account); err != nil {
		return "", fmt.Errorf("account: %w", err)
	}
	if id, ok := p.entity[account]; ok {
		return id, nil
	}
	if ids := p.also[account]; len(ids) > 0 {
		return "", fmt.Errorf("account %+.80q: write %q", account, p.account[ids[0]])
	}
	return "", fmt.Errorf("%+.200q: %w (an entity exists from a person's first login on)", account, connectors.ErrNoAccount)
}

// all returns the entities that an account may have stood for when something was
// granted to it: how one is spelled may have changed since.
func (p people) all(account string) []string {
	if id, ok := p.entity[account]; ok {
		return []string{id}
	}
	if id, ok := strings.CutPrefix(account, idPrefix); ok && p.account[id] != "" {
		return []string{id} // it has an exact name by now
	}
	return p.also[account]
}

// name returns the account of a member.
func (p people) name(id string) string {
	if a, ok := p.account[id]; ok {
		return a
	}
	return idPrefix + id
}
