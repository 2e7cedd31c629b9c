package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/testserver"
)

// server is a real Vault, which is initialised, and unsealed after each start.
type server struct {
	*testserver.Server
	url string

	mu        sync.Mutex
	root, key string
	sealed    bool // leave it sealed
}

// startServer starts one. A durable one keeps its data in files, and starts slowly.
func startServer(t testing.TB, durable bool) *server {
	t.Helper()
	program := filepath.Join(testserver.Built(t, "vault"), "vault")
	var last error
	for range 5 { // somebody else may take the port between our look and the server's bind
		dir, address, cluster := t.TempDir(), testserver.Address(t), testserver.Address(t)
		s := &server{url: "http://" + address}
		data, file := filepath.Join(dir, "data"), filepath.Join(dir, "config.hcl")
		storage := `storage "inmem" {}`
		if durable {
			storage = fmt.Sprintf("storage \"raft\" {\n  path = %q\n  node_id = \"one\"\n  performance_multiplier = 1\n}", data)
		}
		config := fmt.Sprintf(`%s
listener "tcp" {
  address         = %q
  cluster_address = %q
  tls_disable     = true
}
api_addr      = %q
cluster_addr  = %q
disable_mlock = true
log_level     = "error"
`, storage, address, cluster, s.url, "https://"+cluster)
		ok(t, os.Mkdir(data, 0o700))
		ok(t, os.WriteFile(file, []byte(config), 0o600))
		s.Server, last = testserver.Try(t, testserver.Program{Path: program, Args: []string{"server", "-config=" + file}, Dir: dir, Ready: s.ready})
		if last == nil {
			return s
		}
	}
	t.Fatal(last)
	return nil
}

// ready brings the server to where it serves.
func (s *server) ready(ctx context.Context) error {
	var st struct{ Initialized, Sealed bool }
	if _, err := s.send(ctx, "", "GET", "sys/seal-status", nil, &st); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !st.Initialized {
		var made struct {
			Keys []string `json:"keys"`
			Root string   `json:"root_token"`
		}
		if code, err := s.send(ctx, "", "PUT", "sys/init", map[string]any{"secret_shares": 1, "secret_threshold": 1}, &made); err != nil || code != 200 {
			return fmt.Errorf("init: %d %w", code, err)
		}
		s.root, s.key = made.Root, made.Keys[0]
		st.Sealed = true
	}
	if s.sealed {
		return nil
	}
	if st.Sealed {
		if code, err := s.send(ctx, "", "PUT", "sys/unseal", map[string]any{"key": s.key}, nil); err != nil || code != 200 {
			return fmt.Errorf("unseal: %d %w", code, err)
		}
	}
	if code, err := s.send(ctx, "", "GET", "sys/health", nil, nil); err != nil || code != 200 {
		return fmt.Errorf("health: %d %w", code, err)
	}
	return nil
}

// seal seals it, and unseal undoes that.
func (s *server) seal(t testing.TB) { s.must(t, "PUT", "sys/seal", nil, nil) }

func (s *server) unseal(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for err := s.ready(ctx); err != nil; err = s.ready(ctx) {
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// send makes one request with a token.
func (s *server) send(ctx context.Context, token, method, path string, body, into any) (code int, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url+"/v1/"+path, bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-Vault-Token", token)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && into != nil && resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(answer, into)
	}
	if err == nil && resp.StatusCode >= 400 && into != nil {
		err = errors.New(string(answer))
	}
	return resp.StatusCode, err
}

// as makes a request with a token and returns the code of the answer.
func (s *server) as(t testing.TB, token, method, path string, body, into any) int {
	t.Helper()
	code, err := s.send(context.WithoutCancel(t.Context()), token, method, path, body, into)
	if code == 0 {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return code
}

// must makes a request as root, which has to succeed; into takes the answer's data.
func (s *server) must(t testing.TB, method, path string, body, into any) {
	t.Helper()
	var all struct {
		Data json.RawMessage `json:"data"`
	}
	code, err := s.send(context.WithoutCancel(t.Context()), s.root, method, path, body, &all)
	if err == nil && into != nil {
		err = json.Unmarshal(all.Data, into)
	}
	if err != nil || code >= 300 {
		t.Fatalf("%s %s: %d %v", method, path, code, err)
	}
}

// entity makes a person with an alias on userpass, who logs in with the name as
// password, and returns the entity's id.
func (s *server) entity(t testing.TB, name string) string {
	t.Helper()
	var made struct{ ID string }
	s.must(t, "POST", "identity/entity", map[string]any{"name": name}, nil)
	s.must(t, "POST", "identity/lookup/entity", map[string]any{"name": name}, &made)
	return made.ID
}

// user makes a person who can log in, and returns the entity's id.
func (s *server) user(t testing.TB, name string) string {
	t.Helper()
	id := s.entity(t, name)
	s.must(t, "POST", "auth/userpass/users/"+name, map[string]any{"password": name}, nil)
	s.must(t, "POST", "identity/entity-alias", map[string]any{"name": name, "canonical_id": id, "mount_accessor": s.accessor(t, "userpass/")}, nil)
	return id
}

func (s *server) accessor(t testing.TB, mount string) string {
	t.Helper()
	var mounts map[string]json.RawMessage
	var m struct{ Accessor string }
	s.must(t, "GET", "sys/auth", nil, &mounts)
	ok(t, json.Unmarshal(mounts[mount], &m))
	return m.Accessor
}

// login logs a person in.
func (s *server) login(t testing.TB, name string) (token string) {
	t.Helper()
	var a answer
	if code := s.as(t, "", "POST", "auth/userpass/login/"+name, map[string]any{"password": name}, &a); code != 200 {
		t.Fatalf("login of %s: %d", name, code)
	}
	return a.Auth.ClientToken
}

// token makes a token with these policies only.
func (s *server) token(t testing.TB, policies ...string) string {
	t.Helper()
	var a answer
	code := s.as(t, s.root, "POST", "auth/token/create-orphan", map[string]any{"policies": policies, "no_default_policy": true, "ttl": "24h"}, &a)
	if code != 200 {
		t.Fatalf("token: %d", code)
	}
	return a.Auth.ClientToken
}

// rights returns the policy that the documentation gives for the reconciler, so that
// every test runs with exactly these rights.
func rights(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/connectors/vault.md")
	ok(t, err)
	_, block, found := strings.Cut(string(text), "```hcl\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("the documentation has no policy")
	}
	return block
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
