package gcp

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	crm "google.golang.org/api/cloudresourcemanager/v3"
	"google.golang.org/api/option"
	"gopkg.in/yaml.v3"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/gcp/gcptest"
	"github.com/tenure-dev/tenure/grants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	viewer   = "roles/storage.objectViewer"
	logs     = "roles/logging.viewer"
	read     = "storage.objects.get" // a permission of viewer
	readLogs = "logging.logs.list"   // a permission of logs
	robot    = "tenure@ops-tools.iam.gserviceaccount.com"
	project  = "projects/shop-prod"
)

// extra are roles that the scene's reconciler may hand out besides the documented ones.
var extra = []string{"roles/mixed", "roles/MiXed", "roles/none", "roles/0", "roles/ALL"}

// documented returns a block of docs/connectors/gcp.md.
func documented(t testing.TB, name string, into any) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/connectors/gcp.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(doc), "```text "+name+"\n")
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatalf("the documentation has no block %q", name)
	}
	if err := yaml.Unmarshal([]byte(block), into); err != nil {
		t.Fatal(err)
	}
}

// world is a stand-in with two projects, a folder and an organisation, in which the
// reconciler has the documented rights.
type world struct {
	*gcptest.Server
	key string
}

func scene(t testing.TB) *world {
	t.Helper()
	var role struct {
		IncludedPermissions []string `yaml:"includedPermissions"`
	}
	var limit struct{ Title, Expression string }
	documented(t, "role", &role)
	documented(t, "condition", &limit)
	if len(role.IncludedPermissions) == 0 || !strings.Contains(limit.Expression, viewer) {
		t.Fatalf("the documented rights: %v, %v", role, limit)
	}
	expression := strings.Replace(limit.Expression, `"])`, `", "`+strings.Join(extra, `", "`)+`"])`, 1)
	s := gcptest.Start(t)
	s.Role(viewer, read)
	s.Role(logs, readLogs)
	s.Role("roles/owner", append(manage(), read)...)
	s.Role("roles/iam.securityReviewer", "resourcemanager.projects.getIamPolicy")
	s.Role("organizations/1/roles/tenure", manage()...)
	w := &world{Server: s, key: s.Key(t, robot)}
	s.Account("user:owner@example.com", "user:alice@example.com", "user:bob@example.com", "user:carol@example.com", "user:dave@example.com", "group:team@example.com")
	owner := `{"role": "roles/owner", "members": ["user:owner@example.com"]}`
	mine := func(role string) string {
		return `{"role": "` + role + `", "members": ["serviceAccount:` + robot + `"], "condition": {"title": "` + limit.Title + `", "expression": ` + quote(expression) + `}}`
	}
	s.Resource(t, "organizations/1", "", `{"bindings": [`+owner+`, `+mine("organizations/1/roles/tenure")+`]}`)
	s.Resource(t, "folders/22", "organizations/1", `{"bindings": []}`)
	for _, p := range []string{project, "projects/desk-prod"} {
		s.Role(p+"/roles/tenure", role.IncludedPermissions...)
		s.Resource(t, p, "", `{"bindings": [`+owner+`, `+mine(p+"/roles/tenure")+`], "auditConfigs": [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ"}]}]}`)
	}
	return w
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

func manage() (all []string) {
	for _, kind := range []string{"projects", "folders", "organizations"} {
		all = append(all, "resourcemanager."+kind+".getIamPolicy", "resourcemanager."+kind+".setIamPolicy")
	}
	return all
}

func (w *world) settings() connectors.Settings {
	return connectors.Settings{
		"credentials": w.key, "endpoint": w.URL, "domain": "example.com", "roles": append([]string{viewer, logs, "roles/viewer2"}, extra...),
		"projects": []string{"shop-prod", "desk-prod", "nowhere-1"}, "folders": []string{"22"}, "organizations": []string{"1"},
		"principals": []string{"user", "group", "serviceAccount"},
	}
}

func (w *world) with(name string, value any) connectors.Settings {
	set := w.settings()
	set[name] = value
	return set
}

func connect(t testing.TB, set connectors.Settings) *connector {
	t.Helper()
	c, err := Driver{}.Open(t.Context(), "gcp-prod", set)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*connector)
}

// open is connect with an end.
func (w *world) open(t testing.TB) *connector {
	c := connect(t, w.settings())
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// on returns a grant of the viewer's role in the project.
func on(account string) grants.Grant { return grant(account, project, viewer) }

func grant(account, resource, role string) grants.Grant {
	kind, id, _ := strings.Cut(resource, "s/")
	return grants.Grant{Target: "gcp-prod", Account: account, Entitlement: connectors.Format(map[string]string{kind: id, "role": role})}
}

// soon is an hour ahead, and nearly always the same in all of a test: grants that end in
// different seconds are in different bindings.
func soon() time.Time { return time.Now().UTC().Truncate(time.Minute).Add(time.Hour) }

// hand is another hand: an owner with Google's own client.
type hand struct{ api *crm.Service }

type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

func (w *world) hand(t testing.TB) *hand {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	api, err := crm.NewService(t.Context(), option.WithEndpoint(w.URL+"/"),
		option.WithHTTPClient(&http.Client{Transport: bearer{w.Token("user:owner@example.com"), transport}}))
	if err != nil {
		t.Fatal(err)
	}
	return &hand{api}
}

// change reads a project's policy with Google's client, and writes it back changed.
func (h *hand) change(t testing.TB, resource string, f func(p *crm.Policy)) {
	t.Helper()
	p, err := h.api.Projects.GetIamPolicy(resource, &crm.GetIamPolicyRequest{Options: &crm.GetPolicyOptions{RequestedPolicyVersion: 3}}).Do()
	if err != nil {
		t.Fatal(err)
	}
	f(p)
	p.Version = 3
	if _, err := h.api.Projects.SetIamPolicy(resource, &crm.SetIamPolicyRequest{Policy: p}).Do(); err != nil {
		t.Fatal(err)
	}
}

func (h *hand) bind(t testing.TB, resource, role, member string, c *crm.Expr) {
	t.Helper()
	h.change(t, resource, func(p *crm.Policy) {
		p.Bindings = append(p.Bindings, &crm.Binding{Role: role, Members: []string{member}, Condition: c})
	})
}

// unbind takes a member out of all bindings of a role, whoever made them.
func (h *hand) unbind(t testing.TB, resource, role, member string) {
	t.Helper()
	h.change(t, resource, func(p *crm.Policy) {
		for _, b := range p.Bindings {
			if b.Role == role {
				b.Members = slices.DeleteFunc(b.Members, func(m string) bool { return m == member })
			}
		}
		p.Bindings = slices.DeleteFunc(p.Bindings, func(b *crm.Binding) bool { return len(b.Members) == 0 })
	})
}
