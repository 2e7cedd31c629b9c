package azuretest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Tenant is the only one there is.
const Tenant = "11111111-2222-4333-8444-555555555555"

// app is a registered application.
type app struct {
	secret, assertion, object string
	rights                    []string // of Graph, for applications
}

type token struct {
	audience, object string
	rights           []string
	until            time.Time
}

// App registers an application, with a secret, the token of a federated identity, the
// object id of its service principal, and rights to Graph.
func (s *Server) App(client, secret, assertion, object string, rights ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[client] = &app{secret, assertion, object, rights}
	s.others[object] = "servicePrincipal"
}

// Token returns a token for another hand: a principal with rights to Graph.
func (s *Server) Token(audience, object string, rights ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issue(audience, object, rights)
}

func (s *Server) issue(audience, object string, rights []string) string {
	claims := map[string]any{"aud": audience, "oid": object, "tid": Tenant}
	if audience == s.Graph {
		claims["roles"] = rights
	}
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	e := base64.RawURLEncoding
	t := e.EncodeToString([]byte(`{"alg":"none"}`)) + "." + e.EncodeToString(text) + "." + rand.Text()
	s.tokens[t] = token{audience, object, rights, time.Now().Add(time.Hour)}
	return t
}

// token gives a token to an application that proves who it is.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		panic(http.ErrAbortHandler)
	}
	s.calls["token"]++
	f := r.PostForm
	a := s.apps[f.Get("client_id")]
	var why string
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/"+Tenant+"/oauth2/v2.0/token" || f.Get("grant_type") != "client_credentials":
		why = "AADSTS90002: no such tenant or grant"
	case a == nil:
		why = "AADSTS700016: Application was not found in the directory"
	case f.Has("client_secret") && (a.secret == "" || f.Get("client_secret") != a.secret):
		why = "AADSTS7000215: Invalid client secret provided: " + f.Get("client_secret")
	case f.Has("client_assertion") && (a.assertion == "" || f.Get("client_assertion") != a.assertion ||
		f.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"):
		why = "AADSTS700213: No matching federated identity record found for presented assertion"
	case f.Has("client_secret") == f.Has("client_assertion"):
		why = "AADSTS7000216: want a secret or an assertion"
	}
	for k := range f {
		if !slices.Contains([]string{"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope"}, k) {
			s.t.Errorf("azuretest: the token endpoint has no parameter %s", k)
		}
	}
	audience, found := strings.CutSuffix(f.Get("scope"), "/.default")
	if why == "" && (!found || audience != s.ARM && audience != s.Graph) {
		why = "AADSTS70011: the scope is not valid"
	}
	if why != "" {
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": why, "error_codes": []int{1}})
		return
	}
	answer(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": 3599, "access_token": s.issue(audience, a.object, a.rights)})
}

// caller is whose token a request has.
func (s *Server) caller(r *http.Request, audience string) (token, error) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t, known := s.tokens[text]
	if !ok || !known || t.audience != audience || !time.Now().Before(t.until) {
		return t, refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "The access token is invalid.")
	}
	return t, nil
}
