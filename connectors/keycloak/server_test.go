package keycloak

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "pw-of-tests"

// server is a real Keycloak with the realm staff, and what its administrator does.
type server struct {
	*testserver.Server
	dir, url string
	http     *http.Client
	token    string
	tokenEnd time.Time
}

func start(t testing.TB) *server {
	java := testserver.Find(t, "java", "openjdk-17-jre-headless")
	dir := testserver.Built(t, "keycloak")
	work := t.TempDir()
	db, err := os.ReadFile(filepath.Join(dir, "fresh", "h2.mv.db"))
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(work, "h2.mv.db"), db, 0o600))
	address := testserver.Address(t)
	_, port, err := net.SplitHostPort(address)
	ok(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	s := &server{dir: dir, url: "http://" + address, http: &http.Client{Transport: transport}}
	s.Server = testserver.Start(t, testserver.Program{
		Path: java, Dir: work,
		// What bin/kc.sh runs. The script itself would leave the server behind if it were
		// killed. A server of seconds needs no optimizing compiler.
		Args: []string{
			"-Xms256m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true",
			"--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
			"--add-opens=java.base/java.security=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED", "--enable-native-access=ALL-UNNAMED",
			"-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
			"-Dkc.home.dir=" + dir, "-Djboss.server.config.dir=" + filepath.Join(dir, "conf"),
			"-Djava.util.logging.manager=org.jboss.logmanager.LogManager", "-Dpicocli.disable.closures=true",
			"-cp", filepath.Join(dir, "lib", "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint",
			"start", "--optimized", "--cache=local", "--http-enabled=true", "--http-host=127.0.0.1", "--http-port=" + port, "--hostname-strict=false",
		},
		Env: append(os.Environ(), "KC_DB_URL=jdbc:h2:file:"+filepath.Join(work, "h2")+";NON_KEYWORDS=VALUE;WRITE_DELAY=0"),
		Ready: func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, "GET", s.url+"/realms/master", nil)
			if err != nil {
				return err
			}
			resp, err := s.http.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != 200 {
				return fmt.Errorf("status %d", resp.StatusCode)
			}
			return nil
		},
	})
	s.scene(t)
	return s
}

// scene makes the realm, its people, groups and roles, and the reconciler's client as
// the documentation says.
func (s *server) scene(t testing.TB) {
	s.must(t, "POST", "/admin/realms", map[string]any{"realm": "staff", "enabled": true})
	for _, name := range []string{"alice", "bob", "carol", "dave"} {
		s.user(t, name, name == "alice" || name == "bob")
	}
	s.must(t, "POST", "/admin/realms/staff/groups", map[string]any{"name": "ops"})
	s.must(t, "POST", "/admin/realms/staff/groups/"+s.groupID(t, "ops")+"/children", map[string]any{"name": "night"})
	s.must(t, "POST", "/admin/realms/staff/roles", map[string]any{"name": "auditor"})
	s.must(t, "POST", "/admin/realms/staff/clients", map[string]any{"clientId": "shop", "publicClient": true, "directAccessGrantsEnabled": true})
	s.must(t, "POST", "/admin/realms/staff/clients/"+s.clientID(t, "shop")+"/roles", map[string]any{"name": "editor"})

	page, err := os.ReadFile("../../docs/connectors/keycloak.md")
	ok(t, err)
	_, block, found := strings.Cut(string(page), "```sh keycloak\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("the documentation has no commands")
	}
	script := "set -e\nkcadm.sh config credentials --server " + s.url + " --realm master --user admin --password admin-of-tests\n" + block
	cmd := exec.Command("bash", "-c", script)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "PATH="+filepath.Join(s.dir, "bin")+":"+os.Getenv("PATH"), "KC_OPTS=-Duser.home="+t.TempDir()+" -XX:TieredStopAtLevel=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the commands of the documentation: %v: %s", err, out)
	}
	s.client(t, "weak", "view-users")
	s.client(t, "none")
}

// client makes a client with a service account that has these rights.
func (s *server) client(t testing.TB, id string, rights ...string) {
	s.must(t, "POST", "/admin/realms/staff/clients", map[string]any{"clientId": id, "secret": "change-me", "serviceAccountsEnabled": true, "publicClient": false})
	for _, right := range rights {
		s.mapRole(t, "POST", "service-account-"+id, adminClient, right)
	}
}

// call is one request of the administrator.
func (s *server) call(t testing.TB, method, path string, in, out any) int {
	t.Helper()
	if time.Now().After(s.tokenEnd) {
		s.token, _ = s.login(t, "master", url.Values{"client_id": {"admin-cli"}, "grant_type": {"password"}, "username": {"admin"}, "password": {"admin-of-tests"}})
		s.tokenEnd = time.Now().Add(20 * time.Second)
	}
	var body []byte
	if in != nil {
		var err error
		body, err = json.Marshal(in)
		ok(t, err)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, bytes.NewReader(body))
	ok(t, err)
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(req)
	ok(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ok(t, err)
	if out != nil && resp.StatusCode/100 == 2 {
		ok(t, json.Unmarshal(text, out))
	}
	return resp.StatusCode
}

func (s *server) must(t testing.TB, method, path string, in any) {
	t.Helper()
	if status := s.call(t, method, path, in, nil); status/100 != 2 {
		t.Fatalf("%s %s: %d", method, path, status)
	}
}

// login asks for tokens; without success they are empty.
func (s *server) login(t testing.TB, realm string, form url.Values) (access, refresh string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), "POST", s.url+"/realms/"+realm+"/protocol/openid-connect/token", strings.NewReader(form.Encode()))
	ok(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.http.Do(req)
	ok(t, err)
	defer resp.Body.Close()
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	ok(t, json.NewDecoder(resp.Body).Decode(&tokens))
	return tokens.Access, tokens.Refresh
}

