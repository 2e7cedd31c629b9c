package vault

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/grants"
)

func TestTheSchemaOfEntitlementsAgreesWithCanonical(t *testing.T) {
	var specs []connectors.Spec
	for _, name := range []string{"a", "A", "", "root", "a b", "a  b", " a", "a ", "a/b", "a//b", "a/../b", "a/.b", "..", ".", "-a", "a-", "a.b", "a:b@c", "a+b", "a,b", "größe", "tenure-policy-a", "Tenure-policy-a", "tenure-policy", strings.Repeat("x", 200), strings.Repeat("x", 201), "a\n"} {
		specs = append(specs, spec("group", name), spec("policy", name))
	}
	specs = append(specs, connectors.Spec{}, connectors.Spec{"group": "a", "policy": "b"}, connectors.Spec{"group": 7}, connectors.Spec{"role": "a"})
	conformance.SchemasAgree(t, Driver{}, specs, nil)
}

func TestTheSchemaOfSettingsAgreesWithOpen(t *testing.T) {
	base := func(more connectors.Settings) connectors.Settings {
		s := connectors.Settings{"address": "https://h:1", "token": "t", "groups": []any{"g"}}
		for k, v := range more {
			if s[k] = v; v == nil {
				delete(s, k)
			}
		}
		return s
	}
	conformance.SchemasAgree(t, Driver{}, nil, []connectors.Settings{
		{}, base(nil), base(connectors.Settings{"address": nil}), base(connectors.Settings{"address": "h:1"}), base(connectors.Settings{"address": "https://h:1/"}), base(connectors.Settings{"address": "https://h:1/x"}),
		base(connectors.Settings{"address": "https://u@h:1"}), base(connectors.Settings{"groups": nil}), base(connectors.Settings{"groups": []any{}}), base(connectors.Settings{"groups": []any{"a/b"}}),
		base(connectors.Settings{"groups": []any{"a  b"}}), base(connectors.Settings{"groups": []any{"Tenure-policy-a"}}), base(connectors.Settings{"policies": []any{"a//b"}}), base(connectors.Settings{"policies": []any{"a/../b"}}),
		base(connectors.Settings{"groups": nil, "policies": []any{"a/b"}}), base(connectors.Settings{"policies": []any{"root"}}), base(connectors.Settings{"policies": []any{"A"}}),
		base(connectors.Settings{"mounts": []any{"oidc", "ldap/corp"}}), base(connectors.Settings{"mounts": []any{"auth/"}}), base(connectors.Settings{"endTokens": "false"}), base(connectors.Settings{"endTokens": "no"}),
		base(connectors.Settings{"token": nil}), base(connectors.Settings{"token": "a b"}), base(connectors.Settings{"tokenFile": "/x"}), base(connectors.Settings{"token": nil, "tokenFile": "/x"}),
		base(connectors.Settings{"token": nil, "roleID": "r"}), base(connectors.Settings{"token": nil, "roleID": "r", "secretID": "s"}), base(connectors.Settings{"token": nil, "roleID": "r", "secretID": "s", "secretIDFile": "/x"}),
		base(connectors.Settings{"secretID": "s"}), base(connectors.Settings{"token": nil, "kubernetesRole": "r"}), base(connectors.Settings{"token": nil, "kubernetesRole": "r", "jwtFile": "/x", "authMount": "k8s"}),
		base(connectors.Settings{"jwtFile": "/x"}), base(connectors.Settings{"authMount": "k8s"}), base(connectors.Settings{"namespace": "a/b"}), base(connectors.Settings{"plainText": "true"}), base(connectors.Settings{"dsn": "x"}),
	})
}

func TestWithoutTLSItConnectsOnlyToThisMachine(t *testing.T) {
	for address, fine := range map[string]bool{"http://127.0.0.1:1": true, "http://localhost:1": true, "http://[::1]:1": true, "http://vault.example.com:1": false, "http://127.0.0.1.example.com:1": false, "http://10.0.0.1:1": false} {
		c, err := Driver{}.Open(t.Context(), "vault", connectors.Settings{"address": address, "token": "t", "groups": []string{"g"}})
		if (err == nil) != fine {
			t.Errorf("%s: %v", address, err)
		}
		if err == nil {
			ok(t, c.Close())
		}
	}
}

