package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

const (
	// sessionWait bounds the wait for connections to go. The API closes a single one
	// only after the broker's statistics know it, which is up to 5 seconds after it
	// was opened.
	sessionWait = 20 * time.Second
	// patience is after how long all connections of the account are closed at once,
	// where those that must go cannot be closed one by one.
	patience = 8 * time.Second
)

// managing are the tags of the management plug-in, which it looks up at every request.
func managing() []string {
	return []string{"administrator", "management", "monitoring", "policymaker"}
}

// connection is a connection of an account.
type connection struct {
	Name  string `json:"name"`
	VHost string `json:"vhost"`
	User  string `json:"user"`
}

// EndSessions closes the connections of accounts to the virtual hosts in which they
// lost something and have no other right to the same, and returns when the broker
// shows none of them. A channel keeps what it was allowed to do, and a consumer gets
// messages until it is closed.
//
// The tags of the management plug-in are judged at every request, and end no
// connection; other tags end all of an account.
func (c *connector) EndSessions(ctx context.Context, lost []grants.Grant) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	byAccount := map[string]map[entitlement]bool{}
	for _, g := range lost {
		e, err := readText(g.Entitlement)
		if err != nil {
			return c.wrap("end sessions", err)
		}
		if g.Account == "" || c.leftAlone(g.Account) != nil || slices.Contains(managing(), e.tag) {
			continue
		}
		if byAccount[g.Account] == nil {
			byAccount[g.Account] = map[entitlement]bool{}
		}
		byAccount[g.Account][e] = true
	}
	ctx, cancel := context.WithTimeout(ctx, sessionWait)
	defer cancel()
	// In no order: those whose connections do not go must not keep back the same others
	// at every try.
	errs := each(slices.Collect(maps.Keys(byAccount)), func(name string) error {
		in, err := c.without(ctx, name, byAccount[name])
		if err == nil && len(in) > 0 {
			err = c.end(ctx, name, in)
		}
		return err
	})
	if err := errors.Join(errs...); err != nil {
		return c.wrap("end sessions", err)
	}
	return nil
}

// without returns the virtual hosts in which the account no longer has what it lost;
// the empty name stands for all of them.
func (c *connector) without(ctx context.Context, name string, lost map[entitlement]bool) (map[string]bool, error) {
	in := map[string]bool{}
	for _, e := range sorted(lost) {
		if in[e.vhost] {
			continue
		}
		if e.tag != "" {
			u, _, err := c.account(ctx, name)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(u.Tags, e.tag) {
				in[""] = true
			}
			continue
		}
		r, err := c.row(ctx, key{e.vhost, name})
		if err != nil {
			return nil, err
		}
		if r == nil || !readExpression(*r.field(e.permission)).matches(e) {
			in[e.vhost] = true
		}
	}
	return in, nil
}

// end closes the connections that the account has now and waits until they are gone.
func (c *connector) end(ctx context.Context, name string, in map[string]bool) error {
	told, others, err := c.connections(ctx, name, func(x connection) bool { return in[""] || in[x.VHost] })
	if err != nil || len(told) == 0 {
		return err
	}
	began := time.Now()
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		if others == 0 || time.Since(began) > patience {
			err = c.api.remove(ctx, path("connections", "username", name))
		} else {
			err = errors.Join(each(slices.Sorted(maps.Keys(told)), func(connection string) error {
				return c.api.remove(ctx, path("connections", connection))
			})...)
		}
		if err != nil {
			return err
		}
		before := told
		told, others, err = c.connections(ctx, name, func(x connection) bool { return before[x.Name] })
		if err != nil || len(told) == 0 {
			return err
		}
		if err := pause(ctx, wait); err != nil {
			return fmt.Errorf("connections of %q do not end: %s: %w", name, strings.Join(slices.Sorted(maps.Keys(told)), ", "), err)
		}
	}
}

// connections returns those that match, and how many do not. This list comes from the
// broker's own table; the other lists of connections lag behind.
func (c *connector) connections(ctx context.Context, name string, match func(connection) bool) (found map[string]bool, others int, err error) {
	var list []connection
	if _, err := c.api.get(ctx, path("connections", "username", name), &list); err != nil {
		return nil, 0, err
	}
	found = map[string]bool{}
	for _, x := range list {
		switch {
		case x.User != name || x.Name == "":
			return nil, 0, fmt.Errorf("the broker's list of connections of %q cannot be read", name)
		case match(x):
			found[x.Name] = true
		default:
			others++
		}
	}
	return found, others, nil
}
