package keycloak

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

// fake answers as Keycloak does, for what a real one cannot be made to do: it fails, and
// its lists change at the wrong moment.
type fake struct {
	mu      sync.Mutex
	members []string                                          // of the group /ops
	answer  func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
}

func (f *fake) open(t testing.TB) connectors.Connector {
	srv := httptest.NewServer(f)
	c, err := Driver{}.Open(t.Context(), "staff", connectors.Settings{"url": srv.URL, "realm": "staff", "clientID": "tenure", "clientSecret": "change-me", "groups": []string{"/ops"}})
	ok(t, err)
	t.Cleanup(func() { _ = c.Close(); srv.Close() })
	return c
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/token") {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token": "t", "token_type": "Bearer", "expires_in": 300}`)
		return
	}
	if f.answer != nil && f.answer(w, r) {
		return
	}
	first, _ := strconv.Atoi(r.URL.Query().Get("first"))
	size, _ := strconv.Atoi(r.URL.Query().Get("max"))
	var list []any
	switch path := strings.TrimPrefix(r.URL.Path, "/admin/realms/staff/"); path {
	case "groups":
		list = []any{group{ID: "g", Name: "ops", Path: "/ops"}}
	case "groups/g/members":
		for _, name := range f.members[min(first, len(f.members)):min(first+size, len(f.members))] {
			list = append(list, user{ID: "u-" + name, Username: name})
		}
	case "users":
		list = []any{user{ID: "u-" + r.URL.Query().Get("username"), Username: r.URL.Query().Get("username")}}
	case "users/u-alice/groups/g":
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		list = []any{}
	}
	_ = json.NewEncoder(w).Encode(append([]any{}, list...))
}

func crowd(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("p%04d", i))
	}
	return names
}

func TestAListThatFitsPagesExactlyIsComplete(t *testing.T) {
	for _, n := range []int{0, 1, pageSize - 1, pageSize, pageSize + 1, 2*pageSize - 1, 2 * pageSize, 3 * pageSize} {
		f := &fake{members: crowd(n)}
		found, err := f.open(t).Observe(t.Context(), []string{"group=/ops"})
		ok(t, err)
		if len(found) != n {
			t.Errorf("%d of %d", len(found), n)
		}
	}
}

func TestAListThatChangesWhileItIsReadIsReadAgain(t *testing.T) {
	f := &fake{members: crowd(250)}
	calls := 0
	f.answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/members") {
			if calls++; calls == 2 { // somebody before the second page leaves
				f.members = slices.Delete(f.members, 3, 4)
			}
		}
		return false
	}
	found, err := f.open(t).Observe(t.Context(), []string{"group=/ops"})
	ok(t, err)
	if len(found) != 249 || calls < 4 {
		t.Errorf("%d after %d requests", len(found), calls)
	}
	f.answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/members") && r.URL.Query().Get("first") != "0" {
			f.members = slices.Delete(f.members, 0, 1) // it never ends
		}
		return false
	}
	if found, err := f.open(t).Observe(t.Context(), []string{"group=/ops"}); err == nil {
		t.Errorf("%d", len(found))
	}
}

func TestFailuresAreNeverAnEmptyList(t *testing.T) {
	for _, part := range []string{"/groups", "/members"} {
		for name, fail := range map[string]func(w http.ResponseWriter){
			"401":     func(w http.ResponseWriter) { w.WriteHeader(401) },
			"403":     func(w http.ResponseWriter) { w.WriteHeader(403) },
			"409":     func(w http.ResponseWriter) { w.WriteHeader(409) },
			"429":     func(w http.ResponseWriter) { w.Header().Set("Retry-After", "600"); w.WriteHeader(429) },
			"500":     func(w http.ResponseWriter) { w.WriteHeader(500) },
			"cut":     func(w http.ResponseWriter) { c, _, _ := w.(http.Hijacker).Hijack(); _ = c.Close() },
			"garbage": func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") },
			"no ids":  func(w http.ResponseWriter) { fmt.Fprint(w, `[{"name": "ops"}]`) },
		} {
			f := &fake{members: []string{"alice"}}
			f.answer = func(w http.ResponseWriter, r *http.Request) bool {
				hit := strings.HasSuffix(r.URL.Path, part)
				if hit {
					fail(w)
				}
				return hit
			}
			if found, err := f.open(t).Observe(t.Context(), []string{"group=/ops"}); err == nil {
				t.Errorf("%s %s: %v", part, name, found)
			} else {
				refused(t, err, "staff: observe")
			}
		}
	}
}

func TestSessionsThatDoNotEndAreAnError(t *testing.T) {
	f := &fake{}
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/sessions") {
			fmt.Fprint(w, `[{"id": "s1"}]`)
			return true
		}
		return false
	}
	c := f.open(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	ender, _ := connectors.AsSessionEnder(c)
	err := ender.EndSessions(ctx, []grants.Grant{gr("alice", connectors.Spec{"group": "/ops"})})
	refused(t, err, "staff: end sessions")
}

func TestAChangeThatMeetsAnotherIsTriedAgain(t *testing.T) {
	for _, status := range []int{400, 409, 500} {
		f, calls := &fake{}, 0
		f.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/groups/g") {
				if calls++; calls < 3 {
					w.WriteHeader(status)
					return true
				}
			}
			return false
		}
		if err := f.open(t).Grant(t.Context(), gr("alice", connectors.Spec{"group": "/ops"}), time.Time{}); err != nil || calls != 3 {
			t.Errorf("%d: %v after %d", status, err, calls)
		}
	}
}

func TestSettingsAreStrictAndKeepSecrets(t *testing.T) {
	good := connectors.Settings{"url": "https://id.example.com", "realm": "staff", "clientID": "tenure", "clientSecret": "change-me"}
	for _, tc := range []struct {
		key   string
		value any
		word  string
	}{
		{"url", nil, "url"}, {"url", "http://id.example.com", "https://"}, {"realm", nil, "realm"}, {"realm", "master", "must not be master"}, {"realm", "..", "realm"},
		{"clientSecret", nil, "clientSecret"}, {"clientID", "", "clientID"}, {"groups", []string{"ops"}, "groups"}, {"realmRoles", []string{"a\x00"}, "realmRoles"},
		{"ca", "change-me", "ca"}, {"token", "change-me", "token"},
	} {
		set := connectors.Settings{}
		for k, v := range good {
			set[k] = v
		}
		if set[tc.key] = tc.value; tc.value == nil {
			delete(set, tc.key)
		}
		_, err := Driver{}.Open(t.Context(), "staff", set)
		refused(t, err, tc.word)
	}
}

func TestTheSchemasAgreeWithTheCode(t *testing.T) {
	set := func(more connectors.Settings) connectors.Settings {
		s := connectors.Settings{"url": "https://id.example.com/auth", "realm": "staff", "clientID": "tenure", "clientSecret": "s"}
		for k, v := range more {
			s[k] = v
		}
		return s
	}
	conformance.SchemasAgree(t, Driver{}, []connectors.Spec{
		{}, {"group": "/a"}, {"group": "/a/b c"}, {"group": "a"}, {"group": "/"}, {"group": "/a/"}, {"group": "//a"}, {"group": 1},
		{"realmRole": "a"}, {"realmRole": ""}, {"realmRole": ".."}, {"realmRole": "a/b"}, {"realmRole": strings.Repeat("x", 256)}, {"client": "c", "role": "r"}, {"client": "c"}, {"role": "r"},
		{"client": ".", "role": "r"}, {"group": "/a", "realmRole": "b"}, {"client": "c", "realmRole": "b"},
	}, []connectors.Settings{
		{}, set(nil), set(connectors.Settings{"realm": "master"}), set(connectors.Settings{"realm": ""}), set(connectors.Settings{"clientSecretFile": "/dev/null"}),
		set(connectors.Settings{"groups": []any{"/a"}}), set(connectors.Settings{"groups": []any{"a"}}), set(connectors.Settings{"realmRoles": []any{"a"}, "clientRoles": []any{"c/r"}}),
		set(connectors.Settings{"realmRoles": []any{""}}), set(connectors.Settings{"token": "x"}), set(connectors.Settings{"url": "id.example.com"}),
	})
}

// gateway answers as one does whose server is down.
func gateway(w http.ResponseWriter) {
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprint(w, "default backend - 404")
}

func TestAGatewayWithoutItsServerIsNoEmptyList(t *testing.T) {
	const text = "realmRole=auditor"
	for name, down := range map[string]func(w http.ResponseWriter){
		"a page": gateway,
		"an object": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"message": "no route matched"}`)
		},
	} {
		for _, part := range []string{"/roles/auditor", "/roles/auditor/users"} {
			f := &fake{}
			failing := false
			f.answer = func(w http.ResponseWriter, r *http.Request) bool {
				if failing = failing || strings.HasSuffix(r.URL.Path, part); failing {
					down(w) // from here on it is down
					return true
				}
				if strings.HasSuffix(r.URL.Path, "/roles/auditor") {
					fmt.Fprint(w, `{"id": "r", "name": "auditor"}`)
					return true
				}
				return false
			}
			c := f.open(t)
			if found, err := c.Observe(t.Context(), []string{text}); err == nil {
				t.Errorf("%s for %s: observed %v", name, part, found)
			}
			if err := c.Revoke(t.Context(), grants.Grant{Target: "staff", Account: "alice", Entitlement: text}); err == nil {
				t.Errorf("%s for %s: revoked", name, part)
			}
		}
	}
}

