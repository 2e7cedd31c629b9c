package gcptest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// Scope is what the API wants a token to be for.
const Scope = "https://www.googleapis.com/auth/cloud-platform"

// robot is a service account with a key.
type robot struct {
	address, keyID string
	public         *rsa.PublicKey
}

type token struct {
	member string
	scopes []string
	until  time.Time
}

// Key makes a service account and returns its key file.
func (s *Server) Key(t testing.TB, address string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	r := &robot{address, rand.Text(), &key.PublicKey}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.robots[address] = r
	s.accounts["serviceaccount:"+address] = "serviceAccount:" + address
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "ops", "private_key_id": r.keyID, "client_email": address, "client_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"auth_uri":    "https://accounts.google.com/o/oauth2/auth", "token_uri": s.URL + "/token", "universe_domain": "googleapis.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Token returns an access token of a member, for tests that are another hand.
func (s *Server) Token(member string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issue(member, []string{Scope})
}

func (s *Server) issue(member string, scopes []string) string {
	text := "ya29." + rand.Text() + rand.Text()
	s.tokens[text] = token{member, scopes, time.Now().Add(time.Hour)}
	return text
}

// Withdraw makes all tokens that were issued invalid.
func (s *Server) Withdraw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// token exchanges a signed assertion for an access token (RFC 7523).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["token"]++
	w.Header().Set("Content-Type", "application/json")
	member, scopes, why := s.verify(r.PostForm.Get("grant_type"), r.PostForm.Get("assertion"))
	if why != "" {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant", "error_description": why})
		return
	}
	s.hand(w, s.issue(member, scopes))
}

func (s *Server) hand(w http.ResponseWriter, token string) {
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "expires_in": 3600, "token_type": "Bearer"})
}

// verify checks an assertion and its signature.
func (s *Server) verify(grant, assertion string) (member string, scopes []string, why string) {
	parts := strings.Split(assertion, ".")
	if grant != "urn:ietf:params:oauth:grant-type:jwt-bearer" || len(parts) != 3 {
		return "", nil, "Invalid grant."
	}
	var head struct{ Alg, Kid string }
	var claims struct {
		Iss, Aud, Scope string
		Exp, Iat        int64
	}
	if !decode(parts[0], &head) || !decode(parts[1], &claims) {
		return "", nil, "Invalid JWT."
	}
	r := s.robots[claims.Iss]
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if r == nil || err != nil || head.Alg != "RS256" || head.Kid != r.keyID || rsa.VerifyPKCS1v15(r.public, crypto.SHA256, sum[:], signature) != nil {
		return "", nil, "Invalid JWT Signature."
	}
	now := time.Now().Unix()
	if claims.Aud != s.URL+"/token" || claims.Iat > now+300 || claims.Exp < now || claims.Exp > claims.Iat+3600 {
		return "", nil, "Invalid JWT: aud, iat or exp."
	}
	return "serviceAccount:" + r.address, strings.Fields(claims.Scope), ""
}

func decode(part string, v any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, v) == nil
}

// metadata is what a machine of Google's own asks for its identity: that of the first
// service account.
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Metadata-Flavor", "Google")
	if r.Header.Get("Metadata-Flavor") != "Google" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/service-accounts/default/token") || len(s.robots) == 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	var names []string
	for name := range s.robots {
		names = append(names, name)
	}
	slices.Sort(names)
	w.Header().Set("Content-Type", "application/json")
	s.hand(w, s.issue("serviceAccount:"+names[0], []string{Scope}))
}
