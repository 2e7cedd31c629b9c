package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tenure-dev/tenure/grants"
)

// sessionWait bounds the wait for connections to go: the server closes one that is
// killed at once, or after the command that it is in.
const sessionWait = 10 * time.Second

// EndSessions closes the connections of accounts that lost something, unless they have
// it still, and returns when the server shows none of them. Every command is judged
// anew, but a client that waits (BLPOP) or watches (MONITOR) has been judged already.
func (c *connector) EndSessions(ctx context.Context, lost []grants.Grant) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	items := map[string][]entitlement{}
	for _, g := range lost {
		e, err := readText(g.Entitlement)
		if err != nil {
			return c.wrap("end sessions", err)
		}
		if c.leftAlone(g.Account) == nil {
			items[g.Account] = append(items[g.Account], e)
		}
	}
	err := retry(ctx, func() error {
		names, err := c.without(ctx, items)
		if err == nil && len(names) > 0 {
			err = c.end(ctx, names)
		}
		return err
	})
	if err != nil {
		return c.wrap("end sessions", err)
	}
	return nil
}

// without returns the accounts that no longer have what they lost. The server itself
// closes the connections of an account that is removed.
func (c *connector) without(ctx context.Context, items map[string][]entitlement) (out []string, err error) {
	names := slices.Sorted(maps.Keys(items))
	users, err := c.users(ctx, names)
	if err != nil {
		return nil, err
	}
	for i, u := range users {
		if u == nil {
			continue
		}
		if slices.ContainsFunc(items[names[i]], func(e entitlement) bool {
			return !u.has(e) && !u.root.everything(e) &&
				!slices.ContainsFunc(u.selectors, func(s selector) bool { return s.everything(e) })
		}) {
			out = append(out, names[i])
		}
	}
	return out, nil
}

// end closes the connections that these accounts have now and waits until they are gone.
func (c *connector) end(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, sessionWait)
	defer cancel()
	told, err := c.clients(ctx, names)
	if err != nil || len(told) == 0 {
		return err
	}
	if _, err := c.db.Pipelined(ctx, func(p redis.Pipeliner) error {
		for id := range told {
			p.ClientKillByFilter(ctx, "ID", id)
		}
		return nil
	}); err != nil {
		return err
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		now, err := c.clients(ctx, names)
		if err != nil {
			return err
		}
		maps.DeleteFunc(now, func(id, _ string) bool { return told[id] == "" })
		if len(now) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("connections of %s do not end: %w", strings.Join(slices.Sorted(maps.Values(now)), ", "), ctx.Err())
		case <-time.After(wait):
		}
	}
}

// clients returns the connections of accounts, from their number to the account.
func (c *connector) clients(ctx context.Context, names []string) (map[string]string, error) {
	list, err := c.db.ClientList(ctx).Result()
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimRight(list, "\r\n"), "\n") {
		var id, name string
		for word := range strings.FieldsSeq(line) { // neither names nor anything else has spaces
			if v, ok := strings.CutPrefix(word, "id="); ok {
				id = v
			}
			if v, ok := strings.CutPrefix(word, "user="); ok {
				name = v
			}
		}
		if id == "" || name == "" {
			return nil, errors.New("the server's list of connections cannot be read")
		}
		if _, ok := slices.BinarySearch(names, name); ok {
			out[id] = name
		}
	}
	return out, nil
}
