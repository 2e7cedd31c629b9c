package vault

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server with people, groups, policies and secrets in it.
type world struct {
	*server
	token string // of the reconciler: exactly the documented rights
}

var people4 = []string{"alice", "bob", "carol", "dave"}

func newWorld(t testing.TB) *world {
	t.Helper()
	return furnish(t, startServer(t, false))
}

func furnish(t testing.TB, s *server) *world {
	t.Helper()
	w := &world{server: s}
	w.must(t, "POST", "sys/auth/userpass", map[string]any{"type": "userpass"}, nil)
	w.must(t, "POST", "sys/mounts/kv", map[string]any{"type": "kv"}, nil)
	for _, name := range []string{"admin", "orders", "orders2"} {
		w.must(t, "POST", "kv/"+name, map[string]any{"word": name}, nil)
	}
	w.policy(t, "kv-admin", `path "kv/admin" { capabilities = ["read"] }`)
	w.policy(t, "orders-read", `path "kv/orders" { capabilities = ["read"] }`)
	w.policy(t, "orders/write", `path "kv/orders2" { capabilities = ["read", "update"] }`)
	w.policy(t, "tenure", rights(t))
	w.must(t, "PUT", "identity/group/name/db-admin", map[string]any{"policies": "kv-admin"}, nil)
	w.must(t, "PUT", "identity/group/name/db-reader", map[string]any{"policies": []string{}}, nil)
	for _, name := range people4 {
		w.user(t, name)
	}
	w.token = w.server.token(t, "tenure")
	return w
}

func (w *world) policy(t testing.TB, name, text string) {
	t.Helper()
	w.must(t, "PUT", "sys/policies/acl/"+name, map[string]any{"policy": text}, nil)
}

func (w *world) settings(more connectors.Settings) connectors.Settings {
	set := connectors.Settings{"address": w.url, "token": w.token, "groups": []string{"db-admin", "db-reader", "absent"}, "policies": []string{"orders-read", "orders/write"}}
	for k, v := range more {
		if set[k] = v; v == nil {
			delete(set, k)
		}
	}
	return set
}

func (w *world) open(t testing.TB, more connectors.Settings) connectors.Connector {
	t.Helper()
	c, err := Driver{}.Open(t.Context(), "vault", w.settings(more))
	ok(t, err)
	return c
}

