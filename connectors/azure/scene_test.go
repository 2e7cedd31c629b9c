package azure

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/azure/azuretest"
	"github.com/tenure-dev/tenure/grants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	sub      = "0c5a7f5e-3b0e-4d3a-8c65-6d6b8c1f2a90"
	subPath  = "/subscriptions/" + sub
	shop     = subPath + "/resourceGroups/Shop"
	storage  = shop + "/providers/Microsoft.Storage/storageAccounts/Shop"
	retail   = "/providers/Microsoft.Management/managementGroups/Retail"
	reader   = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	monitor  = "43d0d8ad-25c7-4714-9337-8ba259a9fe05"
	owner    = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	tenure   = "99999999-0000-4000-8000-000000000001"
	client0  = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
	weak     = "7c9e6679-7425-40de-944b-e07fc1f90ae8"
	robot    = "aaaaaaaa-0000-4000-8000-000000000001" // the reconciler's service principal
	weakBot  = "aaaaaaaa-0000-4000-8000-000000000002"
	boss     = "aaaaaaaa-0000-4000-8000-000000000003"
	otherBot = "aaaaaaaa-0000-4000-8000-000000000004"
	crew     = "bbbbbbbb-0000-4000-8000-000000000001" // groups
	admins   = "bbbbbbbb-0000-4000-8000-000000000002"
	secret   = "very~Secret.1"
	readAny  = "Microsoft.Compute/virtualMachines/read"
)

// documented returns a block of docs/connectors/azure.md.
func documented(t testing.TB, name string) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/connectors/azure.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(doc), " "+name+"\n")
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatalf("the documentation has no block %q", name)
	}
	return block
}

// extra are roles that the scene's reconciler may hand out besides the documented ones.
const extra = "cccccccc-0000-4000-8000-"

// world is a stand-in with a subscription, in which the reconciler has the documented
// rights.
type world struct{ *azuretest.Server }

func scene(t testing.TB) *world {
	t.Helper()
	var role struct{ Actions []string }
	if err := json.Unmarshal([]byte(documented(t, "role")), &role); err != nil || len(role.Actions) == 0 {
		t.Fatalf("the documented role: %v", err)
	}
	condition := documented(t, "condition")
	if !strings.Contains(condition, reader) || !strings.Contains(condition, monitor) {
		t.Fatal("the documented condition lacks a role")
	}
	var more strings.Builder
	for i := range 99 {
		fmt.Fprintf(&more, ", %s%012d", extra, i)
	}
	condition = strings.ReplaceAll(condition, monitor, monitor+more.String())
	w := &world{azuretest.Start(t)}
	w.Scope(retail, "")
	w.Scope(subPath, retail)
	w.Scope(shop, subPath)
	w.Scope(storage, shop)
	w.Role(reader, "Reader", "*/read")
	w.Role(monitor, "Monitoring Reader", "*/read", "Microsoft.OperationalInsights/workspaces/search/action")
	w.Role(owner, "Owner", "*")
	w.Role(extra+"000000000098", "Helper", "Microsoft.Authorization/*/write")
	w.Role(tenure, "Tenure", role.Actions...)
	w.Role("99999999-0000-4000-8000-000000000002", "Looker", "Microsoft.Authorization/*/read")
	w.App(client0, secret, "federated.token.x", robot, strings.Fields(documented(t, "graph"))...)
	w.App(weak, secret, "", weakBot, "GroupMember.Read.All")
	w.Assign(retail, "11111111-0000-4000-8000-000000000001", tenure, robot, "ServicePrincipal", condition)
	w.Assign(subPath, "11111111-0000-4000-8000-000000000002", "99999999-0000-4000-8000-000000000002", weakBot, "ServicePrincipal", "")
	w.Assign(retail, "11111111-0000-4000-8000-000000000003", owner, boss, "User", "")
	w.User(boss, "boss@example.com")
	for i, name := range []string{"alice", "bob", "carol", "dave"} {
		w.User(person(i), name+"@example.com")
	}
	w.Group(crew, "Crew", map[string]any{})
	w.Group(admins, "Admins", map[string]any{"isAssignableToRole": true})
	return w
}

// person is the object id of alice (0), bob, carol and dave.
func person(i int) string { return fmt.Sprintf("dddddddd-0000-4000-8000-%012d", i) }

