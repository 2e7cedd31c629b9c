package vault

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

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
}

func observed(t testing.TB, c connectors.Connector, g ...grants.Grant) []grants.Grant {
	t.Helper()
	var scope []string
	for _, x := range g {
		scope = append(scope, x.Entitlement)
	}
	found, err := c.Observe(t.Context(), scope)
	ok(t, err)
	slices.SortFunc(found, grants.Grant.Compare)
	return found
}

func end(t testing.TB, c connectors.Connector, g ...grants.Grant) error {
	t.Helper()
	ender, can := connectors.AsSessionEnder(c)
	if !can {
		t.Fatal("it cannot end sessions")
	}
	return ender.EndSessions(t.Context(), g)
}

func (w *world) want(t testing.TB, code int, token, method, path string) {
	t.Helper()
	if got := w.as(t, token, method, path, nil, nil); got != code {
		t.Errorf("%s %s: %d, want %d", method, path, got, code)
	}
}

// eventually polls what the server does in the background.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func TestAPersonCanReadASecretAfterTheGrantAndNoLongerAfterTheRevoke(t *testing.T) {
	w := newWorld(t)
	c := w.opened(t, nil)
	token := w.login(t, "alice")
	for path, g := range map[string]grants.Grant{
		"kv/admin": gr("alice", "group", "db-admin"), "kv/orders": gr("alice", "policy", "orders-read"), "kv/orders2": gr("alice", "policy", "orders/write"),
	} {
		w.want(t, 403, token, "GET", path)
		ok(t, c.Grant(t.Context(), g, time.Time{}))
		w.want(t, 200, token, "GET", path) // the same token: policies are worked out at each request
		w.want(t, 403, w.login(t, "bob"), "GET", path)
		ok(t, c.Revoke(t.Context(), g))
		w.want(t, 403, token, "GET", path)
		ok(t, end(t, c, g))
		w.want(t, 403, token, "GET", "auth/token/lookup-self")
		token = w.login(t, "alice")
		w.want(t, 403, token, "GET", path)
	}
}

// issuer makes a secrets engine whose secrets have leases: certificates, which the
// server revokes with their lease. Members of db-reader may have them made.
func (w *world) issuer(t testing.TB) {
	t.Helper()
	w.must(t, "POST", "sys/mounts/pki", map[string]any{"type": "pki"}, nil)
	w.must(t, "POST", "pki/root/generate/internal", map[string]any{"common_name": "test", "ttl": "100h"}, nil)
	w.must(t, "POST", "pki/roles/short", map[string]any{"allow_any_name": true, "generate_lease": true, "ttl": "1h", "key_type": "ec", "key_bits": 256}, nil)
	w.policy(t, "issue", `path "pki/issue/short" { capabilities = ["update"] }
path "auth/token/create" { capabilities = ["update"] }`)
	w.must(t, "PUT", "identity/group/name/db-reader", map[string]any{"policies": "issue"}, nil)
}

// issue has a certificate made, and returns whether it is still good.
func (w *world) issue(t testing.TB, token string) (lease string, good func() bool) {
	t.Helper()
	var a struct {
		Lease string `json:"lease_id"`
		Data  struct {
			Serial string `json:"serial_number"`
		} `json:"data"`
	}
	if code := w.as(t, token, "POST", "pki/issue/short", map[string]any{"common_name": "x.example.com"}, &a); code != 200 || a.Lease == "" {
		t.Fatalf("issue: %d", code)
	}
	return a.Lease, func() bool {
		var cert struct {
			Revoked int `json:"revocation_time"`
		}
		w.must(t, "GET", "pki/cert/"+a.Data.Serial, nil, &cert)
		return cert.Revoked == 0
	}
}

func (w *world) leased(t testing.TB, lease string) bool {
	t.Helper()
	return w.as(t, w.root, "PUT", "sys/leases/lookup", map[string]any{"lease_id": lease}, nil) == 200
}

func TestWhatATokenMadeWithALostRightEndsWithIt(t *testing.T) {
	w := newWorld(t)
	w.issuer(t)
	c := w.opened(t, nil)
	alice, bob := gr("alice", "group", "db-reader"), gr("bob", "group", "db-reader")
	ok(t, c.Grant(t.Context(), alice, time.Time{}))
	ok(t, c.Grant(t.Context(), bob, time.Time{}))
	parent, theirs := w.login(t, "alice"), w.login(t, "bob")
	lease, good := w.issue(t, parent)
	_, stillGood := w.issue(t, theirs)
	var a answer
	if code := w.as(t, parent, "POST", "auth/token/create", map[string]any{"policies": []string{"default"}}, &a); code != 200 {
		t.Fatalf("child token: %d", code)
	}
	child := a.Auth.ClientToken
	childLease, childGood := w.issue(t, child) // a child token is the entity's, too

	ok(t, c.Revoke(t.Context(), alice))
	w.want(t, 403, parent, "POST", "pki/issue/short")
	if !good() || !childGood() || !w.leased(t, lease) || !w.leased(t, childLease) {
		t.Error("the server itself ended what the token made: EndSessions would not be needed")
	}
	ok(t, end(t, c, alice))
	for _, token := range []string{parent, child} {
		w.want(t, 403, token, "GET", "auth/token/lookup-self")
	}
	eventually(t, "the leases and what they are for are gone", func() bool {
		return !good() && !childGood() && !w.leased(t, lease) && !w.leased(t, childLease)
	})
	if !stillGood() {
		t.Error("somebody else's certificate was revoked")
	}
	w.want(t, 200, theirs, "GET", "auth/token/lookup-self")
	w.want(t, 200, w.token, "GET", "auth/token/lookup-self")
}