func (w *world) opened(t testing.TB, more connectors.Settings) connectors.Connector {
	t.Helper()
	c := w.open(t, more)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// idOf returns the entity of a name, or nothing.
func (w *world) idOf(t testing.TB, name string) string {
	t.Helper()
	var a struct{ Data struct{ ID string } }
	w.as(t, w.root, "POST", "identity/lookup/entity", map[string]any{"name": name}, &a)
	return a.Data.ID
}

// read returns a group as the server shows it.
func (w *world) read(t testing.TB, name string) (g group) {
	t.Helper()
	w.must(t, "GET", "identity/group/name/"+name, nil, &g)
	return g
}

// byHand changes a membership as an administrator would.
func (w *world) byHand(t testing.TB, g grants.Grant, revoke bool) {
	t.Helper()
	e, err := readText(g.Entitlement)
	ok(t, err)
	var now struct{ Data group }
	w.as(t, w.root, "GET", "identity/group/name/"+e.group(), nil, &now)
	list, _ := merge(now.Data.Members, map[string]bool{w.idOf(t, g.Account): !revoke})
	body := map[string]any{"member_entity_ids": list}
	if e.kind == kindPolicy {
		body["policies"] = []string{e.name}
	}
	w.must(t, "PUT", "identity/group/name/"+e.group(), body, nil)
}

func spec(kind, name string) connectors.Spec { return connectors.Spec{kind: name} }

func gr(account, kind, name string) grants.Grant {
	text, err := Driver{}.Canonical(spec(kind, name))
	if err != nil {
		panic(err)
	}
	return grants.Grant{Target: "vault", Account: account, Entitlement: text}
}

// plainNames are those of the suite's hostile names that a group may have. The
// reconciler needs a right for each.
var plainNames = []string{
	"a:b", "ALL", "Defaults", "MiXed", "mixed", "public", "none", "null", "true", "0", strings.Repeat("x", 63), strings.Repeat("x", 64),
}

func TestConformance(t *testing.T) {
	w := furnish(t, startServer(t, true))
	var listed []string
	extra := rights(t)
	c := conformance.Subject{
		Driver: Driver{}, Target: "vault",
		Open: func(t testing.TB) connectors.Connector {
			return w.open(t, connectors.Settings{"groups": append([]string{"db-admin", "db-reader", "absent"}, listed...)})
		},
		Accounts: people4,
		Specs: []connectors.Spec{
			spec("group", "db-admin"), spec("group", "db-reader"), spec("policy", "orders-read"), spec("policy", "orders/write"),
		},
		Absent: spec("group", "absent"),
		BadSpecs: []connectors.Spec{
			spec("policy", "root"), spec("policy", "Orders-Read"), spec("policy", "a,b"), spec("policy", "a b"), spec("policy", "a/../b"), spec("policy", "a//b"),
			spec("group", "a/b"), spec("group", ".."), spec("group", "a*"), spec("group", "größe"), spec("group", "tenure-policy-x"), spec("group", "Tenure-Policy-x"),
			spec("group", strings.Repeat("x", 201)), {"group": 1}, {"group": "a", "policy": "b"}, {"groups": "a"},
		},
		UnknownAccount: "mallory",
		ForeignGrant:   func(t testing.TB, g grants.Grant) { w.byHand(t, g, false) },
		ForeignRevoke:  func(t testing.TB, g grants.Grant) { w.byHand(t, g, true) },
		Named:          func(name string) connectors.Spec { return spec("group", name) },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			if kind == conformance.EntitlementName {
				if !slices.Contains(plainNames, name) {
					t.Errorf("name %q passes, and no right for it was given", name)
				}
				return w.as(t, w.root, "POST", "identity/group", map[string]any{"name": name}, nil) < 300
			}
			code := w.as(t, w.root, "POST", "identity/entity", map[string]any{"name": name}, nil)
			return code < 300
		},
		Many:    600,
		Kill:    func(testing.TB) { w.Kill() },
		Restart: func(t testing.TB) { w.Restart(t) },
		Session: func(t testing.TB, g grants.Grant) func() bool {
			token := w.login(t, g.Account)
			if code := w.as(t, token, "GET", "kv/admin", nil, nil); code != 200 {
				t.Fatalf("the person cannot read: %d", code)
			}
			return func() bool { return w.as(t, token, "GET", "auth/token/lookup-self", nil, nil) == 200 }
		},
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			w.policy(t, "weak", `path "auth/token/lookup-self" { capabilities = ["read"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "auth/token/accessors/" { capabilities = ["list"] }
path "identity/group/name/db-admin" { capabilities = ["read"] }`)
			return w.open(t, connectors.Settings{"token": w.server.token(t, "weak")}), []string{
				`missing right: update on path "auth/token/renew-self"`,
				`missing right: list on path "identity/entity/id"`,
				`missing right: read on path "identity/entity/id/*"`,
				`missing right: read on path "identity/group/id/*"`,
				`missing right: update on path "identity/group/name/db-admin"`,
				`missing right: read on path "identity/group/name/db-reader"`,
				`missing right: update on path "identity/group/name/tenure-policy-orders-read"`,
				`missing right: update on path "identity/group/name/tenure-policy-orders.2fwrite"`,
				`missing right: read on path "sys/policies/acl/orders/write"`,
				`missing right: sudo on path "auth/token/accessors/"`,
				`missing right: update on path "auth/token/lookup-accessor"`,
				`missing right: update on path "auth/token/revoke-accessor"`,
			}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseNativeExpiry: "neither a membership nor a policy of an entity has an end in Vault",
		},
	}
	listed = append(listed, plainNames...)
	for _, name := range append([]string{"absent"}, plainNames...) {
		extra += fmt.Sprintf("path %q {\n capabilities = [\"read\", \"update\"]\n allowed_parameters = { \"member_entity_ids\" = [] }\n}\n", "identity/group/name/"+name)
	}
	w.policy(t, "tenure", extra)
	conformance.Run(t, c)
}
