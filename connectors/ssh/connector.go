package ssh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// errNoAccount is ErrNoAccount in the words of a host.
var errNoAccount = fmt.Errorf("the host has no such user: %w", connectors.ErrNoAccount)

// connector is one set of hosts.
type connector struct {
	target  string
	user    string // whom we log in as
	hosts   map[string]*host
	retired []string
	groups  []string          // setting groups
	logins  []string          // setting logins
	rules   map[string]string // setting sudo: set -> rule
	keys    keySource         // nil: nobody has one
	slots   chan struct{}     // one for each host that may be worked on at the same time
	timeout time.Duration     // of one request
}

// Grant gives the entitlement. A login and a rule of sudo end at until by themselves.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes the entitlement away.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Close closes all connections.
func (c *connector) Close() error {
	var wg sync.WaitGroup
	for _, h := range c.hosts {
		wg.Go(h.close)
	}
	wg.Wait()
	return nil
}

// Abilities leaves native expiry out where groups may be given: nothing on a host ends
// the membership of a group.
func (c *connector) Abilities() connectors.AbilitySet {
	set := connectors.AbilitySet{Batcher: c, SessionEnder: c, Checker: c, Partitioner: c}
	if len(c.groups) == 0 {
		set.NativeExpirer = expirer{}
	}
	return set
}

type expirer struct{}

// NativeExpiry says how access ends.
func (expirer) NativeExpiry() string {
	return "sshd refuses a key after its expiry-time, and sudo a rule after its NOTAFTER, by the clock of the host"
}

// Parts divides a scope by hosts. Each login is a part by itself: its user has a hand in
// the files that are read for it, and shall not be able to hide anything else.
func (c *connector) Parts(scope []string) [][]string {
	var parts [][]string
	type part struct{ host, login string }
	of := map[part]int{}
	for _, text := range scope {
		e, err := readText(text)
		if err != nil {
			parts = append(parts, []string{text})
			continue
		}
		p := part{host: e.host}
		if e.kind == login {
			p.login = e.name
		}
		if i, ok := of[p]; ok {
			parts[i] = append(parts[i], text)
			continue
		}
		of[p] = len(parts)
		parts = append(parts, []string{text})
	}
	return parts
}

// find returns a host; nil without an error is one that does not exist any more.
func (c *connector) find(name string) (*host, error) {
	if h, ok := c.hosts[name]; ok {
		return h, nil
	}
	if slices.Contains(c.retired, name) {
		return nil, nil
	}
	return nil, fmt.Errorf("the target's setting hosts does not list %q; if it does not exist any more, list it in retired", name)
}

// run sends a request to a host, when there is a free slot. Requests that wait for the
// same host have none, so that it cannot take those of the others.
func (c *connector) run(ctx context.Context, h *host, r *request) (*answer, error) {
	if err := h.enter(ctx, c.timeout); err != nil {
		return nil, fmt.Errorf("%s: %w", h.name, err)
	}
	defer h.leave()
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-c.slots }()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a, err := h.run(ctx, c.timeout, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.name, err)
	}
	return a, nil
}

// each works on hosts at the same time and joins their errors, in the order of names.
func each[T any](hosts map[*host]T, work func(h *host, of T) error) error {
	list := make([]*host, 0, len(hosts))
	for h := range hosts {
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b *host) int { return strings.Compare(a.name, b.name) })
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, h := range list {
		wg.Go(func() { errs[i] = work(h, hosts[h]) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
