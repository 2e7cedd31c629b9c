package hubcheck

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// failures records what a check would fail a test with.
type failures struct {
	testing.TB
	seen []string
}

func (e *failures) Helper() {}
func (e *failures) Errorf(format string, a ...any) {
	e.seen = append(e.seen, fmt.Sprintf(format, a...))
}

func TestGraphQLTrafficIsHeldToTheSchema(t *testing.T) {
	const query = `query ($org: String!) { organization(login: $org) { login viewerCanAdminister team(slug: "a") { members(first: 1) { edges { role } } } } }`
	const good = `{"data":{"organization":{"login":"acme","viewerCanAdminister":true,"team":{"members":{"edges":[{"role":"MEMBER"},null]}}}}}`
	const node = `query ($org: ID!) { node(id: $org) { __typename ... on Team { slug } ... on Repository { name } } }`
	for name, c := range map[string]struct {
		query, variables, answer, want string
	}{
		"all is well":         {query, `{"org":"acme"}`, good, ""},
		"a kind of node":      {node, `{"org":"T_1"}`, `{"data":{"node":{"__typename":"Team","slug":"a"}}}`, ""},
		"another kind of it":  {node, `{"org":"T_1"}`, `{"data":{"node":{"__typename":"Team","name":"a"}}}`, "slug is missing"},
		"nothing there":       {query, `{"org":"acme"}`, `{"data":{"organization":null},"errors":[{"type":"NOT_FOUND"}]}`, ""},
		"an error only":       {query, `{"org":"acme"}`, `{"data":null,"errors":[{"type":"FORBIDDEN"}]}`, ""},
		"an unknown field":    {strings.Replace(query, "login viewer", "nick viewer", 1), `{"org":"acme"}`, good, "nick"},
		"an unknown argument": {strings.Replace(query, "first: 1", "count: 1", 1), `{"org":"acme"}`, good, "count"},
		"a wrong enum":        {strings.Replace(query, "first: 1", "membership: SOME", 1), `{"org":"acme"}`, good, "SOME"},
		"no variable":         {query, `{}`, good, "org"},
		"a wrong variable":    {query, `{"org":7}`, good, "org"},
		"a missing answer":    {query, `{"org":"acme"}`, strings.Replace(good, `"login":"acme",`, "", 1), "login is missing"},
		"more than asked":     {query, `{"org":"acme"}`, strings.Replace(good, `"login":`, `"id":1,"login":`, 1), "id was not asked for"},
		"null where none is":  {query, `{"org":"acme"}`, strings.Replace(good, `true`, `null`, 1), "viewerCanAdminister is null"},
		"a wrong type":        {query, `{"org":"acme"}`, strings.Replace(good, `true`, `"yes"`, 1), "no boolean"},
		"a wrong value":       {query, `{"org":"acme"}`, strings.Replace(good, `MEMBER`, `OWNER`, 1), "no TeamMemberRole"},
		"no list":             {query, `{"org":"acme"}`, strings.Replace(good, `[{"role":"MEMBER"},null]`, `{}`, 1), "no list"},
		"no object":           {query, `{"org":"acme"}`, `{"data":{"organization":[]}}`, "no object"},
	} {
		e := &failures{TB: t}
		h := GraphQL(e, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(c.answer)) }))
		text, err := json.Marshal(map[string]any{"query": c.query, "variables": json.RawMessage(c.variables)})
		if err != nil {
			t.Fatal(err)
		}
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/api/graphql", strings.NewReader(string(text))))
		switch all := strings.Join(e.seen, "\n"); {
		case c.want == "" && all != "":
			t.Errorf("%s: %s", name, all)
		case !strings.Contains(all, c.want) || c.want != "" && all == "":
			t.Errorf("%s: want %q, got %q", name, c.want, all)
		}
	}
}
