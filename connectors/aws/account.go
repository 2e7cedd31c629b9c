package aws

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

// account is the IAM of one account of AWS.
type account struct {
	target string
	set    settings
	docs   map[string]policyDocument // of setting policies
	api    *clients
	recent *recent

	mu  sync.Mutex
	old map[rolePolicy]bool // policies of Tenure on roles that nothing needs any more
}

// Abilities: access ends by itself where every kind of entitlement that may be granted
// here does. Membership of a group has no end in IAM.
func (c *account) Abilities() connectors.AbilitySet {
	s := connectors.AbilitySet{Batcher: c, SessionEnder: c, Checker: c}
	if len(c.set.Groups) == 0 && len(c.set.Policies)+len(c.set.ManagedPolicies)+len(c.set.Roles) > 0 {
		s.NativeExpirer = c
	}
	return s
}

// NativeExpiry says how access ends.
func (c *account) NativeExpiry() string {
	return "each policy that Tenure writes has a condition on aws:CurrentTime, so AWS itself ends the access at its end, and sessions of roles with it"
}

// Grant makes the grant exist until its end. An end that has changed is written anew.
func (c *account) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes away what Tenure wrote; what has gone is none of its business.
func (c *account) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Close closes the idle connections.
func (c *account) Close() error {
	c.api.close()
	return nil
}

// Apply makes many changes, a few at once. Users and roles are listed once a batch, and
// only where something is granted.
func (c *account) Apply(ctx context.Context, acts []connectors.Act) []error {
	who, err := c.self(ctx)
	if err == nil {
		c.sweep(ctx, acts)
	}
	look := &names{api: c.api}
	return each(ctx, c.target, acts, func(ctx context.Context, a connectors.Act) error {
		if err != nil {
			return err
		}
		e, err := c.readHere(a.Grant.Entitlement)
		if err != nil {
			return err
		}
		if a.Grant.Account == who.principal {
			return errors.New("this is the reconciler's own account, which is left alone")
		}
		if a.Revoke {
			err = c.take(ctx, a.Grant, e)
		} else {
			err = c.give(ctx, a.Grant, e, a.Until, look)
		}
		if err == nil {
			c.recent.note(a.Grant, !a.Revoke)
		}
		return err
	})
}

// readHere reads an entitlement and refuses those of the other kind of target.
func (c *account) readHere(text string) (entitlement, error) {
	e, err := read(text)
	if err == nil && (e.kind == inSet || e.kind == inStore) {
		err = fmt.Errorf("%s is of IAM Identity Center; this target is of an account's IAM (setting instance makes the other)", text)
	}
	return e, err
}

// self makes sure that the credentials are of this account, and says whose they are.
func (c *account) self(ctx context.Context) (*caller, error) {
	who, err := c.api.whoAmI(ctx)
	if err != nil {
		return nil, err
	}
	if who.account != c.set.Account {
		return nil, fmt.Errorf("the credentials are of account %s, and setting account is %s", who.account, c.set.Account)
	}
	return who, nil
}

func (c *account) give(ctx context.Context, g grants.Grant, e entitlement, until time.Time, look *names) error {
	if err := c.allowed(e); err != nil {
		return err
	}
	if err := c.grantable(g.Account, e); err != nil {
		return err
	}
	if err := look.exists(ctx, g.Account); err != nil {
		return err
	}
	if e.kind == inGroup {
		if err := look.group(ctx, e.name); err != nil {
			return err
		}
		return c.join(ctx, g.Account, e.name)
	}
	if until.IsZero() {
		return errors.New("the grant has no end, and the policy of a grant always has one")
	}
	switch e.kind {
	case byRole:
		return c.giveRole(ctx, g, e, until, look)
	case byManaged:
		d, err := look.document(ctx, e.name)
		if err != nil {
			return err
		}
		return c.put(ctx, g, d, until)
	}
	return c.put(ctx, g, c.docs[e.name], until)
}

func (c *account) take(ctx context.Context, g grants.Grant, e entitlement) error {
	switch {
	case connectors.CheckName(g.Account) != nil || !principalPattern.MatchString(strings.TrimPrefix(g.Account, rolePrefix)):
		return nil // nobody of that name can exist
	case e.kind == inGroup && strings.HasPrefix(g.Account, rolePrefix):
		return nil // a role is in no group
	case e.kind == inGroup:
		return c.leave(ctx, g.Account, e.name)
	}
	return c.drop(ctx, g)
}

// allowed refuses what the settings do not list.
func (c *account) allowed(e entitlement) error {
	lists := map[string][]string{inGroup: c.set.Groups, byManaged: c.set.ManagedPolicies, byRole: c.set.Roles}
	settings := map[string]string{inGroup: "groups", byManaged: "managedPolicies", byRole: "roles"}
	if e.kind == byPolicy {
		if _, ok := c.docs[e.name]; !ok {
			return fmt.Errorf("setting policies has no document %q", e.name)
		}
		return nil
	}
	if !slices.Contains(lists[e.kind], e.name) {
		return fmt.Errorf("setting %s does not list %q", settings[e.kind], e.name)
	}
	return nil
}

// grantable refuses accounts that cannot hold the entitlement, or may not by the settings.
func (c *account) grantable(name string, e entitlement) error {
	kind := kindUser
	bare, isRole := strings.CutPrefix(name, rolePrefix)
	if isRole {
		kind = kindRole
	}
	switch {
	case !principalPattern.MatchString(bare):
		return fmt.Errorf("%+.80q is no name of an IAM user, nor %s and the name of a role", name, rolePrefix)
	case !slices.Contains(c.set.Subjects, kind):
		return fmt.Errorf("setting subjects does not list %s", kind)
	case isRole && (e.kind == inGroup || e.kind == byRole):
		return fmt.Errorf("a %s is granted to IAM users only", e.kind)
	case e.kind == byRole && len(bare) < 2:
		return errors.New("the name of a session has two characters or more, and it is the user's name")
	}
	return nil
}

func (c *account) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, explain(err))
}
