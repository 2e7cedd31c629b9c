package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	rbac "k8s.io/api/rbac/v1"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/kubernetes/kubetest"
	"github.com/tenure-dev/tenure/grants"
)

const deployer, reader = "namespace=shop role=deployer", "clusterRole=reader namespace=shop"

func grantOf(account, entitlement string) grants.Grant {
	return grants.Grant{Target: "shop-cluster", Account: account, Entitlement: entitlement}
}

func user(name string) rbac.Subject {
	return rbac.Subject{Kind: rbac.UserKind, APIGroup: rbac.GroupName, Name: name}
}

func placed(t *testing.T, entitlement string) place {
	t.Helper()
	p, err := placeOf(entitlement)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCluster is about what the suite does not know: what people can do afterwards,
// and what others do to bindings.
func TestCluster(t *testing.T) {
	s := kubetest.Shop(t)
	c := connect(t, settingsOf(s, "tenure"))
	defer c.Close()
	until := time.Now().Add(time.Hour)
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	holds := func(t *testing.T, g grants.Grant) bool {
		t.Helper()
		found, err := c.Observe(t.Context(), []string{g.Entitlement})
		must(t, err)
		return slices.Contains(found, g)
	}

	t.Run("access begins and ends", func(t *testing.T) {
		for account, who := range map[string]string{"alice": "alice", "serviceAccount:shop:robot": serviceUser + "shop:robot"} {
			for entitlement, elsewhere := range map[string]bool{deployer: false, reader: false, "clusterRole=reader": true} {
				g := grantOf(account, entitlement)
				must(t, c.Grant(t.Context(), g, until))
				kubetest.Wait(t, "access", func() bool { return s.May(t, who, "get", "pods", "shop", "") })
				if s.May(t, who, "get", "pods", "desk", "") != elsewhere {
					t.Errorf("%s: access to another namespace is not %v", g, elsewhere)
				}
				must(t, c.Revoke(t.Context(), g))
				kubetest.Wait(t, "the end of access", func() bool { return !s.May(t, who, "get", "pods", "shop", "") })
			}
		}
	})
	t.Run("the same from another hand stays, and is an error", func(t *testing.T) {
		g := grantOf("alice", deployer)
		byHand(t, s, "on-call", placed(t, deployer), user("alice"), user("bob"))
		must(t, c.Grant(t.Context(), g, until))
		if err := c.Revoke(t.Context(), g); err == nil || !strings.Contains(err.Error(), `"on-call"`) {
			t.Errorf("revoke does not name the other binding: %v", err)
		}
		if !holds(t, g) {
			t.Error("the other binding is gone")
		}
		s.Do(t, "DELETE", rbacPath+"namespaces/shop/rolebindings/on-call", "")
		must(t, c.Revoke(t.Context(), g))
	})
	t.Run("an edited binding is seen and put right", func(t *testing.T) {
		g, other := grantOf("alice", deployer), grantOf("mallory", deployer)
		name := bindingName("shop-cluster", g.Account, g.Entitlement)
		path := rbacPath + "namespaces/shop/rolebindings"
		must(t, c.Grant(t.Context(), g, until))
		var b rbac.RoleBinding
		_, answer := s.Do(t, "GET", path+"/"+name, "")
		must(t, json.Unmarshal([]byte(answer), &b))
		b.Subjects = append(b.Subjects, user("mallory"))
		if status, _ := s.Do(t, "PUT", path+"/"+name, text(t, b)); status != http.StatusOK {
			t.Fatalf("edit: %d", status)
		}
		if !holds(t, other) {
			t.Error("who was added is not seen")
		}
		must(t, c.Grant(t.Context(), g, until))
		if !holds(t, g) || holds(t, other) {
			t.Error("the binding was not put right")
		}
		// Made anew for another role.
		s.Do(t, "DELETE", path+"/"+name, "")
		byHand(t, s, name, placed(t, reader), user("alice"))
		if holds(t, g) {
			t.Error("a binding for another role counts")
		}
		must(t, c.Grant(t.Context(), g, until))
		if !holds(t, g) || holds(t, grantOf("alice", reader)) {
			t.Error("the binding for another role was not replaced")
		}
		must(t, c.Revoke(t.Context(), g))
	})
	t.Run("what does not exist is named", func(t *testing.T) {
		for entitlement, want := range map[string]string{
			"clusterRole=reader namespace=nowhere": `namespace "nowhere" does not exist`,
			"namespace=desk role=deployer":         `Role "deployer" in namespace "desk" does not exist`,
		} {
			if err := c.Grant(t.Context(), grantOf("alice", entitlement), until); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", entitlement, err)
			}
		}
	})
	t.Run("what is not allowed is refused", func(t *testing.T) {
		set := settingsOf(s, "tenure")
		delete(set, "subjects")
		delete(set, "clusterWide")
		set["namespaces"] = []string{"desk"}
		strict := connect(t, set)
		defer strict.Close()
		for _, g := range []grants.Grant{grantOf("alice", deployer), grantOf("alice", "clusterRole=reader"),
			grantOf("group:all", "clusterRole=reader namespace=desk"), grantOf("system:anonymous", "clusterRole=reader namespace=desk")} {
			if err := strict.Grant(t.Context(), g, until); err == nil {
				t.Errorf("%s was granted", g)
			}
		}
		if err := c.Grant(t.Context(), grantOf("group:system:authenticated", deployer), until); err == nil {
			t.Error("everybody was granted something")
		}
		if err := c.Grant(t.Context(), grantOf("alice", "clusterRole=cluster-admin"), until); err == nil || !strings.Contains(err.Error(), "doctor") {
			t.Errorf("a role that may not be bound: %v", err)
		}
	})
}

