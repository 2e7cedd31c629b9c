package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Check asks the server for every right that the scope needs, and looks whether the
// groups and policies are there.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	need := map[string][]string{ // path -> capabilities
		"identity/entity/id": {"list"},
	}
	var ents []entitlement
	for _, text := range scope {
		e, err := readText(text)
		if err == nil {
			err = c.allowed(e)
		}
		if err != nil {
			errs = append(errs, c.wrap("check", err))
			continue
		}
		ents = append(ents, e)
		need["identity/group/name/"+e.group()] = []string{"read", "update"}
		if e.kind == kindPolicy {
			need["sys/policies/acl/"+e.name] = []string{"read"}
			need["identity/entity/id/*"] = []string{"read"}
		}
	}
	if c.client.login.m.mount == "" { // else it logs in again
		need["auth/token/renew-self"] = []string{"update"}
	}
	if c.endsTokens {
		need["identity/entity/id/*"] = []string{"read"}
		need["identity/group/id/*"] = []string{"read"}
		need["auth/token/accessors/"] = []string{"list", "sudo"}
		need["auth/token/lookup-accessor"] = []string{"update"}
		need["auth/token/revoke-accessor"] = []string{"update"}
	}
	paths := slices.Sorted(maps.Keys(need))
	var has map[string]json.RawMessage
	if _, err := c.client.call(ctx, opWrite, "sys/capabilities-self", map[string]any{"paths": paths}, &has); err != nil {
		return append(errs, c.wrap("check", fmt.Errorf("ask for the rights of the reconciler's own token: %w", err)))
	}
	if left, err := c.client.login.dies(ctx); err == nil && left > 0 {
		errs = append(errs, c.wrap("check", fmt.Errorf("the token in setting token ends %s after its first use and cannot be renewed; give one that can, or log in by roleID or kubernetesRole", left)))
	}
	lacks := map[string]bool{}
	for _, path := range paths {
		var caps []string
		if err := json.Unmarshal(has[path], &caps); err != nil {
			return append(errs, c.wrap("check", fmt.Errorf("the server does not say what the token may do at %s", path)))
		}
		for _, word := range need[path] {
			if !slices.Contains(caps, word) && !slices.Contains(caps, "root") {
				lacks[path] = true
				errs = append(errs, fmt.Errorf("%s: missing right: %s on path %q", c.target, word, path))
			}
		}
	}
	for _, e := range ents {
		if err := c.present(ctx, e, lacks); err != nil {
			errs = append(errs, c.wrap("check", err))
		}
	}
	return errs
}

// present is an error for what does not exist, as far as the token may look.
func (c *connector) present(ctx context.Context, e entitlement, lacks map[string]bool) error {
	if e.kind == kindPolicy {
		if lacks["sys/policies/acl/"+e.name] {
			return nil
		}
		return c.policyExists(ctx, e.name)
	}
	if lacks["identity/group/name/"+e.name] {
		return nil
	}
	g, err := c.group(ctx, e.name)
	switch {
	case err != nil:
		return err
	case g == nil:
		return fmt.Errorf("group %q does not exist", e.name)
	}
	return e.fits(g)
}
