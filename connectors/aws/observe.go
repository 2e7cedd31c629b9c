package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/tenure-dev/tenure/grants"
)

// fewGroups are asked for one by one; more are read from the list of the whole account.
const fewGroups = 16

// Observe returns who is in the groups, has the policies and may assume the roles of the
// scope. Policies are those that Tenure wrote and that have not ended; a managed policy
// that another hand attached to a user or role counts, too.
func (c *account) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
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
	if _, err := c.self(ctx); err != nil {
		return nil, c.wrap("observe", err)
	}
	found, err := c.recent.observe(ctx, scope, func() ([]grants.Grant, error) { return c.list(ctx, entitlements) })
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	return found, nil
}

func (c *account) list(ctx context.Context, entitlements []entitlement) ([]grants.Grant, error) {
	groupsOnly := !slices.ContainsFunc(entitlements, func(e entitlement) bool { return e.kind != inGroup })
	if groupsOnly && len(entitlements) <= fewGroups {
		return c.listGroups(ctx, entitlements)
	}
	return c.listAll(ctx, entitlements)
}

func (c *account) listGroups(ctx context.Context, groups []entitlement) ([]grants.Grant, error) {
	lists := make([][]grants.Grant, len(groups))
	err := gather(ctx, len(groups), func(ctx context.Context, i int) error {
		pages := iam.NewGetGroupPaginator(c.api.iam, &iam.GetGroupInput{GroupName: &groups[i].name, MaxItems: sdk.Int32(page)})
		for pages.HasMorePages() {
			p, err := pages.NextPage(ctx)
			if missing(err) {
				lists[i] = nil
				return nil
			}
			if err == nil {
				err = more(p.IsTruncated, p.Marker)
			}
			if err == nil && p.Group == nil {
				err = errors.New("AWS returned none")
			}
			if err != nil {
				return fmt.Errorf("list members of group %s: %w", groups[i].name, err)
			}
			if sdk.ToString(p.Group.GroupName) != groups[i].name {
				return nil // found by another case: it is another name
			}
			for _, u := range p.Users {
				lists[i] = append(lists[i], grants.Grant{Target: c.target, Account: sdk.ToString(u.UserName), Entitlement: groups[i].text})
			}
		}
		return nil
	})
	return slices.Concat(lists...), err
}

// listAll reads users, and roles where they matter, with all that is in them.
func (c *account) listAll(ctx context.Context, entitlements []entitlement) ([]grants.Grant, error) {
	w := &wanted{target: c.target, now: time.Now(), inline: map[string]string{}, managed: map[string]string{}, groups: map[string]string{}}
	in := &iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeUser}, MaxItems: sdk.Int32(page)}
	roles := slices.Contains(c.set.Subjects, kindRole)
	for _, e := range entitlements {
		switch e.kind {
		case inGroup:
			w.groups[e.name] = e.text
			continue
		case byManaged:
			w.managed[e.name] = e.text
		case byRole:
			roles = true // to see which of our policies on them are of no more use
		}
		w.inline[grantName(c.target, e.text)] = e.text
	}
	if roles {
		in.Filter = append(in.Filter, types.EntityTypeRole)
	}
	old := map[rolePolicy]bool{}
	pages := iam.NewGetAccountAuthorizationDetailsPaginator(c.api.iam, in)
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err == nil {
			err = more(p.IsTruncated, p.Marker)
		}
		if err != nil {
			return nil, fmt.Errorf("list users and roles: %w", err)
		}
		for _, u := range p.UserDetailList {
			name := sdk.ToString(u.UserName)
			w.policies(name, u.UserPolicyList, u.AttachedManagedPolicies)
			for _, g := range u.GroupList {
				w.add(name, w.groups[g])
			}
		}
		for _, r := range p.RoleDetailList {
			if slices.Contains(c.set.Subjects, kindRole) {
				w.policies(rolePrefix+sdk.ToString(r.RoleName), r.RolePolicyList, r.AttachedManagedPolicies)
			}
			for _, policy := range r.RolePolicyList {
				if useless(policy, w.now) {
					old[rolePolicy{sdk.ToString(r.RoleName), sdk.ToString(policy.PolicyName)}] = true
				}
			}
		}
	}
	c.mu.Lock()
	c.old = old
	c.mu.Unlock()
	return w.found, nil
}

// wanted collects grants from what users and roles have.
type wanted struct {
	target                  string
	now                     time.Time
	inline, managed, groups map[string]string // name -> entitlement
	found                   []grants.Grant
	seen                    map[grants.Grant]bool
}

func (w *wanted) policies(account string, inline []types.PolicyDetail, attached []types.AttachedPolicy) {
	for _, p := range inline {
		if text := w.inline[sdk.ToString(p.PolicyName)]; text != "" && !ended(sdk.ToString(p.PolicyDocument), w.now) {
			w.add(account, text)
		}
	}
	for _, p := range attached {
		w.add(account, w.managed[sdk.ToString(p.PolicyArn)])
	}
}

func (w *wanted) add(account, text string) {
	g := grants.Grant{Target: w.target, Account: account, Entitlement: text}
	if text == "" || w.seen[g] {
		return
	}
	if w.seen == nil {
		w.seen = map[grants.Grant]bool{}
	}
	w.seen[g] = true
	w.found = append(w.found, g)
}
