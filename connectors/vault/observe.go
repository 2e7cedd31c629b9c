package vault

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tenure-dev/tenure/grants"
)

// Observe lists the members of the groups in scope. A policy is also held by who has
// it attached to the entity itself, which is another hand's doing.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	texts := map[string]bool{}
	for _, text := range scope {
		texts[text] = true
	}
	var ents []entitlement
	for _, text := range slices.Sorted(maps.Keys(texts)) {
		e, err := readText(text)
		if err != nil {
			return nil, c.wrap("observe", err)
		}
		ents = append(ents, e)
	}
	if len(ents) == 0 {
		return nil, nil
	}
	held, p, err := c.holders(ctx, ents)
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	var out []grants.Grant
	for i, e := range ents {
		for id := range held[i] {
			out = append(out, grants.Grant{Target: c.target, Account: p.name(id), Entitlement: e.text()})
		}
	}
	return out, nil
}

// holders returns the entities that hold each of the entitlements, and who they are.
// Groups are read first, so that nobody in them is newer than the list of entities.
func (c *connector) holders(ctx context.Context, ents []entitlement) ([]map[string]bool, people, error) {
	held := make([]map[string]bool, len(ents))
	err := each(ctx, len(ents), func(ctx context.Context, i int) error {
		held[i] = map[string]bool{}
		g, err := c.group(ctx, ents[i].group())
		if err != nil || g == nil || ents[i].kind == kindPolicy && !slices.Contains(g.Policies, ents[i].name) {
			return err
		}
		for _, id := range g.Members {
			held[i][id] = true
		}
		return nil
	})
	if err != nil {
		return nil, people{}, err
	}
	p, err := c.people(ctx)
	if err != nil {
		return nil, people{}, err
	}
	policies := map[string]int{}
	for i, e := range ents {
		if e.kind == kindPolicy {
			policies[e.name] = i
		}
	}
	if len(policies) == 0 {
		return held, p, nil
	}
	ids := slices.Sorted(maps.Keys(p.account))
	attached := make([][]string, len(ids))
	err = each(ctx, len(ids), func(ctx context.Context, n int) error {
		e, err := c.entity(ctx, ids[n])
		attached[n] = e.Policies
		return err
	})
	if err != nil {
		return nil, people{}, err
	}
	for n, list := range attached {
		for _, name := range list {
			if i, ok := policies[name]; ok {
				held[i][ids[n]] = true
			}
		}
	}
	return held, p, nil
}

// entity is what the server knows of one entity.
type entity struct {
	ID       string   `json:"id"`
	Policies []string `json:"policies"` // attached to itself
	Groups   []string `json:"group_ids"`
	Merged   []string `json:"merged_entity_ids"` // what it has taken in; tokens still name these
}

// entity returns what is known of an entity; nothing for one that is gone.
func (c *connector) entity(ctx context.Context, id string) (entity, error) {
	var e entity
	found, err := c.client.call(ctx, opRead, "identity/entity/id/"+id, nil, &e)
	if err != nil {
		return e, fmt.Errorf("read entity %s: %w", id, err)
	}
	if found && e.ID != id {
		return e, fmt.Errorf("read entity %s: the server answers with another", id)
	}
	return e, nil
}
