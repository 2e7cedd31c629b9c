package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

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
	var last error
	for try := range endTries {
		left, err := c.endTokens(ctx, without)
		switch {
		case err == nil && left == 0:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		// Tokens end by themselves and with their parents meanwhile, and the server
		// has several words for that; what its list shows then is what counts.
		if last = err; err == nil {
			last = fmt.Errorf("the server still knows %d tokens that it was told to revoke", left)
		}
		if err := rest(ctx, try); err != nil {
			return err
		}
	}
	return last
}

// endTries bounds how often the list of tokens is looked at until it is as it should be.
const endTries = 15

// endTokens revokes what is to end and returns how many that were; none: all is done.
func (c *connector) endTokens(ctx context.Context, without map[string]*loss) (int, error) {
	tokens, unseen := c.tokensOf(ctx, without)
	var ended atomic.Int64
	err := most(ctx, len(tokens), func(ctx context.Context, i int) error {
		revoked, err := c.end(ctx, tokens[i], without)
		if revoked {
			ended.Add(1)
		}
		return err
	})
	return int(ended.Load()), errors.Join(unseen, err)
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
		for _, id := range c.losers(p, g, true) { // an entity that is gone took its tokens along
			if id != own {
				ends[id] = append(ends[id], e)
			}
		}
	}
	ids := slices.Sorted(maps.Keys(ends))
	ents := make([]entity, len(ids))
	err = each(ctx, len(ids), func(ctx context.Context, i int) (err error) {
		ents[i], err = c.entity(ctx, ids[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	groups, err := c.groupsOf(ctx, ents)
	if err != nil {
		return nil, err
	}
	out := map[string]*loss{}
	for i, ent := range ents {
		if l := ent.without(groups, ends[ids[i]]); l.group || len(l.policies) > 0 {
			for _, id := range append(ent.Merged, ids[i]) {
				out[id] = l
			}
		}
	}
	return out, nil
}

// without says which of these entitlements an entity does not have by any path.
func (ent entity) without(groups map[string]group, ends []entitlement) *loss {
	has := func(is func(group) bool) bool {
		return slices.ContainsFunc(ent.Groups, func(id string) bool { return is(groups[id]) })
	}
	l := &loss{}
	for _, e := range ends {
		switch {
		case e.kind == kindGroup:
			l.group = l.group || !has(func(g group) bool { return strings.EqualFold(g.Name, e.name) })
		case !slices.Contains(ent.Policies, e.name) && !has(func(g group) bool { return slices.Contains(g.Policies, e.name) }):
			l.policies = append(l.policies, e.name)
		}
	}
	return l
}

// groupsOf reads every group that one of the entities is in, directly or through
// another, by its id; one that has gone meanwhile is empty.
func (c *connector) groupsOf(ctx context.Context, ents []entity) (map[string]group, error) {
	out := map[string]group{}
	for _, ent := range ents {
		for _, id := range ent.Groups {
			out[id] = group{}
		}
	}
	ids := slices.Sorted(maps.Keys(out))
	list := make([]group, len(ids))
	err := each(ctx, len(ids), func(ctx context.Context, i int) error {
		if _, err := c.client.call(ctx, opRead, "identity/group/id/"+ids[i], nil, &list[i]); err != nil {
			return fmt.Errorf("read group %s: %w", ids[i], err)
		}
		return nil
	})
	for i, id := range ids {
		out[id] = list[i]
	}
	return out, err
}

// token is what the server tells of a token by its accessor.
type token struct {
	EntityID string   `json:"entity_id"`
	Policies []string `json:"policies"` // its own, without those of the entity
}

// tokensOf returns the accessors of all tokens of these entities. What it has learnt
// of other tokens is kept, also when the time runs out, for the next call. With an error
// comes what is known.
func (c *connector) tokensOf(ctx context.Context, entities map[string]*loss) ([]string, error) {
	var list struct {
		Keys []string `json:"keys"`
	}
	found, err := c.client.call(ctx, opList, "auth/token/accessors", nil, &list)
	if err == nil && found && list.Keys == nil {
		err = errors.New("the answer holds no list")
	}
	if err != nil {
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
	err = most(ctx, len(unknown), func(ctx context.Context, i int) error {
		t, there, err := c.token(ctx, unknown[i])
		if err == nil && there {
			c.mu.Lock()
			c.owners[unknown[i]] = t.EntityID
			c.mu.Unlock()
		}
		return err
	})
	var out []string
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range list.Keys {
		if _, ends := entities[c.owners[a]]; ends && c.owners[a] != "" {
			out = append(out, a)
		}
	}
	return out, err
}

// token looks at a token; it is not there when it has ended.
func (c *connector) token(ctx context.Context, accessor string) (t token, there bool, err error) {
	there, err = c.client.call(ctx, opWrite, "auth/token/lookup-accessor", map[string]string{"accessor": accessor}, &t)
	if err = ended(err); err != nil {
		return t, false, fmt.Errorf("look up a token by its accessor: %w", err)
	}
	return t, there, nil
}

// end revokes one token, unless it has by itself what its entity lost.
func (c *connector) end(ctx context.Context, accessor string, without map[string]*loss) (revoked bool, err error) {
	t, there, err := c.token(ctx, accessor)
	if err != nil || !there {
		return false, err
	}
	l := without[t.EntityID]
	if l == nil || !l.group && !slices.ContainsFunc(l.policies, func(p string) bool { return !slices.Contains(t.Policies, p) }) {
		return false, nil
	}
	_, err = c.client.call(ctx, opWrite, "auth/token/revoke-accessor", map[string]string{"accessor": accessor}, nil)
	if err = ended(err); err != nil {
		return true, fmt.Errorf("revoke a token by its accessor: %w", err)
	}
	return true, nil
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