func TestSessionsAreNotTakenForEndedByAGateway(t *testing.T) {
	for _, part := range []string{"/consents", "/sessions", "/logout"} {
		f := &fake{}
		f.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, part) {
				w.WriteHeader(http.StatusNotFound)
				fmt.Fprint(w, `{"message": "no route matched"}`)
				return true
			}
			return false
		}
		ender, _ := connectors.AsSessionEnder(f.open(t))
		if err := ender.EndSessions(t.Context(), []grants.Grant{gr("alice", connectors.Spec{"group": "/ops"})}); err == nil {
			t.Errorf("%s: the sessions count as ended", part)
		}
	}
}

func TestOneSessionThatDoesNotEndDoesNotKeepTheOthers(t *testing.T) {
	f := &fake{}
	out := map[string]bool{}
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		name, isLogout := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/admin/realms/staff/users/u-"), "/logout")
		if isLogout && name == "p0000" {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		out[name] = out[name] || isLogout
		return false
	}
	ender, _ := connectors.AsSessionEnder(f.open(t))
	var lost []grants.Grant
	for _, name := range crowd(40) {
		lost = append(lost, gr(name, connectors.Spec{"group": "/ops"}))
	}
	refused(t, ender.EndSessions(t.Context(), lost), "staff: end sessions", "403")
	for _, name := range crowd(40)[1:] {
		if !out[name] {
			t.Errorf("%s was not logged out", name)
		}
	}
}