func (w *world) settings() connectors.Settings {
	roles := []string{"Reader", "Monitoring Reader", "No such role"}
	return connectors.Settings{
		"tenant": azuretest.Tenant, "client": client0, "secret": secret, "domain": "example.com",
		"authority": w.ARM, "arm": w.ARM, "graph": w.Graph,
		"subscriptions": []string{sub}, "managementGroups": []string{"retail"}, "roles": roles, "groups": []string{crew, "Crew"},
		"principals": []string{"user", "group", "servicePrincipal"},
	}
}

func (w *world) with(name string, value any) connectors.Settings {
	set := w.settings()
	set[name] = value
	return set
}

func connect(t testing.TB, set connectors.Settings) *connector {
	t.Helper()
	c, err := Driver{}.Open(t.Context(), "azure-prod", set)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*connector)
}

// open is connect with an end.
func (w *world) open(t testing.TB, set connectors.Settings) *connector {
	c := connect(t, set)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// on returns a grant of the Reader's role on the subscription.
func on(account string) grants.Grant {
	return to1(account, "subscription", sub, "role", "Reader")
}

func in(account, group string) grants.Grant { return to1(account, "group", group) }

func to1(account string, pairs ...string) grants.Grant {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return grants.Grant{Target: "azure-prod", Account: account, Entitlement: connectors.Format(m)}
}

func soon() time.Time { return time.Now().UTC().Add(time.Hour) }

// hand is another hand: an owner with Microsoft's own client, and with plain requests to
// Graph.
type hand struct {
	w    *world
	http *http.Client
	api  *armauthorization.RoleAssignmentsClient
}

type bearer string

func (b bearer) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(b), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (w *world) hand(t testing.TB) *hand {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	h := &hand{w: w, http: &http.Client{Transport: transport}}
	api, err := armauthorization.NewRoleAssignmentsClient(sub, bearer(w.Token(w.ARM, boss)), &arm.ClientOptions{DisableRPRegistration: true, ClientOptions: azcore.ClientOptions{
		Transport: h.http, InsecureAllowCredentialWithHTTP: true,
		Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: w.ARM, Audience: w.ARM}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	h.api = api
	return h
}

// assign gives a role, with a name that is not Tenure's.
func (h *hand) assign(t testing.TB, scope, roleGUID, principal, name, condition string) {
	t.Helper()
	p := &armauthorization.RoleAssignmentProperties{
		PrincipalID: to.Ptr(principal), PrincipalType: to.Ptr(armauthorization.PrincipalTypeUser),
		RoleDefinitionID: to.Ptr(subPath + "/providers/Microsoft.Authorization/roleDefinitions/" + roleGUID),
	}
	if condition != "" {
		p.Condition, p.ConditionVersion = to.Ptr(condition), to.Ptr("2.0")
	}
	if _, err := h.api.Create(t.Context(), scope, name, armauthorization.RoleAssignmentCreateParameters{Properties: p}, nil); err != nil {
		t.Fatal(err)
	}
}

// names returns the names of a principal's assignments of a role at a scope.
func (h *hand) names(t testing.TB, scope, roleGUID, principal string) (names []string) {
	t.Helper()
	for p := h.api.NewListForScopePager(scope, &armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: to.Ptr("atScope()")}); p.More(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Value {
			if strings.EqualFold(*a.Properties.Scope, scope) && *a.Properties.PrincipalID == principal && strings.HasSuffix(*a.Properties.RoleDefinitionID, roleGUID) {
				names = append(names, *a.Name)
			}
		}
	}
	return names
}

// unassign takes a role away, whoever gave it.
func (h *hand) unassign(t testing.TB, scope, roleGUID, principal string) {
	t.Helper()
	for _, name := range h.names(t, scope, roleGUID, principal) {
		if _, err := h.api.Delete(t.Context(), scope, name, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// join makes somebody a member; leave ends it.
func (h *hand) join(t testing.TB, group, id string) {
	t.Helper()
	h.graph(t, http.MethodPost, "/v1.0/groups/"+group+"/members/$ref", `{"@odata.id": "`+h.w.Graph+`/v1.0/directoryObjects/`+id+`"}`)
}

func (h *hand) leave(t testing.TB, group, id string) {
	t.Helper()
	if h.w.Member(group, id) {
		h.graph(t, http.MethodDelete, "/v1.0/groups/"+group+"/members/"+id+"/$ref", "")
	}
}

func (h *hand) graph(t testing.TB, method, path, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, h.w.Graph+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.w.Token(h.w.Graph, boss, "Directory.ReadWrite.All"))
	resp, err := h.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
}
