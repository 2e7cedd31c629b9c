package azuretest

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	arm "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
)

// role is a role definition.
type role struct {
	guid, name          string
	actions, notActions []string
}

// assignment is a role assignment.
type assignment struct {
	scope, name, principal, kind, condition, description string
	role                                                 *role
}

// Scope makes a scope exist, below another one or none.
func (s *Server) Scope(scope, above string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scopes[strings.ToLower(scope)] = above
}

// Role makes a role definition; an action that begins with ! is taken out.
func (s *Server) Role(guid, name string, actions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &role{guid: guid, name: name}
	for _, a := range actions {
		if not, ok := strings.CutPrefix(a, "!"); ok {
			r.notActions = append(r.notActions, not)
		} else {
			r.actions = append(r.actions, a)
		}
	}
	if !slices.ContainsFunc(s.roles, func(r *role) bool { return strings.EqualFold(r.name, name) }) {
		s.roles = append(s.roles, r)
	}
}

// Assign gives a role without any check.
func (s *Server) Assign(scope, name, roleGUID, principal, kind, condition string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assignments = append(s.assignments, &assignment{scope: scope, name: name, role: s.role(roleGUID), principal: principal, kind: kind, condition: condition})
}

// Young lets a principal be unknown to the Resource Manager for some requests.
func (s *Server) Young(principal string, requests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.young[principal] = requests
}

// May reports whether a principal may do something at a scope, by the roles that it has
// there and above.
func (s *Server) May(principal, action, scope string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.may(principal, action, scope)
}

func (s *Server) role(guid string) *role {
	for _, r := range s.roles {
		if strings.EqualFold(r.guid, guid) {
			return r
		}
	}
	return nil
}

// above is a scope and all that it is in.
func (s *Server) above(scope string) (all []string) {
	for scope != "" {
		all = append(all, scope)
		scope = s.scopes[strings.ToLower(scope)]
	}
	return all
}

func (s *Server) held(principal, scope string) (roles []*role) {
	for _, a := range s.assignments {
		if a.principal == principal && slices.ContainsFunc(s.above(scope), func(x string) bool { return strings.EqualFold(x, a.scope) }) {
			roles = append(roles, a.role)
		}
	}
	return roles
}

func (s *Server) may(principal, action, scope string) bool {
	return slices.ContainsFunc(s.held(principal, scope), func(r *role) bool { return r.may(action) })
}

func (r *role) may(action string) bool {
	in := func(list []string) bool {
		return slices.ContainsFunc(list, func(p string) bool {
			pattern := "(?i)^" + strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, ".*") + "$"
			return regexp.MustCompile(pattern).MatchString(action)
		})
	}
	return in(r.actions) && !in(r.notActions)
}

var guids = regexp.MustCompile(`GuidEquals\s*\{([^}]*)\}`)

// mayHandOut evaluates, of the condition of the caller's own role assignment, the list of
// roles that may be given and taken.
func (s *Server) mayHandOut(principal string, r *role, scope string) bool {
	for _, a := range s.assignments {
		if a.principal != principal || !a.role.may("Microsoft.Authorization/roleAssignments/write") ||
			!slices.ContainsFunc(s.above(scope), func(x string) bool { return strings.EqualFold(x, a.scope) }) {
			continue
		}
		if a.condition == "" {
			return true
		}
		for _, m := range guids.FindAllStringSubmatch(a.condition, -1) {
			for _, g := range strings.Split(m[1], ",") {
				if strings.EqualFold(strings.TrimSpace(g), r.guid) {
					return true
				}
			}
		}
	}
	return false
}

func (s *Server) at(scope, name string) *assignment {
	for _, a := range s.assignments {
		if a.name == name && strings.EqualFold(a.scope, scope) {
			return a
		}
	}
	return nil
}

func (s *Server) drop(a *assignment) {
	s.assignments = slices.DeleteFunc(s.assignments, func(x *assignment) bool { return x == a })
}