// The server cuts pages before it puts groups below those that they are in, so that a
// page of a hundred may show a single one.
func TestAGroupIsFoundBehindManyOfTheSameName(t *testing.T) {
	f := &fake{members: []string{"alice"}}
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/groups") {
			return false
		}
		q := r.URL.Query()
		var list []group
		for i := range 150 {
			list = append(list, group{ID: fmt.Sprintf("g%d", i), Name: "ops", Path: fmt.Sprintf("/teams/t%d/ops", i), ParentID: fmt.Sprintf("t%d", i)})
		}
		list = append(list, group{ID: "g", Name: "ops", Path: "/ops"})
		first, _ := strconv.Atoi(q.Get("first"))
		list = list[min(first, len(list)):min(first+pageSize, len(list))]
		if q.Get("populateHierarchy") != "false" {
			list = slices.CompactFunc(list, func(a, b group) bool { return a.ParentID != "" && b.ParentID != "" })
			list[0] = group{ID: "teams", Name: "teams", Path: "/teams"}
		}
		_ = json.NewEncoder(w).Encode(list)
		return true
	}
	if !observed(t, f.open(t), gr("alice", connectors.Spec{"group": "/ops"})) {
		t.Error("it was not found")
	}
}

func TestAListedRoleOfAClientIsThatOfNoOther(t *testing.T) {
	c := &connector{clientRoles: []string{"https://shop.example.com/editor", "shop"}}
	for e, want := range map[entitlement]bool{
		{client: "https://shop.example.com", role: "editor"}: true,
		{client: "https:/", role: "shop.example.com/editor"}: false,
		{client: "https:", role: "/shop.example.com/editor"}: false,
		{client: "shop", role: "shop"}:                       false,
	} {
		if got := c.allowed(e) == nil; got != want {
			t.Errorf("%s: %v", e, got)
		}
	}
}