// session logs a person in to the shop; the function says whether the session goes on.
func (s *server) session(t testing.TB, name string, scope string) func() bool {
	t.Helper()
	_, refresh := s.login(t, "staff", url.Values{"client_id": {"shop"}, "grant_type": {"password"}, "username": {name}, "password": {password}, "scope": {scope}})
	if refresh == "" {
		t.Fatalf("%s cannot log in", name)
	}
	return func() bool {
		access, _ := s.login(t, "staff", url.Values{"client_id": {"shop"}, "grant_type": {"refresh_token"}, "refresh_token": {refresh}})
		return access != ""
	}
}

// user makes a user exist, if the server takes the name.
func (s *server) user(t testing.TB, name string, canLogIn bool) bool {
	doc := map[string]any{"username": name, "enabled": true}
	if canLogIn {
		doc["email"], doc["firstName"], doc["lastName"] = name+"@example.com", name, "Example"
		doc["credentials"] = []any{map[string]any{"type": "password", "value": password}}
	}
	status := s.call(t, "POST", "/admin/realms/staff/users", doc, nil)
	return status == 201 || status == 409
}

func (s *server) id(t testing.TB, path string, match func(map[string]any) bool) string {
	t.Helper()
	var list []map[string]any
	if status := s.call(t, "GET", path, nil, &list); status != 200 {
		t.Fatalf("GET %s: %d", path, status)
	}
	for _, one := range list {
		if match(one) {
			return one["id"].(string)
		}
	}
	return ""
}

func (s *server) userID(t testing.TB, name string) string {
	return s.id(t, "/admin/realms/staff/users?exact=true&username="+url.QueryEscape(name), func(u map[string]any) bool { return u["username"] == name })
}

func (s *server) groupID(t testing.TB, name string) string {
	return s.id(t, "/admin/realms/staff/groups?max=10000", func(g map[string]any) bool { return g["name"] == name })
}

func (s *server) subgroupID(t testing.TB, parent, name string) string {
	return s.id(t, "/admin/realms/staff/groups/"+s.groupID(t, parent)+"/children", func(g map[string]any) bool { return g["name"] == name })
}

func (s *server) clientID(t testing.TB, name string) string {
	return s.id(t, "/admin/realms/staff/clients", func(c map[string]any) bool { return c["clientId"] == name })
}

// mapRole maps a role of the realm, or of a client, to a user by hand, or takes it away.
func (s *server) mapRole(t testing.TB, method, account, ofClient, name string) {
	t.Helper()
	from, to := "/admin/realms/staff/roles/", "/admin/realms/staff/users/"+s.userID(t, account)+"/role-mappings/"
	if ofClient == "" {
		to += "realm"
	} else {
		id := s.clientID(t, ofClient)
		from, to = "/admin/realms/staff/clients/"+id+"/roles/", to+"clients/"+id
	}
	var r map[string]any
	if status := s.call(t, "GET", from+url.PathEscape(name), nil, &r); status != 200 {
		t.Fatalf("role %q: %d", name, status)
	}
	s.must(t, method, to, []any{r})
}

// byHand makes or takes away a grant as an administrator would.
func (s *server) byHand(t testing.TB, g grants.Grant, revoke bool) {
	t.Helper()
	e, err := readText(g.Entitlement)
	ok(t, err)
	if e.group == "" {
		method := "POST"
		if revoke {
			method = "DELETE"
		}
		s.mapRole(t, method, g.Account, e.client, e.realmRole+e.role)
		return
	}
	method, id := "PUT", ""
	if names := strings.Split(e.group, "/")[1:]; len(names) == 1 {
		id = s.groupID(t, names[0])
	} else {
		id = s.subgroupID(t, names[0], names[1])
	}
	if revoke {
		method = "DELETE"
	}
	s.must(t, method, "/admin/realms/staff/users/"+s.userID(t, g.Account)+"/groups/"+id, nil)
}

func (s *server) open(t testing.TB, more connectors.Settings) connectors.Connector {
	t.Helper()
	set := connectors.Settings{"url": s.url, "realm": "staff", "clientID": "tenure", "clientSecret": "change-me"}
	for k, v := range more {
		set[k] = v
	}
	c, err := Driver{}.Open(t.Context(), "staff", set)
	ok(t, err)
	return c
}

func (s *server) opened(t testing.TB, more connectors.Settings) connectors.Connector {
	c := s.open(t, more)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "change-me") {
		t.Errorf("a secret in %q", err)
	}
}

func gr(account string, spec connectors.Spec) grants.Grant {
	text, err := Driver{}.Canonical(spec)
	if err != nil {
		panic(err)
	}
	return grants.Grant{Target: "staff", Account: account, Entitlement: text}
}

func observed(t testing.TB, c connectors.Connector, g grants.Grant) bool {
	t.Helper()
	found, err := c.Observe(t.Context(), []string{g.Entitlement})
	ok(t, err)
	return slices.Contains(found, g)
}

// claims is the readable part of a token.
func claims(t testing.TB, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatal("no token")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	ok(t, err)
	return string(text)
}
