package azure

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// needed are the actions that role assignments take.
var needed = []string{
	"Microsoft.Authorization/roleAssignments/read", "Microsoft.Authorization/roleAssignments/write",
	"Microsoft.Authorization/roleAssignments/delete", "Microsoft.Authorization/roleDefinitions/read",
}

// Check asks Azure for every right that the scope needs, and names what the settings do
// not allow.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	at := map[string]map[string]bool{} // scope -> roles
	groups := map[string]bool{}
	for _, text := range scope {
		e, err := readText(text)
		if err == nil {
			err = c.set.allowed(e)
		}
		switch {
		case err != nil:
			errs = append(errs, c.wrap("check", fmt.Errorf("%s: %w", text, err)))
		case e.group != "":
			groups[e.group] = true
		default:
			if at[e.scope] == nil {
				at[e.scope] = map[string]bool{}
			}
			at[e.scope][e.role] = true
		}
	}
	have, bad := c.checkDirectory(ctx, len(groups) > 0)
	errs = append(errs, bad...)
	var mu sync.Mutex
	found := map[string][]error{}
	note := func(key string, more []error) {
		mu.Lock()
		defer mu.Unlock()
		found[key] = more
	}
	each(slices.Collect(maps.Keys(at)), func(s string) { note(s, c.checkScope(ctx, s, at[s])) })
	if len(bad) == 0 {
		each(slices.Collect(maps.Keys(groups)), func(g string) { note("group "+g, c.checkGroup(ctx, g, have)) })
		errs = append(errs, c.checkTwins(ctx, groups)...)
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		errs = append(errs, found[key]...)
	}
	return errs
}

// checkScope names the actions that are missing at a scope, and the roles that cannot be
// granted.
func (c *connector) checkScope(ctx context.Context, scope string, roles map[string]bool) (errs []error) {
	have, err := list[permission](ctx, c.arm, scope+rbac+"permissions"+query("api-version", version))
	if err != nil {
		return []error{c.wrap("check", fmt.Errorf("%s: %w", scope, err))}
	}
	for _, action := range needed {
		if !permits(have, action) {
			errs = append(errs, fmt.Errorf("%s: missing right: %s on %s", c.target, action, scope))
		}
	}
	if len(errs) > 0 {
		return errs
	}
	want := map[roleAt]bool{}
	for r := range roles {
		want[roleAt{scope, r}] = true
	}
	defs := c.findRoles(ctx, want)
	for _, r := range slices.Sorted(maps.Keys(roles)) {
		switch d := defs[roleAt{scope, r}]; {
		case d.err != nil:
			errs = append(errs, c.wrap("check", d.err))
		case d.role == nil:
			errs = append(errs, fmt.Errorf("%s: role %q does not exist on %s", c.target, r, scope))
		case d.role.power() != "" && !slices.Contains(c.set.PrivilegedRoles, r):
			errs = append(errs, fmt.Errorf("%s: who has role %q can give roles (%s); setting privilegedRoles does not list it", c.target, r, d.role.power()))
		}
	}
	return errs
}

// checkGroup says why nobody could be added to a group.
func (c *connector) checkGroup(ctx context.Context, name string, have []string) []error {
	g, err := c.findGroup(ctx, name)
	switch {
	case err != nil:
	case g == nil:
		err = fmt.Errorf("group %q does not exist", name)
	case g.Assignable && c.writable(g, name) == nil && !slices.Contains(have, privileged):
		return []error{c.lacks(privileged)}
	default:
		if err = c.writable(g, name); err == nil {
			_, err = c.members(ctx, g)
		}
	}
	if err != nil {
		return []error{c.wrap("check", fmt.Errorf("group %q: %w", name, err))}
	}
	return nil
}

// checkTwins finds groups that are written in two ways, by id and by name: a revoke of
// the one would end the other.
func (c *connector) checkTwins(ctx context.Context, groups map[string]bool) (errs []error) {
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		if isID(name) {
			continue
		}
		if g, err := c.findGroup(ctx, name); err == nil && g != nil && groups[g.ID] {
			errs = append(errs, fmt.Errorf("%s: group %q and group %s are the same; write it in one way", c.target, name, g.ID))
		}
	}
	return errs
}

// rights are permissions of Microsoft Graph for applications: one of each line is needed.
var (
	readUsers  = []string{"User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	writeGroup = []string{"GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"}
)

// privileged is what Graph wants besides for groups that may hold roles of Entra.
const privileged = "RoleManagement.ReadWrite.Directory"

func (c *connector) lacks(right string) error {
	return fmt.Errorf("%s: missing right: %s of Microsoft Graph, as an application permission with an administrator's consent", c.target, right)
}

// checkDirectory looks into the token for Graph, which lists the rights that it gives.
func (c *connector) checkDirectory(ctx context.Context, groups bool) (have []string, errs []error) {
	t, err := c.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{c.graph.base + "/.default"}})
	if err != nil {
		return nil, []error{c.wrap("check", err)}
	}
	have = claimsOf(t.Token).Roles
	need := [][]string{readUsers}
	if groups {
		need = append(need, writeGroup)
	}
	for _, any := range need {
		if !slices.ContainsFunc(any, func(r string) bool { return slices.Contains(have, r) }) {
			errs = append(errs, c.lacks(any[0]))
		}
	}
	return have, errs
}
