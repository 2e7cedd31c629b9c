package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/group"
	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	writer = "token-that-writes"
	reader = "token-that-reads"
)

// scimmy is a real SCIM server, and what an administrator does with it.
type scimmy struct {
	*testserver.Server
	url  string
	http *http.Client
	made map[string]bool
}

func start(t testing.TB) *scimmy {
	node := testserver.Find(t, "node", "nodejs")
	dir := testserver.Built(t, "scimmy")
	address := testserver.Address(t)
	_, port, err := net.SplitHostPort(address)
	ok(t, err)
	transport := &http.Transport{}
	s := &scimmy{url: "http://" + address + "/scim/v2", http: &http.Client{Transport: transport}, made: map[string]bool{}}
	t.Cleanup(transport.CloseIdleConnections)
	work := t.TempDir()
	s.Server = testserver.Start(t, testserver.Program{
		Path: node, Dir: work, Ready: testserver.Dial(address),
		Args: []string{filepath.Join(dir, "server.js"), port, filepath.Join(work, "state.json"), writer, reader},
	})
	for _, name := range []string{"alice", "bob", "carol", "dave"} {
		s.user(t, name)
	}
	s.group(t, "ops")
	s.group(t, "dev")
	return s
}

// call is one request of the administrator. Status 0: any of 2xx.
func (s *scimmy) call(t testing.TB, method, path string, in, out any) int {
	t.Helper()
	var body []byte
	if in != nil {
		var err error
		body, err = json.Marshal(in)
		ok(t, err)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, bytes.NewReader(body))
	ok(t, err)
	req.Header.Set("Authorization", "Bearer "+writer)
	req.Header.Set("Content-Type", "application/scim+json")
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

// all lists everything of one type, past the server's filters.
func all[T any](t testing.TB, s *scimmy, resource string) []T {
	var l struct{ Resources []T }
	if status := s.call(t, "GET", "/"+resource+"?count=100000", nil, &l); status != 200 {
		t.Fatalf("list of %s: %d", resource, status)
	}
	return l.Resources
}

// user makes a user exist, if the server takes the name.
func (s *scimmy) user(t testing.TB, name string) bool {
	if s.made["user "+name] {
		return true
	}
	s.made["user "+name] = true
	return s.call(t, "POST", "/Users", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": name}, nil) == 201
}

func (s *scimmy) group(t testing.TB, name string, members ...member) bool {
	if s.made["group "+name] {
		return true
	}
	s.made["group "+name] = true
	doc := map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "displayName": name}
	if len(members) > 0 {
		doc["members"] = members
	}
	return s.call(t, "POST", "/Groups", doc, nil) == 201
}

func (s *scimmy) groupID(t testing.TB, name string) string {
	for _, g := range all[groupDoc](t, s, "Groups") {
		if g.DisplayName == name {
			return g.ID
		}
	}
	t.Fatalf("no group %q", name)
	return ""
}

func (s *scimmy) userID(t testing.TB, name string) string {
	for _, u := range all[user](t, s, "Users") {
		if u.UserName == name {
			return u.ID
		}
	}
	t.Fatalf("no user %q", name)
	return ""
}

// set is the administrator's own way to change a membership: the whole group.
func (s *scimmy) set(t testing.TB, name string, member string, there bool) {
	var g map[string]any
	id := s.groupID(t, name)
	s.call(t, "GET", "/Groups/"+id, nil, &g)
	kept := []any{}
	for _, m := range g["members"].([]any) {
		if m.(map[string]any)["value"] != member {
			kept = append(kept, m)
		}
	}
	if there {
		kept = append(kept, map[string]any{"value": member})
	}
	g["members"] = kept
	if status := s.call(t, "PUT", "/Groups/"+id, g, nil); status != 200 {
		t.Fatalf("PUT: %d", status)
	}
}

// holds asks the server itself.
func (s *scimmy) holds(t testing.TB, name, account string) bool {
	var g groupDoc
	s.call(t, "GET", "/Groups/"+s.groupID(t, name), nil, &g)
	id := s.userID(t, account)
	return slices.ContainsFunc(g.Members, func(m member) bool { return m.Value == id })
}

func (s *scimmy) settings(token string) connectors.Settings {
	return connectors.Settings{"url": s.url, "token": token}
}

func open(t testing.TB, set connectors.Settings) connectors.Connector {
	t.Helper()
	c, err := Driver{}.Open(t.Context(), "idp", set)
	ok(t, err)
	return c
}

func opened(t testing.TB, set connectors.Settings) connectors.Connector {
	c := open(t, set)
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
	if strings.Contains(err.Error(), "token-that") {
		t.Errorf("a secret in %q", err)
	}
}

func gr(account, name string) grants.Grant {
	return grants.Grant{Target: "idp", Account: account, Entitlement: group.Entitlement{Name: name}.Canonical()}
}

func observed(t testing.TB, c connectors.Connector, scope ...string) []string {
	t.Helper()
	found, err := c.Observe(t.Context(), scope)
	ok(t, err)
	var out []string
	for _, g := range found {
		out = append(out, fmt.Sprintf("%s %s", g.Account, g.Entitlement))
	}
	slices.Sort(out)
	return out
}
