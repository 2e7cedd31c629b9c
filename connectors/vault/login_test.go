package vault

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

func (w *world) lookup(t testing.TB, c connectors.Connector) error {
	t.Helper()
	_, err := c.Observe(t.Context(), []string{"group=db-admin"})
	return err
}

// later moves the connector's clock.
func later(c connectors.Connector, d time.Duration) {
	l := c.(*connector).client.login
	old := l.now
	l.now = func() time.Time { return old().Add(d) }
}

func held(c connectors.Connector) string { return c.(*connector).client.login.have }

// appRole makes a role for the reconciler and returns its settings.
func (w *world) appRole(t testing.TB, ttl, most string) (id, secretFile string) {
	t.Helper()
	w.must(t, "POST", "sys/auth/approle", map[string]any{"type": "approle"}, nil)
	w.must(t, "POST", "auth/approle/role/tenure", map[string]any{"token_policies": "tenure", "token_no_default_policy": true, "token_ttl": ttl, "token_max_ttl": most}, nil)
	var role struct {
		ID string `json:"role_id"`
	}
	var secret struct {
		ID string `json:"secret_id"`
	}
	w.must(t, "GET", "auth/approle/role/tenure/role-id", nil, &role)
	w.must(t, "POST", "auth/approle/role/tenure/secret-id", map[string]any{}, &secret)
	file := filepath.Join(t.TempDir(), "secret")
	ok(t, os.WriteFile(file, []byte(secret.ID+"\n"), 0o600))
	return role.ID, file
}

func TestItLogsInByAppRoleAndRenewsAndReplacesItsToken(t *testing.T) {
	w := newWorld(t)
	id, file := w.appRole(t, "1h", "2h")
	c := w.opened(t, connectors.Settings{"token": nil, "roleID": id, "secretIDFile": file})
	ok(t, w.lookup(t, c))
	first := held(c)
	later(c, 10*time.Minute)
	ok(t, w.lookup(t, c))
	later(c, 25*time.Minute) // past half of its time: renewed
	ok(t, w.lookup(t, c))
	if held(c) != first {
		t.Error("a token that can be renewed was replaced")
	}
	w.must(t, "POST", "auth/token/revoke", map[string]any{"token": first}, nil)
	later(c, time.Minute)
	ok(t, w.lookup(t, c)) // another login
	if second := held(c); second == first {
		t.Error("the token that has ended is still used")
	}
	w.must(t, "POST", "auth/token/revoke", map[string]any{"token": held(c)}, nil)
	ok(t, os.WriteFile(file, []byte("not-the-secret"), 0o600))
	later(c, time.Minute)
	err := w.lookup(t, c)
	refused(t, err, "log in by approle")
	if strings.Contains(err.Error(), "not-the-secret") || strings.Contains(err.Error(), id) {
		t.Errorf("a secret stands in %q", err)
	}
}

func TestAMissingRightDoesNotMakeItLogInAgainAndAgain(t *testing.T) {
	w := newWorld(t)
	id, file := w.appRole(t, "1h", "2h")
	w.policy(t, "tenure", `path "auth/token/lookup-self" { capabilities = ["read"] }`)
	var logins atomic.Int32
	p := w.between(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/login") {
			logins.Add(1)
		}
		return false
	})
	p.Start()
	defer p.Close()
	c := w.opened(t, connectors.Settings{"address": p.URL, "token": nil, "roleID": id, "secretIDFile": file})
	for range 5 {
		refused(t, w.lookup(t, c), "permission denied", "lacks a right")
	}
	if logins.Load() != 1 {
		t.Errorf("%d logins", logins.Load())
	}
}

func TestATokenThatCanBeRenewedIsRenewed(t *testing.T) {
	w := newWorld(t)
	c := w.opened(t, nil)
	ok(t, w.lookup(t, c))
	later(c, 13*time.Hour) // of 24
	ok(t, w.lookup(t, c))
	if l := c.(*connector).client.login; !l.got.After(time.Now().Add(12 * time.Hour)) {
		t.Error("it was not renewed")
	}
}