// put makes a role assignment.
func (c *call) put(scope, name string, p *arm.RoleAssignmentProperties) (a *assignment, created bool, err error) {
	if p == nil || p.PrincipalID == nil || p.RoleDefinitionID == nil || p.PrincipalType == nil || !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(name) {
		return nil, false, refuse(http.StatusBadRequest, "InvalidRoleAssignment", "The role assignment lacks something.")
	}
	id := *p.RoleDefinitionID
	r := c.role(id[strings.LastIndexByte(id, '/')+1:])
	if r == nil {
		return nil, false, refuse(http.StatusNotFound, "RoleDefinitionDoesNotExist", "The specified role definition does not exist.")
	}
	if !c.mayHandOut(c.caller, r, scope) {
		return nil, false, refuse(http.StatusForbidden, "AuthorizationFailed", "The condition does not allow it.")
	}
	who, kind := *p.PrincipalID, string(*p.PrincipalType)
	if c.young[who]--; c.young[who] >= 0 || c.kindOf(who) == "" {
		return nil, false, refuse(http.StatusBadRequest, "PrincipalNotFound", "Principal %s does not exist in the directory.", who)
	}
	if !strings.EqualFold(c.kindOf(who), kind) {
		return nil, false, refuse(http.StatusBadRequest, "UnmatchedPrincipalType", "The principal is of another type.")
	}
	if a := c.at(scope, name); a != nil {
		if a.principal != who || a.role != r {
			return nil, false, refuse(http.StatusConflict, "RoleAssignmentUpdateNotPermitted", "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.")
		}
		return a, false, nil
	}
	for _, a := range c.assignments {
		if a.principal == who && a.role == r && strings.EqualFold(a.scope, scope) {
			return nil, false, refuse(http.StatusConflict, "RoleAssignmentExists", "The role assignment already exists.")
		}
	}
	a = &assignment{scope: scope, name: name, principal: who, kind: kind, role: r}
	if p.Condition != nil {
		a.condition = *p.Condition
	}
	if p.Description != nil {
		a.description = *p.Description
	}
	c.assignments = append(c.assignments, a)
	return a, true, nil
}

func (s *Server) kindOf(id string) string {
	switch {
	case s.users[id] != nil:
		return "User"
	case s.groups[id] != nil:
		return "Group"
	}
	return s.others[id]
}

func (a *assignment) wire() arm.RoleAssignment {
	p := &arm.RoleAssignmentProperties{
		PrincipalID: to.Ptr(a.principal), RoleDefinitionID: to.Ptr("/providers/Microsoft.Authorization/roleDefinitions/" + a.role.guid),
		PrincipalType: to.Ptr(arm.PrincipalType(a.kind)), Scope: to.Ptr(a.scope),
	}
	if a.condition != "" {
		p.Condition, p.ConditionVersion = to.Ptr(a.condition), to.Ptr("2.0")
	}
	if a.description != "" {
		p.Description = to.Ptr(a.description)
	}
	return arm.RoleAssignment{
		ID: to.Ptr(a.scope + "/providers/Microsoft.Authorization/roleAssignments/" + a.name), Name: to.Ptr(a.name),
		Type: to.Ptr("Microsoft.Authorization/roleAssignments"), Properties: p,
	}
}

func (r *role) permission() *arm.Permission {
	return &arm.Permission{Actions: to.SliceOfPtrs(r.actions...), NotActions: to.SliceOfPtrs(r.notActions...), DataActions: []*string{}, NotDataActions: []*string{}}
}

func (r *role) wire(scope string) *arm.RoleDefinition {
	return &arm.RoleDefinition{
		ID: to.Ptr(scope + "/providers/Microsoft.Authorization/roleDefinitions/" + r.guid), Name: to.Ptr(r.guid), Type: to.Ptr("Microsoft.Authorization/roleDefinitions"),
		Properties: &arm.RoleDefinitionProperties{RoleName: to.Ptr(r.name), RoleType: to.Ptr("BuiltInRole"), Permissions: []*arm.Permission{r.permission()}, AssignableScopes: to.SliceOfPtrs("/")},
	}
}
