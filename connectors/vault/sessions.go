package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/grants"
)

// EndSessions revokes the tokens of entities that lost something and have it by no
// other path, and with them their child tokens and leases, and returns when the server
// does not know the tokens any more.
//
// A lost right itself ends at once, because the server works out the policies of an
// entity at each request. What a token made with it does not: such as a database's
// login, which lives as long as its lease. There is no list of one entity's tokens, so
// every token of the namespace is looked at, once in the life of this connector.
func (c *connector) EndSessions(ctx context.Context, lost []grants.Grant) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(lost) == 0 {
		return nil
	}
	if err := c.endSessions(ctx, lost); err != nil {
		return c.wrap("end sessions", err)
	}
	return nil
}

func (c *connector) endSessions(ctx context.Context, lost []grants.Grant) error {
	without, err := c.without(ctx, lost)
	if err != nil || len(without) == 0 {
		return err
	}
	tokens, err := c.tokensOf(ctx, without)
	if err != nil {
		return err
	}
	return each(ctx, len(tokens), func(ctx context.Context, i int) error {
		return c.end(ctx, tokens[i], without)
	})
}

// loss is what an entity does not have any more.
type loss struct {
	group    bool     // a membership: every token ends
	policies []string // tokens that have all of these by themselves stay
}

// without returns the entities that no longer have what they lost, under every id that
// a token of theirs may name.
func (c *connector) without(ctx context.Context, lost []grants.Grant) (map[string]*loss, error) {
	p, err := c.people(ctx)
	if err != nil {
		return nil, err
	}
	own, err := c.client.login.ownEntity(ctx)
	if err != nil {
		return nil, err
	}
	ends := map[string][]entitlement{}
	for _, g := range lost {
		e, err := readText(g.Entitlement)
		if err != nil {
			return nil, err
		}
		for _, id := range p.all(g.Account) { // an entity that is gone took its tokens along
			if id != own {
				ends[id] = append(ends[id], e)
			}
		}
	}
	groups := &groupsByID{c: c}
	out := map[string]*loss{}
	for _, id := range slices.Sorted(maps.Keys(ends)) {
		ent, err := c.entity(ctx, id)
		if err != nil {
			return nil, err
		}
		has, err := groups.all(ctx, ent.Groups)
		if err != nil {
			return nil, err
		}
		l := &loss{}
		for _, e := range ends[id] {
			switch {
			case e.kind == kindGroup:
				l.group = l.group || !slices.ContainsFunc(has, func(g group) bool { return strings.EqualFold(g.Name, e.name) })
			case !slices.Contains(ent.Policies, e.name) && !slices.ContainsFunc(has, func(g group) bool { return slices.Contains(g.Policies, e.name) }):
				l.policies = append(l.policies, e.name)
			}
		}
		if l.group || len(l.policies) > 0 {
			out[id] = l
			for _, merged := range ent.Merged {
				out[merged] = l
			}
		}
	}
	return out, nil
}

// groupsByID reads each group once a call.
type groupsByID struct {
	c     *connector
	known map[string]group
}

func (k *groupsByID) all(ctx context.Context, ids []string) ([]group, error) {
	var out []group
	for _, id := range ids {
		g, ok := k.known[id]
		if !ok {
			if _, err := k.c.client.call(ctx, opRead, "identity/group/id/"+id, nil, &g); err != nil {
				return nil, fmt.Errorf("read group %s: %w", id, err)
			}
			if k.known == nil {
				k.known = map[string]group{}
			}
			k.known[id] = g
		}
		out = append(out, g)
	}
	return out, nil
}

// token is what the server tells of a token by its accessor.
type token struct {
	EntityID string   `json:"entity_id"`
	Policies []string `json:"policies"` // its own, without those of the entity
}

// tokensOf returns the accessors of all tokens of these entities. What it has learnt
// of other tokens is kept, also when the time runs out, for the next call.
func (c *connector) tokensOf(ctx context.Context, entities map[string]*loss) ([]string, error) {
	var list struct {
		Keys []string `json:"keys"`
	}
	if _, err := c.client.call(ctx, opList, "auth/token/accessors", nil, &list); err != nil {
		return nil, fmt.Errorf("list the accessors of tokens: %w", err)
	}
	c.mu.Lock()
	known := make(map[string]string, len(list.Keys))
	var unknown []string
	for _, a := range list.Keys {
		if owner, ok := c.owners[a]; ok {
			known[a] = owner
		} else {
			unknown = append(unknown, a)
		}
	}
	c.owners = known // without those that are gone
	c.mu.Unlock()
	err := each(ctx, len(unknown), func(ctx context.Context, i int) error {
		t, there, err := c.token(ctx, unknown[i])
		if err == nil && there {
			c.mu.Lock()
			c.owners[unknown[i]] = t.EntityID
			c.mu.Unlock()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []string
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range list.Keys {
		if _, ends := entities[c.owners[a]]; ends && c.owners[a] != "" {
			out = append(out, a)
		}
	}
	return out, nil
}

// token looks at a token; it is not there when it has ended.
func (c *connector) token(ctx context.Context, accessor string) (t token, there bool, err error) {
	there, err = c.client.call(ctx, opWrite, "auth/token/lookup-accessor", map[string]string{"accessor": accessor}, &t)
	if err = ended(err); err != nil {
		return t, false, fmt.Errorf("look up a token by its accessor: %w", err)
	}
	return t, there, nil
}

// end revokes one token and sees that it is gone.
func (c *connector) end(ctx context.Context, accessor string, without map[string]*loss) error {
	t, there, err := c.token(ctx, accessor)
	if err != nil || !there {
		return err
	}
	l := without[t.EntityID]
	if l == nil || !l.group && !slices.ContainsFunc(l.policies, func(p string) bool { return !slices.Contains(t.Policies, p) }) {
		return nil
	}
	_, err = c.client.call(ctx, opWrite, "auth/token/revoke-accessor", map[string]string{"accessor": accessor}, nil)
	if err = ended(err); err != nil {
		return fmt.Errorf("revoke a token by its accessor: %w", err)
	}
	_, there, err = c.token(ctx, accessor)
	if err == nil && there {
		err = errors.New("the server accepted the revoke of a token, and still knows it")
	}
	return err
}

// ended turns the server's word that an accessor is unknown into nothing.
func ended(err error) error {
	var s *statusError
	if errors.As(err, &s) && slices.Contains([]int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusInternalServerError}, s.code) && unknownAccessor(s.text) {
		return nil
	}
	return err
}

// unknownAccessor are the server's words for a token that is not there any more.
func unknownAccessor(text string) bool {
	return strings.Contains(text, "invalid accessor") || strings.Contains(text, "bad token")
}