func TestMountsThatLieInEachOtherAreRefused(t *testing.T) {
	for _, mounts := range [][]string{{"ldap", "ldap/corp"}, {"oidc", "oidc"}} {
		_, err := Driver{}.Open(t.Context(), "vault", connectors.Settings{"address": "https://h:1", "token": "t", "groups": []string{"g"}, "mounts": mounts})
		refused(t, err, "mounts", "lies in")
	}
}

func TestTwoPoliciesNeverShareAGroup(t *testing.T) {
	seen := map[string]string{}
	for _, policy := range []string{"a/b", "a.2fb", "a-b", "a.b", "a:b", "a.2e2fb", "a_b", "a/b/c", "a@b"} {
		ok(t, checkPolicy(policy))
		if other, taken := seen[ownGroup(policy)]; taken {
			t.Errorf("%q and %q share %q", policy, other, ownGroup(policy))
		}
		seen[ownGroup(policy)] = policy
	}
}

func TestAnAccountIsAnAliasOnTheMountsOfTheSettings(t *testing.T) {
	w := newWorld(t)
	c := w.opened(t, connectors.Settings{"mounts": []string{"userpass"}})
	g := gr("userpass/alice", "group", "db-admin")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	w.want(t, 200, w.login(t, "alice"), "GET", "kv/admin")
	if found := observed(t, c, g); !slices.Equal(found, []grants.Grant{g}) {
		t.Errorf("%v", found)
	}
	refused(t, c.Grant(t.Context(), gr("alice", "group", "db-admin"), time.Time{}), `write "userpass/alice"`)
	for _, nobody := range []string{"userpass/Alice", "userpass/alic", "userpass", "userpass/", "Alice", "oidc/alice", "id:x"} {
		if err := c.Grant(t.Context(), gr(nobody, "group", "db-admin"), time.Time{}); !errors.Is(err, connectors.ErrNoAccount) {
			t.Errorf("%q: %v", nobody, err)
		}
	}
	// One without an alias there has its name, unless that looks like an alias.
	erin := w.entity(t, "erin")
	odd := w.entity(t, "userpass/mallory")
	w.must(t, "PUT", "identity/group/name/db-reader", map[string]any{"member_entity_ids": []string{erin, odd}}, nil)
	found := observed(t, c, gr("erin", "group", "db-reader"))
	want := []grants.Grant{gr("erin", "group", "db-reader"), gr("id:"+odd, "group", "db-reader")}
	if !slices.Equal(found, want) {
		t.Errorf("%v, want %v", found, want)
	}
	refused(t, c.Grant(t.Context(), gr("userpass/mallory", "group", "db-admin"), time.Time{}), "write")
	ok(t, c.Revoke(t.Context(), gr("id:"+odd, "group", "db-reader")))
	if found := observed(t, c, want[0]); !slices.Equal(found, want[:1]) {
		t.Errorf("%v", found)
	}
}

func TestARevokeFindsAnAccountThatWasSpelledOtherwiseWhenItWasGranted(t *testing.T) {
	w := newWorld(t)
	before := w.opened(t, nil)
	g := gr("alice", "group", "db-admin")
	ok(t, before.Grant(t.Context(), g, time.Time{}))
	c := w.opened(t, connectors.Settings{"mounts": []string{"userpass"}})
	token := w.login(t, "alice")
	ok(t, c.Revoke(t.Context(), g))
	ok(t, end(t, c, g))
	w.want(t, 403, token, "GET", "auth/token/lookup-self")
	if m := w.read(t, "db-admin").Members; len(m) > 0 {
		t.Errorf("members are %v", m)
	}
}

func TestNamesAreSpelledAsTheServerHasThem(t *testing.T) {
	w := newWorld(t)
	w.policy(t, "tenure", strings.ReplaceAll(rights(t), "group/name/db-reader", "group/name/DB-Admin"))
	c := w.opened(t, connectors.Settings{"groups": []string{"db-admin", "DB-Admin"}})
	refused(t, c.Grant(t.Context(), gr("alice", "group", "DB-Admin"), time.Time{}), `spelled "db-admin"`)
	ok(t, c.Grant(t.Context(), gr("alice", "group", "db-admin"), time.Time{}))
	// The server takes both for one group. What was granted is found and ends, also
	// after the group was spelled otherwise.
	w.must(t, "PUT", "identity/group/id/"+w.read(t, "db-admin").ID, map[string]any{"name": "DB-ADMIN"}, nil)
	if found := observed(t, c, gr("alice", "group", "db-admin")); len(found) != 1 {
		t.Errorf("%v", found)
	}
	ok(t, c.Revoke(t.Context(), gr("alice", "group", "db-admin")))
	if m := w.read(t, "db-admin").Members; len(m) > 0 {
		t.Errorf("members are %v", m)
	}
}

