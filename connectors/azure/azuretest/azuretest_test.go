package azuretest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder keeps the failures that the stand-in reports.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Error(args ...any) { r.failures = append(r.failures, fmt.Sprint(args...)) }

// TestARequestThatIsNotAsDescribedFailsTheTest shows that the stand-in would find a
// mistake in what the connector sends.
func TestARequestThatIsNotAsDescribedFailsTheTest(t *testing.T) {
	r := &recorder{TB: t}
	s := Start(r)
	const (
		sub   = "/subscriptions/0c5a7f5e-3b0e-4d3a-8c65-6d6b8c1f2a90"
		guid  = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
		me    = "dddddddd-0000-4000-8000-000000000001"
		group = "bbbbbbbb-0000-4000-8000-000000000001"
		rbac  = sub + "/providers/Microsoft.Authorization"
		at    = "?api-version=2022-04-01"
	)
	s.Scope(sub, "")
	s.Role(guid, "Owner", "*")
	s.User(me, "me@example.com")
	s.Group(group, "Crew", map[string]any{})
	s.Assign(sub, "11111111-0000-4000-8000-000000000001", guid, me, "User", "")
	arm, graph := s.Token(s.ARM, me), s.Token(s.Graph, me, "Directory.ReadWrite.All")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	send := func(method, path, body string) (int, string) {
		t.Helper()
		base, token := s.ARM, arm
		if strings.HasPrefix(path, "/v1.0/") {
			base, token = s.Graph, graph
		}
		q, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+token)
		resp, err := transport.RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	one := rbac + "/roleAssignments/22222222-0000-4000-8000-000000000002" + at
	good := `{"properties": {"roleDefinitionId": "` + rbac + `/roleDefinitions/` + guid + `", "principalId": "` + me + `", "principalType": "User"}}`
	for _, x := range []struct {
		method, path, body string
		code               int
	}{
		{"PUT", one, good, 409}, // the same role is there, under another name
		{"GET", rbac + "/roleAssignments" + at + "&$filter=atScope()", "", 200},
		{"GET", rbac + "/roleDefinitions" + at + "&$filter=roleName%20eq%20'Owner'", "", 200},
		{"GET", rbac + "/permissions" + at, "", 200},
		{"DELETE", one, "", 204},
		{"GET", "/v1.0/users?$filter=id%20in%20('" + me + "')&$select=id,userPrincipalName", "", 200},
		{"GET", "/v1.0/groups/" + group + "?$select=id,displayName", "", 200},
		{"POST", "/v1.0/groups/" + group + "/members/$ref", `{"@odata.id": "` + s.Graph + `/v1.0/directoryObjects/` + me + `"}`, 204},
		{"GET", "/v1.0/groups/" + group + "/members?$select=id,userPrincipalName&$top=999", "", 200},
		{"DELETE", "/v1.0/groups/" + group + "/members/" + me + "/$ref", "", 204},
	} {
		if code, text := send(x.method, x.path, x.body); code != x.code || len(r.failures) > 0 {
			t.Fatalf("a good request: %s %s: %d %s, %v", x.method, x.path, code, text, r.failures)
		}
	}
	for _, x := range []struct{ method, path, body string }{
		{"PUT", one, strings.Replace(good, `"principalType"`, `"kind": 1, "principalType"`, 1)},
		{"PUT", one, strings.Replace(good, `{"properties"`, `{"x": 1, "properties"`, 1)},
		{"PUT", one, "x"},
		{"PUT", one + "&$filter=x", good},
		{"POST", one, good},
		{"PATCH", one, good},
		{"GET", rbac + "/roleAssignments?api-version=2015-07-01&$filter=atScope()", ""},
		{"GET", rbac + "/roleAssignments" + at, ""},
		{"GET", rbac + "/roleAssignments" + at + "&$filter=atScope()&$top=5", ""},
		{"GET", rbac + "/roleDefinitions" + at + "&$filter=roleName%20eq%20'O'wner'", ""},
		{"GET", rbac + "/roleEligibilitySchedules" + at, ""},
		{"GET", "/v1.0/users?$filter=id%20eq%20'x'&$select=id", ""},
		{"GET", "/v1.0/users?$filter=id%20in%20('x')", ""},
		{"GET", "/v1.0/users?$filter=id%20in%20('" + strings.Repeat("x','", 15) + "x')&$select=id", ""},
		{"GET", "/v1.0/users?$filter=id%20in%20('" + me + "')&$select=id,password", ""},
		{"GET", "/v1.0/groups/" + group + "/members?$select=id&$top=1000", ""},
		{"POST", "/v1.0/groups/" + group + "/members/$ref", `{"id": "x"}`},
		{"POST", "/v1.0/groups/" + group + "/members", `{}`},
		{"DELETE", "/v1.0/groups/" + group + "/members/" + me, ""},
		{"DELETE", "/v1.0/users/" + me, ""},
	} {
		before := len(r.failures)
		if _, text := send(x.method, x.path, x.body); len(r.failures) == before {
			t.Errorf("%s %s %s passed: %s", x.method, x.path, x.body, text)
		}
	}
}