// TestExpiredPage: a list whose state the server has forgotten begins again, and
// shows nothing twice.
func TestExpiredPage(t *testing.T) {
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		page := func(next, name string) {
			fmt.Fprintf(w, `{"kind":"RoleBindingList","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"continue":%q},"items":[
				{"metadata":{"name":%[2]q},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"deployer"},
				"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":%[2]q}]}]}`, next, name)
		}
		switch calls.Add(1) {
		case 2:
			w.WriteHeader(http.StatusGone)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}`)
		case 1, 3:
			page("more", "alice")
		default:
			page("", "bob")
		}
	}))
	defer srv.Close()
	c := connect(t, connectors.Settings{"server": srv.URL, "token": "x"})
	defer c.Close()
	found, err := c.list(t.Context(), "shop")
	if err != nil || len(found) != 2 || found[0].name != "alice" || found[1].name != "bob" || calls.Load() != 4 {
		t.Errorf("%v, %v after %d calls", found, err, calls.Load())
	}
}

func TestAccounts(t *testing.T) {
	for _, account := range []string{"alice", "oidc:alice", "group:dev", "serviceAccount:shop:robot", "user:group:x", "user:user:x", "a:b:c"} {
		s, err := subjectOf(account)
		if err != nil || accountOf(s) != account {
			t.Errorf("%q became %v and %q, %v", account, s, accountOf(s), err)
		}
	}
	for _, account := range []string{"", "group:", "user:alice", "serviceAccount:shop", "serviceAccount:shop:a:b", "serviceAccount::x", "a\nb"} {
		if s, err := subjectOf(account); err == nil {
			t.Errorf("%q passed as %v", account, s)
		}
	}
	if got := accountOf(user("system:serviceaccount:shop:robot")); got != "serviceAccount:shop:robot" {
		t.Errorf("a service account has a second spelling, %q", got)
	}
}

const kubeconfig = `apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: "https://cluster.example.com", %s}}]
users: [{name: u, user: {%s}}]
`

func TestSettings(t *testing.T) {
	conf := func(cluster, user string) connectors.Settings {
		return connectors.Settings{"kubeconfig": fmt.Sprintf(kubeconfig, cluster, user)}
	}
	program := `exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/s3cret, interactiveMode: Never}`
	allowed := conf("", program)
	allowed["allowExec"] = true
	for name, set := range map[string]connectors.Settings{
		"kubeconfig": conf("", "token: s3cret"), "exec that is allowed": allowed,
		"loopback": {"server": "http://127.0.0.1:1", "token": "s3cret"},
	} {
		c, err := Driver{}.Open(context.Background(), "t", set)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	for want, set := range map[string]connectors.Settings{
		"allowExec":             conf("", program),
		"verified":              conf("insecure-skip-tls-verify: true", "token: s3cret"),
		"full path":             conf("", "tokenFile: conformance_test.go"),
		"is not a kubeconfig":   {"kubeconfig": "s3cret: ["},
		"https://":              {"server": "http://cluster.example.com", "token": "s3cret"},
		"kubeconfig or server":  {"token": "s3cret"},
		"both given":            {"server": "https://a", "token": "s3cret", "tokenFile": "/s3cret"},
		"clientCertificate and": {"server": "https://a", "clientCertificate": "s3cret"},
		"certificates":          {"server": "https://a", "clientCertificate": "s3cret", "clientKey": "s3cret"},
		"subjects":              {"server": "https://a", "token": "s3cret", "subjects": []string{"s3cret"}},
		"missing":               {"server": "https://a"},
	} {
		_, err := Driver{}.Open(context.Background(), "t", set)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("want an error about %q and without the value, got: %v", want, err)
		}
	}
}

func TestDownIsAnError(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	c := connect(t, connectors.Settings{"server": srv.URL, "token": "x"})
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if found, err := c.Observe(ctx, []string{deployer}); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, %v", found, err)
	}
}
