package hubcheck

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
)

//go:embed testdata/graphql/github.graphql
var graphqlSchema string

var loadGraphQL = sync.OnceValues(func() (*ast.Schema, error) {
	return gqlparser.LoadSchema(&ast.Source{Name: "github.graphql", Input: graphqlSchema})
})

// GraphQL returns next with all its GraphQL traffic validated against GitHub's public
// schema: a query that the schema does not have, variables of another type, and an
// answer of another shape than was asked for are errors of the test.
func GraphQL(t testing.TB, next http.Handler) http.Handler {
	t.Helper()
	schema, err := loadGraphQL()
	if err != nil {
		t.Fatalf("hubcheck: load the schema: %v", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/graphql" && r.URL.Path != "/graphql" {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went away
		}
		var asked struct {
			Query     string         `json:"query"`
			Variables map[string]any `json:"variables"`
		}
		if err := json.Unmarshal(body, &asked); err != nil {
			t.Errorf("query %s: %v", body, err)
		}
		doc, errs := gqlparser.LoadQueryWithRules(schema, asked.Query, nil)
		if len(errs) > 0 || len(doc.Operations) != 1 {
			t.Errorf("query %s: %v", asked.Query, errs)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		op := doc.Operations[0]
		if _, err := validator.VariableValues(schema, op, asked.Variables); err != nil {
			t.Errorf("variables %v: %v", asked.Variables, err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		if rec.Code == http.StatusOK {
			if err := answered(schema, op, rec.Body.Bytes()); err != nil {
				t.Errorf("answer to a query: %v: %s", err, shorten(rec.Body.String()))
			}
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// answered holds an answer to the query: exactly what was asked for, of the types of
// the schema, and null only where the schema allows it.
func answered(schema *ast.Schema, op *ast.OperationDefinition, body []byte) error {
	var answer struct {
		Data   any   `json:"data"`
		Errors []any `json:"errors"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	if answer.Data == nil && len(answer.Errors) > 0 {
		return nil
	}
	return fits(schema, "data", ast.NonNullNamedType("Query", nil), op.SelectionSet, answer.Data)
}

func fits(schema *ast.Schema, at string, t *ast.Type, set ast.SelectionSet, v any) error {
	if v == nil {
		if t.NonNull {
			return fmt.Errorf("%s is null", at)
		}
		return nil
	}
	if t.Elem != nil {
		items, ok := v.([]any)
		if !ok {
			return fmt.Errorf("%s is no list", at)
		}
		for i, item := range items {
			if err := fits(schema, fmt.Sprintf("%s[%d]", at, i), t.Elem, set, item); err != nil {
				return err
			}
		}
		return nil
	}
	def := schema.Types[t.NamedType]
	switch def.Kind {
	case ast.Scalar:
		return scalar(at, t.NamedType, v)
	case ast.Enum:
		if s, ok := v.(string); !ok || def.EnumValues.ForName(s) == nil {
			return fmt.Errorf("%s is %v, which is no %s", at, v, t.NamedType)
		}
		return nil
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is no object", at)
	}
	var asked []string
	for _, s := range of(set, fields["__typename"]) {
		f, ok := s.(*ast.Field)
		if !ok {
			return fmt.Errorf("%s: only fields and inline fragments are checked", at)
		}
		asked = append(asked, f.Alias)
		value, there := fields[f.Alias]
		if !there {
			return fmt.Errorf("%s.%s is missing", at, f.Alias)
		}
		if err := fits(schema, at+"."+f.Alias, f.Definition.Type, f.SelectionSet, value); err != nil {
			return err
		}
	}
	for k := range fields {
		if !slices.Contains(asked, k) {
			return fmt.Errorf("%s.%s was not asked for", at, k)
		}
	}
	return nil
}

// of puts what is asked of a type in the place of inline fragments.
func of(set ast.SelectionSet, kind any) (out ast.SelectionSet) {
	for _, s := range set {
		if f, ok := s.(*ast.InlineFragment); !ok {
			out = append(out, s)
		} else if f.TypeCondition == kind {
			out = append(out, f.SelectionSet...)
		}
	}
	return out
}

func scalar(at, name string, v any) error {
	ok := true
	switch name {
	case "Int":
		var f float64
		f, ok = v.(float64)
		ok = ok && f == float64(int32(f))
	case "Boolean":
		_, ok = v.(bool)
	default:
		_, ok = v.(string)
	}
	if !ok {
		return fmt.Errorf("%s is %v, which is no %s", at, v, strings.ToLower(name))
	}
	return nil
}