func TestTokensStayWhileTheRightRemainsByAnotherPath(t *testing.T) {
	w := newWorld(t)
	c := w.opened(t, nil)
	group, policy := gr("alice", "group", "db-admin"), gr("alice", "policy", "orders-read")
	alice := w.idOf(t, "alice")
	var inner struct{ ID string }
	for name, other := range map[string]struct {
		lost       grants.Grant
		give, take func()
		login      func() string
	}{
		"a group in the group": {lost: group, give: func() {
			w.must(t, "POST", "identity/group", map[string]any{"name": "inner", "member_entity_ids": []string{alice}}, &inner)
			w.must(t, "PUT", "identity/group/name/db-admin", map[string]any{"member_group_ids": []string{inner.ID}}, nil)
		}, take: func() { w.must(t, "DELETE", "identity/group/name/inner", nil, nil) }},
		"another group with the policy": {lost: policy, give: func() {
			w.must(t, "POST", "identity/group", map[string]any{"name": "readers", "policies": "orders-read", "member_entity_ids": []string{alice}}, nil)
		}, take: func() { w.must(t, "DELETE", "identity/group/name/readers", nil, nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			ok(t, c.Grant(t.Context(), other.lost, time.Time{}))
			token := w.login(t, "alice")
			other.give()
			ok(t, c.Revoke(t.Context(), other.lost))
			ok(t, end(t, c, other.lost))
			w.want(t, 200, token, "GET", "auth/token/lookup-self")
			other.take()
			ok(t, end(t, c, other.lost))
			w.want(t, 403, token, "GET", "auth/token/lookup-self")
		})
	}
	t.Run("the token itself has the policy", func(t *testing.T) {
		ok(t, c.Grant(t.Context(), policy, time.Time{}))
		plain := w.login(t, "alice")
		w.must(t, "POST", "auth/userpass/users/alice", map[string]any{"token_policies": "orders-read"}, nil)
		token := w.login(t, "alice")
		ok(t, c.Revoke(t.Context(), policy))
		ok(t, end(t, c, policy))
		w.want(t, 403, plain, "GET", "auth/token/lookup-self")
		w.want(t, 200, token, "GET", "kv/orders")
	})
}

func TestTokensOfAnEntityThatWasMergedIntoAnotherEndToo(t *testing.T) {
	w := newWorld(t)
	c := w.opened(t, nil)
	g := gr("alice", "group", "db-admin")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	w.must(t, "POST", "sys/auth/second", map[string]any{"type": "userpass"}, nil)
	w.must(t, "POST", "auth/second/users/al", map[string]any{"password": "al"}, nil)
	var a answer
	if code := w.as(t, "", "POST", "auth/second/login/al", map[string]any{"password": "al"}, &a); code != 200 {
		t.Fatal(code)
	}
	token := a.Auth.ClientToken
	var other struct {
		Data struct {
			ID string `json:"entity_id"`
		} `json:"data"`
	}
	w.as(t, token, "GET", "auth/token/lookup-self", nil, &other)
	w.must(t, "POST", "identity/entity/merge", map[string]any{"from_entity_ids": []string{other.Data.ID}, "to_entity_id": w.idOf(t, "alice")}, nil)
	w.want(t, 200, token, "GET", "kv/admin") // it is alice's now
	ok(t, c.Revoke(t.Context(), g))
	ok(t, end(t, c, g))
	w.want(t, 403, token, "GET", "auth/token/lookup-self")
}

func TestEndingTokensCanBeLeftOut(t *testing.T) {
	w := newWorld(t)
	_, rest, _ := strings.Cut(rights(t), "# To end tokens")
	w.policy(t, "tenure", strings.TrimSuffix(rights(t), rest)) // without those lines
	c := w.opened(t, connectors.Settings{"endTokens": false})
	if _, can := connectors.AsSessionEnder(c); can {
		t.Error("it still ends sessions")
	}
	check, _ := connectors.AsChecker(c)
	if errs := check.Check(t.Context(), []string{"group=db-admin", "policy=orders-read"}); len(errs) > 0 {
		t.Errorf("%v", errs)
	}
	g := gr("alice", "group", "db-admin")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	token := w.login(t, "alice")
	ok(t, c.Revoke(t.Context(), g))
	w.want(t, 403, token, "GET", "kv/admin")
	w.want(t, 200, token, "GET", "auth/token/lookup-self")
}

func TestTheTimeToLookAtManyTokensIsNotLostWhenItRunsOut(t *testing.T) {
	w := newWorld(t)
	c := w.opened(t, nil)
	g := gr("alice", "group", "db-admin")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	token := w.login(t, "alice")
	const n = 300
	for range n {
		w.server.token(t, "default")
	}
	ok(t, c.Revoke(t.Context(), g))
	ender, _ := connectors.AsSessionEnder(c)
	var took time.Duration
	for short := 50 * time.Millisecond; ; short *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), short)
		began := time.Now()
		err := ender.EndSessions(ctx, []grants.Grant{g})
		cancel()
		if took = time.Since(began); err == nil {
			break
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if short > time.Minute {
			t.Fatal("it never ends")
		}
	}
	w.want(t, 403, token, "GET", "auth/token/lookup-self")
	began := time.Now()
	ok(t, end(t, c, g))
	t.Logf("%d tokens: the last call took %s, one that knows them %s", n, took, time.Since(began))
}
