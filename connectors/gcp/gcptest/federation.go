package gcptest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	pool     = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q"
	stsScope = "https://www.googleapis.com/auth/iam"
)

// Federation makes a workload identity pool that takes the proof in a file, and lets who
// has it be a service account. It returns the configuration as Google gives it out.
func (s *Server) Federation(t testing.TB, address, file, proof string) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proofs[proof] = address
	s.accounts["serviceaccount:"+address] = "serviceAccount:" + address
	text, err := json.Marshal(map[string]any{
		"type": "external_account", "audience": pool, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		"token_url": s.URL + "/sts/v1/token", "credential_source": map[string]any{"file": file},
		"service_account_impersonation_url": s.URL + "/iam/v1/projects/-/serviceAccounts/" + address + ":generateAccessToken",
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// exchange gives a token of the pool for a proof of identity (RFC 8693).
func (s *Server) exchange(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	address, known := s.proofs[r.PostForm.Get("subject_token")]
	if !known || r.PostForm.Get("audience") != pool || r.PostForm.Get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant", "error_description": "no: " + r.PostForm.Get("subject_token")})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": s.issue("pool:"+address, strings.Fields(r.PostForm.Get("scope"))), "expires_in": 3600, "token_type": "Bearer",
		"issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
	})
}

// impersonate gives a service account's token for one of the pool.
func (s *Server) impersonate(w http.ResponseWriter, r *http.Request) {
	var in struct{ Scope []string }
	err := json.NewDecoder(r.Body).Decode(&in)
	s.mu.Lock()
	defer s.mu.Unlock()
	address, ok := strings.CutSuffix(r.PathValue("call"), ":generateAccessToken")
	k := s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if err != nil || !ok || k.member != "pool:"+address || !slices.ContainsFunc(k.scopes, func(x string) bool { return x == Scope || x == stsScope }) {
		s.answer(w, nil, nil, refuse(http.StatusForbidden, "PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getAccessToken' denied."))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{
		"accessToken": s.issue("serviceAccount:"+address, in.Scope), "expireTime": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	})
}
