package gcptest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

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

// TestARequestThatIsNotAsGoogleDescribesFailsTheTest shows that the stand-in would find
// a mistake in what the connector sends.
func TestARequestThatIsNotAsGoogleDescribesFailsTheTest(t *testing.T) {
	r := &recorder{TB: t}
	s := Start(r)
	s.Role("roles/owner", "resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy")
	s.Account("user:o@example.com")
	s.Resource(t, "projects/shop-prod", "", `{"bindings": [{"role": "roles/owner", "members": ["user:o@example.com"]},
		{"role": "roles/x", "members": ["user:o@example.com"], "condition": {"title": "t", "expression": "true"}}]}`)
	s.Role("roles/x")
	token := s.Token("user:o@example.com")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	post := func(path, body string) int {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+token)
		resp, err := transport.RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	const get, set = "/v3/projects/shop-prod:getIamPolicy", "/v3/projects/shop-prod:setIamPolicy"
	if code := post(get, `{"options": {"requestedPolicyVersion": 3}}`); code != 200 || len(r.failures) > 0 {
		t.Fatalf("a good request: %d, %v", code, r.failures)
	}
	etag := `"` + s.policies["projects/shop-prod"].etag() + `"`
	for _, x := range []struct{ path, body, want string }{
		{"/v3/projects/shop-prod:getPolicy", `{}`, "no method"},
		{"/v3/projects/a/b:getIamPolicy", `{}`, "no method"},
		{get + "?version=3", `{}`, `no parameter "version"`},
		{get, `[]`, "no JSON object"},
		{get, `{"requestedPolicyVersion": 3}`, `no field "requestedPolicyVersion"`},
		{get, `{"options": {"requestedPolicyVersion": "3"}}`, "whole number"},
		{get, `{"options": null}`, "want an object"},
		{set, `{"policy": {"bindings": {}, "etag": ` + etag + `}}`, "want a list"},
		{set, `{"policy": {"bindings": [{"role": "roles/x", "members": [1]}], "etag": ` + etag + `}}`, "want text"},
		{set, `{"policy": {"bindings": [{"role": "roles/x", "member": "x"}], "etag": ` + etag + `}}`, `no field "member"`},
		{set, `{"policy": {"bindings": [], "etag": "%"}}`, "not base64"},
		{set, `{"policy": {"bindings": [], "version": 3}}`, "without its etag"},
		{set, `{"policy": {"bindings": [], "version": 1, "etag": ` + etag + `}}`, "loses them"},
	} {
		r.failures = nil
		if post(x.path, x.body); len(r.failures) != 1 || !strings.Contains(r.failures[0], x.want) {
			t.Errorf("%s %s: want %q, got %q", x.path, x.body, x.want, r.failures)
		}
		s.Resource(t, "projects/shop-prod", "", `{"bindings": [{"role": "roles/owner", "members": ["user:o@example.com"]},
			{"role": "roles/x", "members": ["user:o@example.com"], "condition": {"title": "t", "expression": "true"}}]}`)
	}
}

func TestConditionsAreEvaluatedAsGoogleDescribes(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for expression, want := range map[string]bool{
		`request.time < timestamp("2026-11-26T12:00:01Z")`:                                                true,
		`request.time < timestamp("2026-11-26T12:00:00Z")`:                                                false,
		`request.time < timestamp('2026-11-26T12:00:00.5Z')`:                                              true,
		`resource.name.startsWith("projects/shop")`:                                                       true,
		`api.getAttribute("iam.googleapis.com/modifiedGrantsByRole", []).hasOnly(["roles/a", "roles/b"])`: true,
		`api.getAttribute("iam.googleapis.com/modifiedGrantsByRole", []).hasOnly(["roles/b"])`:            false,
		`api.getAttribute("something.else", []).hasOnly([])`:                                              true,
		`no.such.thing`: false,
	} {
		if got := (moment{now, []string{"roles/a"}}).holds(expression, "projects/shop-prod"); got != want {
			t.Errorf("%s: %v", expression, got)
		}
	}
}
