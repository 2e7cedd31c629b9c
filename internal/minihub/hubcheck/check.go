package hubcheck

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"
)

// Checker validates the traffic of one test.
type Checker struct {
	t    testing.TB
	spec *spec

	mu   sync.Mutex
	seen map[string]int
}

// New loads the description; it fails the test when that is impossible.
func New(t testing.TB) *Checker {
	t.Helper()
	return newChecker(t, load)
}

// NewOrganizations is New for the calls of organisations, teams and invitations.
func NewOrganizations(t testing.TB) *Checker {
	t.Helper()
	return newChecker(t, loadOrganizations)
}

func newChecker(t testing.TB, load func() (*spec, error)) *Checker {
	t.Helper()
	s, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return &Checker{t: t, spec: s, seen: map[string]int{}}
}

// Handler returns next with all its REST traffic validated: an unknown call, an
// undocumented query parameter, a wrong request body or a wrong answer is an error
// of the test. Git and pages pass through.
func Handler(t testing.TB, next http.Handler) http.Handler {
	t.Helper()
	return New(t).Handler(next)
}

// Operations lists the calls of the description: "GET /repos/{owner}/{repo}".
func (c *Checker) Operations() []string { return c.spec.operations() }

// Seen returns how often each call was answered successfully.
func (c *Checker) Seen() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[string]int, len(c.seen))
	for k, v := range c.seen {
		out[k] = v
	}
	return out
}

// Handler is the package's Handler for this checker.
func (c *Checker) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := apiPath(r.URL.EscapedPath())
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		c.serve(w, r, path, next)
	})
}

// apiPath strips the Enterprise prefix; the root form is known by its first segment.
func apiPath(p string) (string, bool) {
	if rest, ok := strings.CutPrefix(p, "/api/v3"); ok {
		return rest, true
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	switch first {
	case "repos", "user", "users", "app", "rate_limit":
		return p, true
	}
	return "", false
}

func (c *Checker) serve(w http.ResponseWriter, r *http.Request, path string, next http.Handler) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Errorf("%s %s: read request: %v", r.Method, path, err)
		return
	}
	route, params, err := c.spec.route(r.Method, path)
	if err != nil {
		c.t.Errorf("%v", err)
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
		return
	}
	name := r.Method + " " + route.Path
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route, QueryParams: r.URL.Query(),
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true, SkipSettingDefaults: true},
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if string(bytes.TrimSpace(body)) == "null" && (route.Operation.RequestBody == nil || !route.Operation.RequestBody.Value.Required) {
		r.Body = http.NoBody // ghinstallation says null for "no options"; GitHub takes it
	}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
		c.t.Errorf("request %s (%s) %s: %v", name, r.URL, body, err)
	}
	documented := map[string]bool{}
	for _, p := range route.Operation.Parameters {
		documented[p.Value.In+" "+p.Value.Name] = true
	}
	for q := range r.URL.Query() {
		if !documented["query "+q] {
			c.t.Errorf("request %s: query parameter %q is not in the description", name, q)
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r) // a panic (a dropped connection) is the server's to handle
	c.answer(name, in, rec)
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// answer validates what came back. A success must be documented; errors that are
// not (a rate limit, say) may come from any call and are left alone.
func (c *Checker) answer(name string, in *openapi3filter.RequestValidationInput, rec *httptest.ResponseRecorder) {
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: rec.Code, Header: rec.Header(),
		Options: &openapi3filter.Options{IncludeResponseStatus: rec.Code < 300, MultiError: true},
	}
	out.SetBodyBytes(rec.Body.Bytes())
	if err := openapi3filter.ValidateResponse(in.Request.Context(), out); err != nil {
		c.t.Errorf("answer to %s: %d: %v", name, rec.Code, shorten(err.Error()))
	}
	if rec.Code < 300 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seen[name]++
	}
}

// shorten keeps a failure readable: the library repeats whole schemas.
func shorten(s string) string {
	if len(s) > 3000 {
		return s[:3000] + " …"
	}
	return s
}
