package azure

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

const (
	rbac    = "/providers/Microsoft.Authorization/"
	version = "2022-04-01" // of the API for role assignments, definitions and permissions
)

// permission is what a role, or a caller, may do.
type permission struct {
	Actions    []string `json:"actions"`
	NotActions []string `json:"notActions"`
}

// permits reports whether an action is allowed. A star stands for anything, and capital
// letters are not told apart.
func permits(all []permission, action string) bool {
	match := func(pattern string) bool { return matches(strings.ToLower(pattern), strings.ToLower(action)) }
	return slices.ContainsFunc(all, func(p permission) bool {
		return slices.ContainsFunc(p.Actions, match) && !slices.ContainsFunc(p.NotActions, match)
	})
}

func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(text, p)
		if !found {
			return false
		}
		text = after
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}

// powers are the actions by which who has them can give roles, to others or themselves.
var powers = []string{
	"Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleDefinitions/write", "Microsoft.Authorization/elevateAccess/action",
	"Microsoft.Authorization/roleAssignmentScheduleRequests/write", "Microsoft.Authorization/roleEligibilityScheduleRequests/write",
	"Microsoft.Authorization/roleManagementPolicies/write", "Microsoft.Authorization/classicAdministrators/write",
}

// role is a role definition.
type role struct {
	ID         string `json:"id"`   // whole
	GUID       string `json:"name"` // by which it is compared
	Properties struct {
		Name        string       `json:"roleName"`
		Permissions []permission `json:"permissions"`
	} `json:"properties"`
}

// power is the first action by which the role is privileged; empty: it is not.
func (r *role) power() string {
	for _, p := range powers {
		if permits(r.Properties.Permissions, p) {
			return p
		}
	}
	return ""
}

// findRole returns the role of exactly this name that can be assigned at a scope, or nil.
func (c *connector) findRole(ctx context.Context, scope, name string) (*role, error) {
	found, err := list[role](ctx, c.arm, scope+rbac+"roleDefinitions"+query("$filter", "roleName eq "+quoted(name), "api-version", version))
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up role %q: %w", name, err)
	}
	found = slices.DeleteFunc(found, func(r role) bool { return r.Properties.Name != name })
	if len(found) == 0 {
		return nil, nil
	}
	if len(found) > 1 || !isID(strings.ToLower(found[0].GUID)) || !strings.HasSuffix(strings.ToLower(found[0].ID), "/"+strings.ToLower(found[0].GUID)) {
		return nil, fmt.Errorf("role %q: the server does not name exactly one", name)
	}
	return &found[0], nil
}

// assignment is a role assignment.
type assignment struct {
	Name       string     `json:"name,omitempty"`
	Properties properties `json:"properties"`
}

type properties struct {
	Role          string `json:"roleDefinitionId"`
	Principal     string `json:"principalId"`
	PrincipalType string `json:"principalType,omitempty"`
	Scope         string `json:"scope,omitempty"` // only read
	Condition     string `json:"condition,omitempty"`
	Description   string `json:"description,omitempty"`
}

// of reports whether the assignment gives a role to a principal.
func (a *assignment) of(r *role, principal string) bool {
	return strings.EqualFold(a.Properties.Principal, principal) && a.roleGUID() == strings.ToLower(r.GUID)
}

func (a *assignment) roleGUID() string {
	return strings.ToLower(a.Properties.Role[strings.LastIndexByte(a.Properties.Role, '/')+1:])
}

// assignments returns all role assignments of exactly this scope, whoever made them.
func (c *connector) assignments(ctx context.Context, scope string) ([]assignment, error) {
	all, err := list[assignment](ctx, c.arm, scope+rbac+"roleAssignments"+query("$filter", "atScope()", "api-version", version))
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if a.Name == "" || a.Properties.Scope == "" || a.Properties.Role == "" || a.Properties.Principal == "" {
			return nil, fmt.Errorf("the server's list has a role assignment without its name, scope, role or principal")
		}
	}
	// Those of the scopes above are in the list, too.
	return slices.DeleteFunc(all, func(a assignment) bool { return !strings.EqualFold(strings.TrimSuffix(a.Properties.Scope, "/"), scope) }), nil
}

func assignmentPath(scope, name string) string {
	return scope + rbac + "roleAssignments/" + name + query("api-version", version)
}

// assign makes the role assignment of a grant. What another hand has made already, and
// gives the same, is enough.
func (c *connector) assign(ctx context.Context, it *item, r *role) error {
	name := nameOf(it.act.Grant)
	in := assignment{Properties: properties{
		Role: r.ID, Principal: it.who.id, PrincipalType: strings.ToUpper(it.who.kind[:1]) + it.who.kind[1:],
		Description: fmt.Sprintf("Tenure: given and taken back by target %s", it.act.Grant.Target),
	}}
	put := func() error { return c.arm.call(ctx, http.MethodPut, assignmentPath(it.e.scope, name), in, nil) }
	// A new principal takes a while to be known everywhere; the directory has it.
	young := func(err error) bool { return clash(err) || it.who.kind == kindUser && is(err, "PrincipalNotFound") }
	err := again(ctx, young, put)
	if is(err, "RoleAssignmentUpdateNotPermitted") || is(err, "RoleAssignmentExists") {
		return c.reassign(ctx, it, r, put, err)
	}
	if is(err, "PrincipalNotFound") && it.who.kind != kindUser {
		return fmt.Errorf("%q: %w", it.act.Grant.Account, connectors.ErrNoAccount)
	}
	return err
}

// reassign looks what is in the way of a role assignment: Tenure's own as it should be,
// Tenure's own for a principal that had the account before, or another hand's.
func (c *connector) reassign(ctx context.Context, it *item, r *role, put func() error, why error) error {
	name := nameOf(it.act.Grant)
	all, err := c.assignments(ctx, it.e.scope)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.of(r, it.who.id) {
			if a.Properties.Condition != "" && a.Name != name {
				return fmt.Errorf("role assignment %s, which Tenure did not make, gives it with a condition; remove that one first", a.Name)
			}
			return nil
		}
	}
	if !is(why, "RoleAssignmentUpdateNotPermitted") {
		return why
	}
	if err := c.unassign(ctx, it); err != nil {
		return err
	}
	return again(ctx, clash, put)
}

// unassign removes the role assignment of a grant, if there is one.
func (c *connector) unassign(ctx context.Context, it *item) error {
	err := again(ctx, clash, func() error {
		return c.arm.call(ctx, http.MethodDelete, assignmentPath(it.e.scope, nameOf(it.act.Grant)), nil, nil)
	})
	if gone(err) {
		return nil
	}
	return err
}
