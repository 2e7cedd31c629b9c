package scim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tenure-dev/tenure/connectors/rest"
)

// parallel is how many requests of one call are under way at once.
const parallel = 8

// sweepFrom is how many people have to be looked up at least before it may be cheaper
// to read the list of all.
const sweepFrom = 8

// sweep returns all people of the server if reading that list takes fewer requests than
// looking wanted people up one by one, else nobody or a part. It is a short cut only: who
// is not in it is looked up, and so is everybody if the list is refused, or does not stand
// still.
func (c *connector) sweep(ctx context.Context, wanted int) ([]user, error) {
	if wanted < sweepFrom {
		return nil, nil
	}
	all, err := read[user](ctx, c, list{resource: "Users", only: "userName", enough: func(total, page int) bool { return total/page >= wanted }})
	if errors.Is(err, errChanged) || rest.Status(err)/100 == 4 {
		return nil, nil
	}
	return all, err
}

// byName looks people up by their exact userName. SCIM compares it without regard to
// case; names here are exact, so that one person never has two. What the server answers
// to single names with is in failed.
func (c *connector) byName(ctx context.Context, names []string) (found map[string][]user, failed map[string]error, err error) {
	found, failed = make(map[string][]user, len(names)), map[string]error{}
	all, err := c.sweep(ctx, len(names))
	if err != nil {
		return nil, nil, err
	}
	for _, u := range all {
		found[u.UserName] = append(found[u.UserName], u)
	}
	var mu sync.Mutex
	err = rest.Each(ctx, parallel, names, func(ctx context.Context, name string) error {
		mu.Lock()
		known := len(found[name]) > 0
		mu.Unlock()
		if known {
			return nil
		}
		list, err := matching[user](ctx, c, list{resource: "Users", only: "userName"}, "userName", name)
		mu.Lock()
		defer mu.Unlock()
		if err != nil && ctx.Err() == nil {
			failed[name] = fmt.Errorf("look up the user: %w", err)
			return nil
		}
		for _, u := range list {
			if u.UserName == name {
				found[name] = append(found[name], u)
			}
		}
		return err
	})
	return found, failed, err
}

// names returns the userNames of members by their ids. Members that are no people, such
// as groups, or whose user is gone, have none.
func (c *connector) names(ctx context.Context, members []member) (map[string]string, error) {
	found := map[string]string{}
	var ids []string
	for _, m := range members {
		if _, twice := found[m.Value]; !twice && m.person() {
			found[m.Value] = ""
			ids = append(ids, m.Value)
		}
	}
	all, err := c.sweep(ctx, len(ids))
	if err != nil {
		return nil, err
	}
	for _, u := range all {
		if _, wanted := found[u.ID]; wanted {
			found[u.ID] = u.UserName
		}
	}
	var mu sync.Mutex
	nobody := false
	err = rest.Each(ctx, parallel, ids, func(ctx context.Context, id string) error {
		mu.Lock()
		known := found[id] != ""
		mu.Unlock()
		if known {
			return nil
		}
		var u user
		_, err := c.rest.Do(ctx, rest.Request{Path: []string{"Users", id}}, &u)
		switch {
		case rest.Missing(err):
			mu.Lock()
			defer mu.Unlock()
			nobody = true
			return nil
		case err != nil:
			return fmt.Errorf("look up the member %+.80q: %w", id, err)
		case u.ID != id || u.UserName == "":
			return fmt.Errorf("look up the member %+.80q: the server answers with another user, or without a userName", id)
		}
		mu.Lock()
		defer mu.Unlock()
		found[id] = u.UserName
		return nil
	})
	if err == nil && nobody {
		err = c.alive(ctx, "Users")
	}
	return found, err
}

// person reports whether the member may be a person: type and $ref are optional, and not
// every server writes the type as RFC 7643 does.
func (m member) person() bool {
	if m.Type != "" {
		return !strings.EqualFold(m.Type, "Group")
	}
	return !strings.Contains(m.Ref, "/Groups/")
}
