package azure

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// Observe returns who has the roles in scope by an assignment at exactly their scopes,
// whoever made it, and the direct members of the groups in scope.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	list, err := connectors.DecodeScope(scope, readText)
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	parts := map[string][]entitlement{} // what is looked at together
	for _, e := range list {
		parts[e.where()] = append(parts[e.where()], e)
	}
	var mu sync.Mutex
	var out []grants.Grant
	var errs []error
	each(slices.Collect(maps.Values(parts)), func(part []entitlement) {
		look := c.observeRoles
		if part[0].group != "" {
			look = c.observeMembers
		}
		found, err := look(ctx, part)
		mu.Lock()
		defer mu.Unlock()
		out = append(out, found...)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", part[0].where(), err))
		}
	})
	if err := errors.Join(errs...); err != nil {
		return nil, c.wrap("observe", err)
	}
	slices.SortFunc(out, grants.Grant.Compare)
	return slices.Compact(out), nil
}

func (c *connector) grant(account string, e entitlement) grants.Grant {
	return grants.Grant{Target: c.target, Account: account, Entitlement: e.text}
}

// observeRoles looks at the roles of one scope. A role that does not exist has no
// holders.
func (c *connector) observeRoles(ctx context.Context, part []entitlement) (out []grants.Grant, err error) {
	all, err := c.assignments(ctx, part[0].scope)
	if gone(err) {
		return nil, nil
	}
	if err != nil || len(all) == 0 {
		return nil, err
	}
	want := map[roleAt]bool{}
	for _, e := range part {
		want[roleAt{e.scope, e.role}] = true
	}
	roles := map[string]entitlement{} // by the role's GUID
	defs := c.findRoles(ctx, want)
	for _, e := range part {
		d := defs[roleAt{e.scope, e.role}]
		if d.err != nil {
			return nil, d.err
		}
		if d.role != nil {
			roles[strings.ToLower(d.role.GUID)] = e
		}
	}
	all = slices.DeleteFunc(all, func(a assignment) bool { _, ok := roles[a.roleGUID()]; return !ok })
	accounts, err := c.accounts(ctx, all)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if account, ok := accounts[strings.ToLower(a.Properties.Principal)]; ok {
			out = append(out, c.grant(account, roles[a.roleGUID()]))
		}
	}
	return out, nil
}

// accounts returns the accounts of the principals of role assignments. A user who was
// deleted is nobody, and left out.
func (c *connector) accounts(ctx context.Context, all []assignment) (map[string]string, error) {
	accounts := map[string]string{}
	var ids []string
	for _, a := range all {
		id, kind := strings.ToLower(a.Properties.Principal), a.Properties.PrincipalType
		if kind == "User" {
			ids = append(ids, id)
		} else {
			accounts[id] = otherAccount(kind, id)
		}
	}
	slices.Sort(ids)
	found, err := c.users(ctx, "id", slices.Compact(ids))
	for _, u := range found {
		accounts[u.ID] = c.set.accountOf(u)
	}
	return accounts, err
}

// observeMembers looks at one group.
func (c *connector) observeMembers(ctx context.Context, part []entitlement) (out []grants.Grant, err error) {
	g, err := c.findGroup(ctx, part[0].group)
	if err != nil || g == nil {
		return nil, err
	}
	all, err := c.members(ctx, g)
	if gone(err) {
		return nil, nil
	}
	for _, m := range all {
		account := c.set.accountOf(m.user)
		if m.Type != kindUser {
			account = otherAccount(m.Type, m.ID)
		}
		out = append(out, c.grant(account, part[0]))
	}
	return out, err
}

// Parts makes each scope and each group a part: one that was deleted, or to which the
// rights were lost, does not hide the others.
func (c *connector) Parts(scope []string) [][]string {
	at := map[string]int{}
	var parts [][]string
	for _, text := range scope {
		e, err := readText(text)
		i, ok := at[e.where()]
		if err != nil || !ok {
			i, parts = len(parts), append(parts, nil)
			if err == nil {
				at[e.where()] = i
			}
		}
		parts[i] = append(parts[i], text)
	}
	return parts
}
