package hubcheck

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheRequestIsHandedOnAsItCame(t *testing.T) {
	req := httptest.NewRequest("GET", "/api/v3/repos/o/r/pulls?state=all", nil)
	Handler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "state=all" { // the description has defaults for the others
			t.Errorf("query %q", r.URL.RawQuery)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `[]`)
	})).ServeHTTP(httptest.NewRecorder(), req)
}

// recorder is a testing.TB that keeps errors instead of failing.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestViolationsAreReported(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for _, tc := range []struct {
		name, method, path, body string
		next                     http.Handler
		want                     string // in an error; empty: none
	}{
		{"right list", "GET", "/api/v3/repos/o/r/pulls?state=all", "", answer(200, `[]`), ""},
		{"the root form is checked too", "GET", "/repos/o/r/pulls", "", answer(200, `{}`), "must be an array"},
		{"missing fields", "GET", "/api/v3/repos/o/r/activity", "", answer(200, `[{"id":1}]`), `"before" is missing`},
		{"a value outside the enumeration", "GET", "/api/v3/repos/o/r/pulls?state=merged", "", answer(200, `[]`), "state"},
		{"unknown query parameter", "GET", "/api/v3/repos/o/r/pulls?author=x", "", answer(200, `[]`), `"author" is not in the description`},
		{"unknown call", "GET", "/api/v3/repos/o/r/pullz", "", answer(200, `[]`), "is not in the description"},
		{"request body without a required field", "POST", "/api/v3/repos/o/r/git/refs", `{"ref":"refs/heads/x"}`, answer(409, `{}`), `"sha" is missing`},
		{"undocumented success", "GET", "/api/v3/repos/o/r", "", answer(206, `{}`), "206"},
		{"undocumented error is let through", "GET", "/api/v3/repos/o/r/activity", "", answer(429, `{}`), ""},
		{"documented error of a wrong form", "PUT", "/api/v3/repos/o/r/pulls/1/merge", `{}`, answer(409, `{"message":1}`), "must be a string"},
		{"a ref with slashes", "GET", "/api/v3/repos/o/r/git/ref/heads/a/b", "", answer(404, `{"message":"Not Found"}`), ""},
		{"pages are nobody's business", "GET", "/o/r/pulls", "", answer(200, `<html>`), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := &recorder{TB: t}
			req := httptest.NewRequest(tc.method, tc.path, strings.NewReader(tc.body))
			req.Header.Set("Content-Type", "application/json")
			Handler(rec, tc.next).ServeHTTP(httptest.NewRecorder(), req)
			all := strings.Join(rec.errors, "\n")
			if tc.want == "" && all != "" {
				t.Errorf("unexpected: %s", all)
			}
			if tc.want != "" && !strings.Contains(all, tc.want) {
				t.Errorf("want an error with %q, got %q", tc.want, all)
			}
		})
	}
}