func TestATokenThatWillEndIsNamedByCheck(t *testing.T) {
	w := newWorld(t)
	var a answer
	if code := w.as(t, w.root, "POST", "auth/token/create-orphan", map[string]any{"policies": []string{"tenure"}, "ttl": "3h", "renewable": false}, &a); code != 200 {
		t.Fatal(code)
	}
	check, _ := connectors.AsChecker(w.opened(t, connectors.Settings{"token": a.Auth.ClientToken}))
	errs := check.Check(t.Context(), []string{"group=db-admin"})
	if len(errs) != 1 {
		t.Fatalf("%v", errs)
	}
	refused(t, errs[0], "cannot be renewed")
}

func TestATokenFileIsReadAgain(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "token")
	c := w.opened(t, connectors.Settings{"token": nil, "tokenFile": file})
	refused(t, w.lookup(t, c), "tokenFile", "no such file")
	ok(t, os.WriteFile(file, []byte("hvs.not-a-token\n"), 0o600))
	err := w.lookup(t, c)
	refused(t, err, "own token", "403")
	if strings.Contains(err.Error(), "not-a-token") {
		t.Errorf("the token stands in %q", err)
	}
	ok(t, os.WriteFile(file, []byte(w.token+"\n"), 0o600))
	ok(t, w.lookup(t, c))
	ok(t, os.WriteFile(file, nil, 0o600))
	refused(t, w.lookup(t, c), "must hold one word")
}

// The login with a service account's token has the same form as the one with any JWT,
// which this server can check without a cluster.
func TestItLogsInWithAServiceAccountsToken(t *testing.T) {
	w := newWorld(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	ok(t, err)
	w.must(t, "POST", "sys/auth/jwt", map[string]any{"type": "jwt"}, nil)
	w.must(t, "POST", "auth/jwt/config", map[string]any{"jwt_validation_pubkeys": []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}}, nil)
	w.must(t, "POST", "auth/jwt/role/tenure", map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_subject": "system:serviceaccount:tenure:tenure", "token_policies": "tenure"}, nil)
	now := time.Now()
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	jwt := part(`{"alg":"ES256","typ":"JWT"}`) + "." + part(fmt.Sprintf(`{"sub":"system:serviceaccount:tenure:tenure","iat":%d,"exp":%d}`, now.Unix(), now.Add(time.Hour).Unix()))
	sum := sha256.Sum256([]byte(jwt))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	ok(t, err)
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	file := filepath.Join(t.TempDir(), "token")
	ok(t, os.WriteFile(file, []byte(jwt+"."+base64.RawURLEncoding.EncodeToString(sig)), 0o600))
	c := w.opened(t, connectors.Settings{"token": nil, "kubernetesRole": "tenure", "authMount": "jwt", "jwtFile": file})
	ok(t, w.lookup(t, c))
	// The token belongs to an entity now, which it leaves alone.
	all, err := c.(*connector).people(t.Context())
	ok(t, err)
	own, err := c.(*connector).client.login.ownEntity(t.Context())
	ok(t, err)
	account := all.account[own]
	refused(t, c.Grant(t.Context(), gr(account, "group", "db-admin"), time.Time{}), "reconciler's own entity")
	refused(t, c.Revoke(t.Context(), gr(account, "group", "db-admin")), "reconciler's own entity")
}

func TestTheNamespaceOfTheSettingsIsNamedInEveryRequest(t *testing.T) {
	w := newWorld(t)
	var other atomic.Int32
	p := w.between(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Vault-Namespace") != "team-a" || r.Header.Get("X-Vault-Request") != "true" {
			other.Add(1)
		}
		return false
	})
	p.Start()
	defer p.Close()
	c := w.opened(t, connectors.Settings{"address": p.URL, "namespace": "team-a"})
	g := gr("alice", "group", "db-admin")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	ok(t, c.Revoke(t.Context(), g))
	ok(t, end(t, c, g))
	if other.Load() > 0 {
		t.Errorf("%d requests went elsewhere", other.Load())
	}
}