func TestARevokeFindsAnEntityThatWasRenamedMeanwhile(t *testing.T) {
	w := newWorld(t)
	c := w.opened(t, nil)
	g := gr("alice", "group", "db-admin")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	w.must(t, "POST", "identity/entity/id/"+w.idOf(t, "alice"), map[string]any{"name": "alice.cooper"}, nil)
	if found := observed(t, c, g); !slices.Equal(found, []grants.Grant{gr("alice.cooper", "group", "db-admin")}) {
		t.Errorf("%v", found)
	}
	refused(t, c.Grant(t.Context(), g, time.Time{}), `write "alice.cooper"`)
	token := w.login(t, "alice")
	ok(t, c.Revoke(t.Context(), g))
	ok(t, end(t, c, g))
	w.want(t, 403, token, "GET", "auth/token/lookup-self")
	if m := w.read(t, "db-admin").Members; len(m) > 0 {
		t.Errorf("members are %v", m)
	}
	// Whoever gets the name next is somebody else.
	w.entity(t, "alice")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	ok(t, c.Grant(t.Context(), gr("alice.cooper", "group", "db-admin"), time.Time{}))
	ok(t, c.Revoke(t.Context(), g))
	if found := observed(t, c, g); !slices.Equal(found, []grants.Grant{gr("alice.cooper", "group", "db-admin")}) {
		t.Errorf("%v", found)
	}
}

func TestARevokeFindsWhomItWasGivenToAfterAnotherHasTheName(t *testing.T) {
	w := newWorld(t)
	c := w.opened(t, nil)
	g := gr("alice", "group", "db-admin")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	first := w.idOf(t, "alice")
	w.must(t, "POST", "identity/entity/id/"+first, map[string]any{"name": "alice.cooper"}, nil)
	w.entity(t, "alice")
	token := w.login(t, "alice") // by her alias, which is the first one's still
	_ = observed(t, c, g)
	ok(t, c.Revoke(t.Context(), g))
	ok(t, end(t, c, g))
	w.want(t, 403, token, "GET", "auth/token/lookup-self")
	if m := w.read(t, "db-admin").Members; len(m) > 0 {
		t.Errorf("members are %v", m)
	}
	// What she is given by her new name does not end with the old one.
	cooper := gr("alice.cooper", "group", "db-admin")
	w.must(t, "POST", "identity/entity/id/"+w.idOf(t, "alice"), map[string]any{"name": "somebody"}, nil)
	w.must(t, "POST", "identity/entity/id/"+first, map[string]any{"name": "alice"}, nil)
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	w.must(t, "POST", "identity/entity/id/"+first, map[string]any{"name": "alice.cooper"}, nil)
	w.entity(t, "alice")
	ok(t, c.Grant(t.Context(), cooper, time.Time{}))
	ok(t, c.Revoke(t.Context(), g))
	if m := w.read(t, "db-admin").Members; !slices.Equal(m, []string{first}) {
		t.Errorf("members are %v", m)
	}
	ok(t, c.Revoke(t.Context(), cooper))
	// What another hand gives to the first one after that is no more of ours.
	w.must(t, "PUT", "identity/group/name/db-admin", map[string]any{"member_entity_ids": []string{first}}, nil)
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	ok(t, c.Revoke(t.Context(), g))
	if m := w.read(t, "db-admin").Members; !slices.Equal(m, []string{first}) {
		t.Errorf("members are %v", m)
	}
}

func TestARevokeFindsAnEntityThatHasAnExactNameByNow(t *testing.T) {
	w := newWorld(t)
	odd := w.entity(t, "userpass/mallory")
	mounts := connectors.Settings{"mounts": []string{"userpass"}}
	g := gr("id:"+odd, "group", "db-admin")
	ok(t, w.opened(t, mounts).Grant(t.Context(), g, time.Time{}))
	w.must(t, "POST", "identity/entity/id/"+odd, map[string]any{"name": "mallory"}, nil)
	c := w.opened(t, mounts)
	refused(t, c.Grant(t.Context(), g, time.Time{}), "id:")
	ok(t, c.Revoke(t.Context(), g))
	if m := w.read(t, "db-admin").Members; len(m) > 0 {
		t.Errorf("members are %v", m)
	}
}
