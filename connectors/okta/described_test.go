package okta

import (
	_ "embed"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

//go:embed testdata/openapi.json
var description []byte

// described holds traffic to Okta's description of its API.
type described struct {
	t   testing.TB
	doc *openapi3.T

	mu   sync.Mutex
	seen map[string]int // operation -> answers of success
}

func describe(t testing.TB) *described {
	doc, err := openapi3.NewLoader().LoadFromData(description)
	if err != nil {
		t.Fatal(err)
	}
	return &described{t: t, doc: doc, seen: map[string]int{}}
}

// route finds the operation. Segments are compared as they were sent, so that one with
// a slash inside stays one.
func (d *described) route(r *http.Request) (*routers.Route, map[string]string) {
	sent := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	for pattern, item := range d.doc.Paths.Map() {
		parts := strings.Split(strings.Trim(pattern, "/"), "/")
		op := item.GetOperation(r.Method)
		if op == nil || len(parts) != len(sent) {
			continue
		}
		params, fits := map[string]string{}, true
		for i, part := range parts {
			if name, ok := strings.CutPrefix(part, "{"); ok {
				params[strings.TrimSuffix(name, "}")], _ = url.PathUnescape(sent[i])
			} else {
				fits = fits && part == sent[i]
			}
		}
		if fits {
			return &routers.Route{Spec: d.doc, Path: pattern, PathItem: item, Method: r.Method, Operation: op}, params
		}
	}
	return nil, nil
}

// handler returns next with its traffic checked. Getting a token is described elsewhere.
func (d *described) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth2/v1/token" {
			next.ServeHTTP(w, r)
			return
		}
		route, params := d.route(r)
		if route == nil {
			d.t.Errorf("%s %s is not in the description", r.Method, r.URL)
			next.ServeHTTP(w, r)
			return
		}
		name := r.Method + " " + route.Path
		in := &openapi3filter.RequestValidationInput{
			Request: r, PathParams: params, Route: route, QueryParams: r.URL.Query(),
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true, SkipSettingDefaults: true},
		}
		if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
			d.t.Errorf("request %s (%s): %v", name, r.URL, err)
		}
		known := map[string]bool{}
		for _, p := range route.Operation.Parameters {
			known[p.Value.In+" "+p.Value.Name] = true
		}
		for q := range r.URL.Query() {
			if !known["query "+q] {
				d.t.Errorf("request %s: query parameter %q is not in the description", name, q)
			}
		}
		rec := recorded(next, r)
		out := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: in, Status: rec.Code, Header: rec.Header(),
			Options: &openapi3filter.Options{IncludeResponseStatus: rec.Code < 300, MultiError: true},
		}
		out.SetBodyBytes(rec.Body.Bytes())
		if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil && rec.Header().Get("X-Fault") == "" {
			d.t.Errorf("answer to %s: %d: %.2000s", name, rec.Code, err)
		}
		if rec.Code < 300 {
			d.mu.Lock()
			d.seen[name]++
			d.mu.Unlock()
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}
