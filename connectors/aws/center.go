package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssoadmin"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// center is an instance of IAM Identity Center with its identity store.
type center struct {
	target string
	set    settings
	api    *clients
	recent *recent

	mu       sync.Mutex
	store    string            // the identity store's id, once known
	setNames map[string]string // ARN of a permission set -> its name, which never changes
}

// Abilities: an assignment has no end of its own, and a session that it gave lives in
// another account, where this one cannot end it.
func (c *center) Abilities() connectors.AbilitySet {
	return connectors.AbilitySet{Batcher: c, Checker: c}
}

// Grant assigns. Until has no meaning to Identity Center.
func (c *center) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes the assignment away.
func (c *center) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Close closes the idle connections.
func (c *center) Close() error {
	c.api.close()
	return nil
}

// Apply makes many changes, a few at once, and waits for each until AWS has done it.
func (c *center) Apply(ctx context.Context, acts []connectors.Act) []error {
	store, err := c.identityStore(ctx)
	users := &users{api: c.api, store: store}
	if err == nil {
		err = users.look(ctx, accountsOf(acts), nil)
	}
	sets := sync.OnceValues(func() (map[string]string, error) { return c.permissionSets(ctx, entitlementsOf(acts)) })
	lists := &once[place, map[string]bool]{}
	return each(ctx, c.target, acts, func(ctx context.Context, a connectors.Act) error {
		if err != nil {
			return err
		}
		e, err := c.readHere(a.Grant.Entitlement)
		if err != nil {
			return err
		}
		if !a.Revoke {
			if err := c.allowed(e); err != nil {
				return err
			}
		}
		id, err := users.id(a.Grant.Account)
		if errors.Is(err, connectors.ErrNoAccount) && a.Revoke {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case e.kind == inStore && a.Revoke:
			err = c.leave(ctx, id, e.name)
		case e.kind == inStore:
			err = c.join(ctx, id, e.name)
		default:
			err = c.assignment(ctx, e, id, a.Revoke, sets, lists)
		}
		if err == nil {
			c.recent.note(a.Grant, !a.Revoke)
		}
		return err
	})
}

// entitlementsOf reads those that can be read.
func entitlementsOf(acts []connectors.Act) []entitlement {
	var out []entitlement
	for _, a := range acts {
		if e, err := read(a.Grant.Entitlement); err == nil {
			out = append(out, e)
		}
	}
	return out
}

func accountsOf(acts []connectors.Act) []string {
	seen := map[string]bool{}
	var out []string
	for _, a := range acts {
		if !seen[a.Grant.Account] {
			seen[a.Grant.Account] = true
			out = append(out, a.Grant.Account)
		}
	}
	return out
}

// readHere reads an entitlement and refuses those of the other kind of target.
func (c *center) readHere(text string) (entitlement, error) {
	e, err := read(text)
	if err == nil && e.kind != inSet && e.kind != inStore {
		err = fmt.Errorf("%s is of an account's IAM; this target is of IAM Identity Center (setting account makes the other)", text)
	}
	return e, err
}

// allowed refuses what the settings do not list. A permission set that is pinned by its
// ARN is allowed once its name is known.
func (c *center) allowed(e entitlement) error {
	switch {
	case e.kind == inStore && !slices.Contains(c.set.IdentityGroups, e.name):
		return fmt.Errorf("setting identityGroups does not list %q", e.name)
	case e.kind == inSet && !slices.Contains(c.set.Accounts, e.account):
		return fmt.Errorf("setting accounts does not list %s", e.account)
	case e.kind == inSet && !slices.Contains(c.set.PermissionSets, e.name) && !slices.ContainsFunc(c.set.PermissionSets, isARN):
		return fmt.Errorf("setting permissionSets does not list %q", e.name)
	}
	return nil
}

// isARN tells an ARN from a name, which has no colon.
func isARN(s string) bool { return strings.HasPrefix(s, "arn:") }

// allowedSet is the rest of allowed, for a permission set whose ARN is known.
func (c *center) allowedSet(name, arn string) error {
	if !slices.Contains(c.set.PermissionSets, name) && !slices.Contains(c.set.PermissionSets, arn) {
		return fmt.Errorf("setting permissionSets lists neither %q nor the ARN that it has now, %s", name, arn)
	}
	return nil
}

// identityStore makes sure that the instance is there, and returns its identity store. An
// instance that cannot be seen would look like one without any assignment.
func (c *center) identityStore(ctx context.Context) (string, error) {
	if err := c.api.prepare(ctx); err != nil {
		return "", err
	}
	c.mu.Lock()
	known := c.store
	c.mu.Unlock()
	if known != "" {
		return known, nil
	}
	pages := ssoadmin.NewListInstancesPaginator(c.api.sso, &ssoadmin.ListInstancesInput{})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err != nil {
			return "", fmt.Errorf("look for the instance of Identity Center: %w", err)
		}
		for _, i := range p.Instances {
			if sdk.ToString(i.InstanceArn) == c.set.Instance && sdk.ToString(i.IdentityStoreId) != "" {
				c.mu.Lock()
				c.store = *i.IdentityStoreId
				c.mu.Unlock()
				return *i.IdentityStoreId, nil
			}
		}
	}
	return "", fmt.Errorf("the instance %s of setting instance is not in region %s, or the credentials do not see it", c.set.Instance, c.set.Region)
}

func (c *center) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, explain(err))
}

// Observe returns to whom the permission sets of the scope are assigned directly, and who
// is in its groups. Assignments of whole groups are none of a person's.
func (c *center) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entitlements, err := readAll(scope, c.readHere)
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	if len(entitlements) == 0 {
		return nil, nil
	}
	store, err := c.identityStore(ctx)
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	found, err := c.recent.observe(ctx, scope, func() ([]grants.Grant, error) { return c.list(ctx, store, entitlements) })
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	return found, nil
}

func (c *center) list(ctx context.Context, store string, entitlements []entitlement) ([]grants.Grant, error) {
	sets, err := c.permissionSets(ctx, entitlements)
	if err != nil {
		return nil, err
	}
	holders := make([][]string, len(entitlements)) // ids of users
	err = gather(ctx, len(entitlements), func(ctx context.Context, i int) (err error) {
		e := entitlements[i]
		if e.kind == inStore {
			holders[i], err = c.members(ctx, store, e.name)
			return err
		}
		if arn := sets[e.name]; arn != "" {
			holders[i], err = c.assigned(ctx, place{e.account, arn})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	users := &users{api: c.api, store: store}
	if err := users.look(ctx, nil, slices.Concat(holders...)); err != nil {
		return nil, err
	}
	seen := map[grants.Grant]bool{}
	var out []grants.Grant
	for i, e := range entitlements {
		for _, id := range holders[i] {
			name, ok := users.name(id)
			g := grants.Grant{Target: c.target, Account: name, Entitlement: e.text}
			if ok && !seen[g] { // a user that was deleted holds nothing
				seen[g] = true
				out = append(out, g)
			}
		}
	}
	return out, nil
}
