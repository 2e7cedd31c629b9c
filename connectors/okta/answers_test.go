package okta

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
)

// list answers with a page and, if there is more, a link to the next one.
func (o *standIn) list(w http.ResponseWriter, r *http.Request, all []any) {
	q := r.URL.Query()
	after, _ := strconv.Atoi(q.Get("after"))
	size, _ := strconv.Atoi(q.Get("limit"))
	if size == 0 || size > o.page {
		size = o.page
	}
	after = min(after, len(all))
	end := min(after+size, len(all))
	w.Header().Add("Link", fmt.Sprintf(`<http://%s%s>; rel="self"`, o.address, r.URL.RequestURI()))
	if end < len(all) {
		q.Set("after", strconv.Itoa(end))
		w.Header().Add("Link", fmt.Sprintf(`<http://%s%s?%s>; rel="next"`, o.address, r.URL.EscapedPath(), q.Encode()))
	}
	reply(w, append([]any{}, all[after:end]...))
}

func (o *standIn) token(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	if o.assert == nil || !o.assert(form) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(401)
		_, _ = io.WriteString(w, `{"error": "invalid_client"}`)
		return
	}
	reply(w, map[string]any{"access_token": "app-token", "token_type": "Bearer", "expires_in": 3600})
}

func (p *person) doc() map[string]any {
	return map[string]any{"id": p.id, "status": "ACTIVE", "created": "2026-01-02T03:04:05.000Z", "type": map[string]any{"id": "oty1"},
		"profile": map[string]any{"login": p.login, "email": p.login, "firstName": "A", "lastName": "B"}}
}

func (g *team) doc() map[string]any {
	return map[string]any{"id": g.id, "type": g.kind, "created": "2026-01-02T03:04:05.000Z", "objectClass": []string{"okta:user_group"},
		"profile": map[string]any{"name": g.name, "description": "x"}}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, status int, code, summary string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": "oae", "errorCauses": []any{}})
}

// recorded runs a handler and keeps its answer.
func recorded(next http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	return rec
}
