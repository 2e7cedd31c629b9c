package gcp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tenure-dev/tenure/grants"
)

// parallel is how many resources are read or changed at once.
const parallel = 8

// Observe returns the principals of all bindings of the roles in scope, whoever made
// them. A binding whose time is over by its condition gives nothing and is left out.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	roles := map[resource]map[string]string{} // resource -> role -> entitlement
	for _, text := range scope {
		e, err := readText(text)
		if err != nil {
			return nil, c.wrap("observe", err)
		}
		if roles[e.on] == nil {
			roles[e.on] = map[string]string{}
		}
		roles[e.on][e.role] = text
	}
	var mu sync.Mutex
	var out []grants.Grant
	var errs []error
	each(roles, func(on resource) {
		p, err := c.api.policy(ctx, on)
		mu.Lock()
		defer mu.Unlock()
		if errors.Is(err, errGone) {
			return // what is not there has no holders
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", on, err))
			return
		}
		out = append(out, c.holders(p, roles[on])...)
	})
	if err := errors.Join(errs...); err != nil {
		return nil, c.wrap("observe", err)
	}
	return out, nil
}

// holders lists who has which of the roles by a policy, each once.
func (c *connector) holders(p *policy, roles map[string]string) (out []grants.Grant) {
	seen := map[grants.Grant]bool{}
	for _, b := range p.bindings {
		text, ok := roles[b.role]
		if !ok || b.over(p.at) {
			continue
		}
		for _, m := range b.members {
			account, ok := c.set.accountOf(m)
			g := grants.Grant{Target: c.target, Account: account, Entitlement: text}
			if ok && !seen[g] {
				seen[g] = true
				out = append(out, g)
			}
		}
	}
	return out
}

// each calls f for every key, a few at once, and waits.
func each[V any](of map[resource]V, f func(resource)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for r := range of {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(r)
		})
	}
	wg.Wait()
}

// Parts makes each resource a part: one that was deleted, or to which the rights were
// lost, does not hide the others.
func (c *connector) Parts(scope []string) [][]string {
	at := map[resource]int{}
	var parts [][]string
	for _, text := range scope {
		e, err := readText(text)
		i, ok := at[e.on]
		if err != nil || !ok {
			i, parts = len(parts), append(parts, nil)
			if err == nil {
				at[e.on] = i
			}
		}
		parts[i] = append(parts[i], text)
	}
	return parts
}
