package gcp

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// Check asks Google for every right that the scope needs, and names what the settings do
// not allow.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	want := map[resource]bool{}
	for _, text := range scope {
		e, err := readText(text)
		if err == nil {
			err = c.set.allowed(e)
		}
		if err != nil {
			errs = append(errs, c.wrap("check", fmt.Errorf("%s: %w", text, err)))
			continue
		}
		want[e.on] = true
	}
	if _, err := c.api.tokens.get(ctx); err != nil {
		return append(errs, c.wrap("check", err))
	}
	var mu sync.Mutex
	found := map[resource][]error{}
	each(want, func(on resource) {
		missing, err := c.missing(ctx, on)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			found[on] = append(found[on], c.wrap("check", fmt.Errorf("%s: %w", on, err)))
		}
		for _, p := range missing {
			found[on] = append(found[on], fmt.Errorf("%s: missing right: %s on %s", c.target, p, on))
		}
	})
	return append(errs, sorted(found)...)
}

// missing returns the permissions on a resource that the credentials do not have.
func (c *connector) missing(ctx context.Context, on resource) (missing []string, err error) {
	var want []string
	for _, verb := range []string{"getIamPolicy", "setIamPolicy"} {
		want = append(want, "resourcemanager."+on.kind+"s."+verb)
	}
	have, err := c.api.permissions(ctx, on, want)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(want, func(p string) bool { return slices.Contains(have, p) }), nil
}

func sorted(found map[resource][]error) (errs []error) {
	var order []resource
	for on := range found {
		order = append(order, on)
	}
	slices.SortFunc(order, func(a, b resource) int { return slices.Compare([]string{a.kind, a.id}, []string{b.kind, b.id}) })
	for _, on := range order {
		errs = append(errs, found[on]...)
	}
	return errs
}
