package hubcheck

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

//go:embed testdata/openapi/webhooks.json
var webhookDescription []byte

var loadWebhooks = sync.OnceValues(func() (*openapi3.T, error) {
	return openapi3.NewLoader().LoadFromData(webhookDescription)
})

// Webhooks returns next, which takes webhooks, with everything that is delivered
// to it validated: an unknown event or action, a missing header or a payload of
// another form is an error of the test. Signatures are next's to check.
func Webhooks(t testing.TB, next http.Handler) http.Handler {
	t.Helper()
	doc, err := loadWebhooks()
	if err != nil {
		t.Fatalf("hubcheck: load description of webhooks: %v", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = checkWebhook(doc, r, body)
		}
		if err != nil {
			t.Errorf("webhook %s: %s", r.Header.Get("X-GitHub-Event"), shorten(strings.Join(reasons(err), "; ")))
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func checkWebhook(doc *openapi3.T, r *http.Request, body []byte) error {
	var about struct{ Action string }
	if err := json.Unmarshal(body, &about); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	path := "/" + r.Header.Get("X-GitHub-Event")
	if about.Action != "" {
		path += "/" + about.Action
	}
	item := doc.Paths.Value(path)
	if item == nil {
		return errors.New(path + " is not in the description")
	}
	in := r.Clone(r.Context())
	in.Body = io.NopCloser(bytes.NewReader(body))
	return openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: in,
		Route:   &routers.Route{Spec: doc, Path: path, PathItem: item, Method: http.MethodPost, Operation: item.Post},
		Options: &openapi3filter.Options{MultiError: true, SkipSettingDefaults: true},
	})
}

// reasons says what is wrong and where, without the schemas that the library adds.
func reasons(err error) []string {
	switch e := err.(type) {
	case openapi3.MultiError:
		var out []string
		for _, one := range e {
			out = append(out, reasons(one)...)
		}
		return out
	case *openapi3.SchemaError:
		return []string{"/" + strings.Join(e.JSONPointer(), "/") + ": " + e.Reason}
	case *openapi3filter.RequestError:
		if e.Parameter == nil && e.Err != nil {
			return reasons(e.Err)
		}
	}
	return []string{err.Error()}
}
