package azuretest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	arm "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2/fake"
)

// version of the API for all that is served here.
const version = "2022-04-01"

var armPath = regexp.MustCompile(`^(/.+)/providers/Microsoft\.Authorization/(roleAssignments|roleDefinitions|permissions)(/[^/]+)?$`)

// arm answers one call of the Resource Manager. What Microsoft's generated code does not
// look at (other parameters and fields) is looked at here.
func (s *Server) arm(w http.ResponseWriter, r *http.Request) error {
	m := armPath.FindStringSubmatch(r.URL.Path)
	if m == nil {
		return s.strange(r, "no such operation")
	}
	scope, kind, one := m[1], m[2], m[3] != ""
	if r.URL.Query().Get("api-version") != version {
		return s.strange(r, "another version")
	}
	s.calls[r.Method+" "+kind]++
	caller, err := s.caller(r, s.ARM)
	if err != nil {
		return err
	}
	call := &call{Server: s, caller: caller.object}
	var name string
	switch op := r.Method + " " + kind; {
	case op == "PUT roleAssignments" && one:
		name, err = "RoleAssignmentsClient.Create", s.only(r, []string{"api-version"})
		if err == nil {
			err = s.known(r)
		}
	case op == "GET roleAssignments" && one:
		name, err = "RoleAssignmentsClient.Get", s.only(r, []string{"api-version"})
	case op == "DELETE roleAssignments" && one:
		name, err = "RoleAssignmentsClient.Delete", s.only(r, []string{"api-version"})
	case op == "GET roleAssignments":
		name, err = "RoleAssignmentsClient.NewListForScopePager", s.only(r, []string{"api-version"}, "$filter", "$skipToken")
	case op == "GET roleDefinitions" && !one:
		name, err = "RoleDefinitionsClient.NewListPager", s.only(r, []string{"api-version"}, "$filter")
	case op == "GET permissions" && !one:
		if err := s.only(r, []string{"api-version"}); err != nil {
			return err
		}
		return call.permissions(w, scope)
	default:
		return s.strange(r, "no such operation")
	}
	if err != nil {
		return err
	}
	do := fake.NewRoleAssignmentsServerTransport(&fake.RoleAssignmentsServer{Create: call.create, Get: call.get, Delete: call.delete, NewListForScopePager: call.list}).Do
	if kind == "roleDefinitions" {
		do = fake.NewRoleDefinitionsServerTransport(&fake.RoleDefinitionsServer{NewListPager: call.definitions}).Do
	}
	resp, err := do(r.WithContext(context.WithValue(r.Context(), runtime.CtxAPINameKey{}, name)))
	if call.err != nil {
		return call.err
	}
	if err != nil {
		return s.strange(r, err.Error())
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(resp.StatusCode)
	if resp.StatusCode != http.StatusNoContent {
		_, _ = io.Copy(w, resp.Body)
	}
	return nil
}

// known demands that a body has no field that Microsoft's description does not have.
func (s *Server) known(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var in arm.RoleAssignmentCreateParameters
	var before, after any
	if err := json.Unmarshal(body, &in); err != nil {
		return s.strange(r, err.Error())
	}
	again, err := json.Marshal(in)
	if err != nil || json.Unmarshal(body, &before) != nil || json.Unmarshal(again, &after) != nil || !reflect.DeepEqual(before, after) {
		return s.strange(r, "the body has fields that are not in the description")
	}
	return nil
}

// call is one request of a caller.
type call struct {
	*Server
	caller string
	err    error
}

func (c *call) fail(err error) (e azfake.ErrorResponder) {
	c.err = err
	e.SetError(err)
	return e
}

// enter demands that a scope exists and that the caller may do something there.
func (c *call) enter(scope, action string) (string, error) {
	scope = "/" + strings.Trim(scope, "/")
	if _, ok := c.scopes[strings.ToLower(scope)]; !ok {
		if strings.Contains(strings.ToLower(scope), "/resourcegroups/") {
			return "", refuse(http.StatusNotFound, "ResourceGroupNotFound", "Resource group could not be found.")
		}
		return "", refuse(http.StatusNotFound, "SubscriptionNotFound", "The subscription could not be found.")
	}
	if !c.may(c.caller, action, scope) {
		return "", refuse(http.StatusForbidden, "AuthorizationFailed", "The client does not have authorization to perform action '%s' over scope '%s'.", action, scope)
	}
	return scope, nil
}

func (c *call) create(_ context.Context, scope, name string, in arm.RoleAssignmentCreateParameters, _ *arm.RoleAssignmentsClientCreateOptions) (out azfake.Responder[arm.RoleAssignmentsClientCreateResponse], e azfake.ErrorResponder) {
	scope, err := c.enter(scope, "Microsoft.Authorization/roleAssignments/write")
	if err != nil {
		return out, c.fail(err)
	}
	a, created, err := c.put(scope, name, in.Properties)
	if err != nil {
		return out, c.fail(err)
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	out.SetResponse(status, arm.RoleAssignmentsClientCreateResponse{RoleAssignment: a.wire()}, nil)
	return out, e
}

func (c *call) get(_ context.Context, scope, name string, _ *arm.RoleAssignmentsClientGetOptions) (out azfake.Responder[arm.RoleAssignmentsClientGetResponse], e azfake.ErrorResponder) {
	scope, err := c.enter(scope, "Microsoft.Authorization/roleAssignments/read")
	if err != nil {
		return out, c.fail(err)
	}
	a := c.at(scope, name)
	if a == nil {
		return out, c.fail(refuse(http.StatusNotFound, "RoleAssignmentNotFound", "The role assignment '%s' is not found.", name))
	}
	out.SetResponse(http.StatusOK, arm.RoleAssignmentsClientGetResponse{RoleAssignment: a.wire()}, nil)
	return out, e
}

func (c *call) delete(_ context.Context, scope, name string, _ *arm.RoleAssignmentsClientDeleteOptions) (out azfake.Responder[arm.RoleAssignmentsClientDeleteResponse], e azfake.ErrorResponder) {
	scope, err := c.enter(scope, "Microsoft.Authorization/roleAssignments/delete")
	if err != nil {
		return out, c.fail(err)
	}
	a := c.at(scope, name)
	if a == nil {
		out.SetResponse(http.StatusNoContent, arm.RoleAssignmentsClientDeleteResponse{}, nil)
		return out, e
	}
	if !c.mayHandOut(c.caller, a.role, scope) {
		return out, c.fail(refuse(http.StatusForbidden, "AuthorizationFailed", "The condition does not allow it."))
	}
	c.drop(a)
	out.SetResponse(http.StatusOK, arm.RoleAssignmentsClientDeleteResponse{RoleAssignment: a.wire()}, nil)
	return out, e
}

func (c *call) list(scope string, o *arm.RoleAssignmentsClientListForScopeOptions) (out azfake.PagerResponder[arm.RoleAssignmentsClientListForScopeResponse]) {
	scope, err := c.enter(scope, "Microsoft.Authorization/roleAssignments/read")
	if err == nil && (o == nil || o.Filter == nil || *o.Filter != "atScope()") {
		err = refuse(http.StatusBadRequest, "UnsupportedFilter", "the stand-in has atScope() only")
		c.t.Error("azuretest: only the filter atScope() is there")
	}
	if err != nil {
		c.err = err
		out.AddError(err)
		return out
	}
	above := c.above(scope)
	var all []*arm.RoleAssignment
	for _, a := range c.assignments {
		for _, s := range above {
			if strings.EqualFold(a.scope, s) {
				w := a.wire()
				all = append(all, &w)
			}
		}
	}
	from := 0
	if o.SkipToken != nil {
		from, err = strconv.Atoi(*o.SkipToken)
		if err != nil || from > len(all) {
			c.err = refuse(http.StatusBadRequest, "InvalidSkipToken", "The skip token is not valid.")
			out.AddError(c.err)
			return out
		}
	}
	page := arm.RoleAssignmentListResult{Value: all[from:min(from+c.pageSize, len(all))]}
	if to := from + c.pageSize; to < len(all) {
		next := c.ARM + scope + "/providers/Microsoft.Authorization/roleAssignments?" + url.Values{"$filter": {"atScope()"}, "$skipToken": {strconv.Itoa(to)}, "api-version": {version}}.Encode()
		page.NextLink = &next
	}
	out.AddPage(http.StatusOK, arm.RoleAssignmentsClientListForScopeResponse{RoleAssignmentListResult: page}, nil)
	return out
}

var roleFilter = regexp.MustCompile(`^roleName eq '((?:[^']|'')*)'$`)

func (c *call) definitions(scope string, o *arm.RoleDefinitionsClientListOptions) (out azfake.PagerResponder[arm.RoleDefinitionsClientListResponse]) {
	scope, err := c.enter(scope, "Microsoft.Authorization/roleDefinitions/read")
	var m []string
	if err == nil && o != nil && o.Filter != nil {
		m = roleFilter.FindStringSubmatch(*o.Filter)
	}
	if err == nil && m == nil {
		err = refuse(http.StatusBadRequest, "UnsupportedFilter", "The filter is not valid.")
		c.t.Error("azuretest: only the filter roleName eq is there")
	}
	if err != nil {
		c.err = err
		out.AddError(err)
		return out
	}
	page := arm.RoleDefinitionListResult{Value: []*arm.RoleDefinition{}}
	for _, r := range c.roles {
		if strings.EqualFold(r.name, strings.ReplaceAll(m[1], "''", "'")) {
			page.Value = append(page.Value, r.wire(scope))
		}
	}
	out.AddPage(http.StatusOK, arm.RoleDefinitionsClientListResponse{RoleDefinitionListResult: page}, nil)
	return out
}

// permissions lists what the caller may do at a scope. Microsoft's description has this
// for resource groups and resources only, in the same form.
func (c *call) permissions(w http.ResponseWriter, scope string) error {
	if _, ok := c.scopes[strings.ToLower(scope)]; !ok {
		return refuse(http.StatusNotFound, "SubscriptionNotFound", "The subscription could not be found.")
	}
	result := arm.PermissionGetResult{Value: []*arm.Permission{}}
	for _, r := range c.held(c.caller, scope) {
		result.Value = append(result.Value, r.permission())
	}
	answer(w, http.StatusOK, result)
	return nil
}
