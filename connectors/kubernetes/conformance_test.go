package kubernetes

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/connectors/kubernetes/kubetest"
	"github.com/tenure-dev/tenure/grants"
)

const (
	rbacPath   = "/apis/rbac.authorization.k8s.io/v1/"
	namespaces = "/api/v1/namespaces"
)

// cluster is a server with the roles of the documentation, and the rights of the
// documentation for the reconciler.
func cluster(t testing.TB) *kubetest.Server {
	s := kubetest.Start(t)
	create := func(path string, object any) {
		t.Helper()
		if !s.Create(t, path, text(t, object)) {
			t.Fatalf("%s refuses %v", path, object)
		}
	}
	for _, ns := range []string{"shop", "desk"} {
		create(namespaces, map[string]any{"metadata": map[string]any{"name": ns}})
	}
	create(namespaces+"/shop/serviceaccounts", map[string]any{"metadata": map[string]any{"name": "robot"}})
	pods := []rbac.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}
	create(rbacPath+"namespaces/shop/roles", rbac.Role{ObjectMeta: metav1.ObjectMeta{Name: "deployer"}, Rules: pods})
	create(rbacPath+"clusterroles", rbac.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Rules: pods})
	for _, rights := range [][2]string{{"tenure", "get, bind"}, {"weak", "get"}} {
		doc := strings.NewReplacer("tenure", rights[0], "get, bind", rights[1]).Replace(documented(t))
		role, binding, _ := strings.Cut(doc, "\n---\n")
		if !s.Create(t, rbacPath+"clusterroles", role) || !s.Create(t, rbacPath+"clusterrolebindings", binding) {
			t.Fatal("the cluster refuses the documented rights")
		}
	}
	wait(t, "the rights of weak", func() bool { return may(t, s, "weak", "delete", "rolebindings", "shop", "") })
	wait(t, "the rights of tenure", func() bool { return may(t, s, "tenure", "bind", "clusterroles", "shop", "reader") })
	return s
}

// documented returns the rights as docs/connectors/kubernetes.md has them.
func documented(t testing.TB) string {
	doc, err := os.ReadFile("../../docs/connectors/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(doc), "```text rights\n")
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("the documentation has no rights")
	}
	return block
}

func text(t testing.TB, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func settingsOf(s *kubetest.Server, user string) connectors.Settings {
	return connectors.Settings{"server": s.URL, "ca": s.CA, "token": kubetest.Token(user), "clusterWide": true,
		"subjects": []string{"user", "group", "serviceAccount"}}
}

func connect(t testing.TB, set connectors.Settings) *connector {
	t.Helper()
	c, err := Driver{}.Open(t.Context(), "shop-cluster", set)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*connector)
}

// may asks the cluster's own authorizer.
func may(t testing.TB, s *kubetest.Server, user, verb, resource, ns, name string) bool {
	t.Helper()
	group := rbac.GroupName
	if resource == "pods" {
		group = ""
	}
	_, answer := s.Do(t, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", text(t, map[string]any{"spec": map[string]any{
		"user": user, "resourceAttributes": map[string]any{"verb": verb, "group": group, "resource": resource, "namespace": ns, "name": name}}}))
	var review struct{ Status struct{ Allowed bool } }
	if err := json.Unmarshal([]byte(answer), &review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// byHand makes a binding that is not ours.
func byHand(t testing.TB, s *kubetest.Server, name string, p place, subjects ...rbac.Subject) {
	t.Helper()
	path := rbacPath + "clusterrolebindings"
	if p.namespace != "" {
		path = rbacPath + "namespaces/" + p.namespace + "/rolebindings"
	}
	if !s.Create(t, path, text(t, rbac.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: p.role, Subjects: subjects})) {
		t.Fatal("the cluster refuses a binding")
	}
}

func TestConformance(t *testing.T) {
	s := cluster(t)
	admin := connect(t, settingsOf(s, "admin"))
	defer admin.Close()
	parts := func(t testing.TB, g grants.Grant) (place, rbac.Subject) {
		p, err := placeOf(g.Entitlement)
		if err != nil {
			t.Fatal(err)
		}
		subject, err := subjectOf(g.Account)
		if err != nil {
			t.Fatal(err)
		}
		return p, subject
	}
	made := 0
	conformance.Run(t, conformance.Subject{
		Driver: Driver{}, Target: "shop-cluster",
		Open:     func(t testing.TB) connectors.Connector { return connect(t, settingsOf(s, "tenure")) },
		Accounts: []string{"alice", "bob", "carol", "dave"},
		Specs: []connectors.Spec{{"namespace": "shop", "role": "deployer"}, {"namespace": "shop", "clusterRole": "reader"},
			{"clusterRole": "reader"}},
		Absent: connectors.Spec{"namespace": "nowhere", "role": "deployer"},
		BadSpecs: []connectors.Spec{{"namespace": "shop"}, {"role": "deployer"}, {"namespace": "Shop", "role": "x"}, {"clusterRole": "a/b"},
			{"namespace": "shop", "role": "x", "clusterRole": "x"}, {"clusterRole": ".."}, {"clusterRole": "a%b"}, {"namespace": "", "clusterRole": "reader"}},
		UnknownAccount: "serviceAccount:shop:ghost",
		Many:           600, // more than a page
		ForeignGrant: func(t testing.TB, g grants.Grant) {
			p, subject := parts(t, g)
			byHand(t, s, bindingName("by hand", g.Account, g.Entitlement), p, subject)
		},
		ForeignRevoke: func(t testing.TB, g grants.Grant) {
			p, subject := parts(t, g)
			found, err := admin.list(t.Context(), p.namespace)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range found {
				if b.role == p.role && len(b.subjects) == 1 && b.subjects[0] == subject {
					if err := admin.drop(t.Context(), p, b.name); err != nil {
						t.Fatal(err)
					}
				}
			}
		},
		Named: func(name string) connectors.Spec { return connectors.Spec{"namespace": "shop", "clusterRole": name} },
		Create: func(t testing.TB, kind conformance.Kind, name string) bool {
			if kind == conformance.AccountName {
				return true // users are no objects
			}
			if !s.Create(t, rbacPath+"clusterroles", text(t, rbac.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}})) {
				return false
			}
			made++ // and the right to hand it on
			more := fmt.Sprintf("more-%d", made)
			if !s.Create(t, rbacPath+"clusterroles", text(t, rbac.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: more},
				Rules: []rbac.PolicyRule{{APIGroups: []string{rbac.GroupName}, Resources: []string{"clusterroles"}, ResourceNames: []string{name}, Verbs: []string{"get", "bind"}}}})) {
				t.Fatal("the cluster refuses a role")
			}
			byHand(t, s, more, place{role: rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: more}},
				rbac.Subject{Kind: rbac.UserKind, APIGroup: rbac.GroupName, Name: "tenure"})
			wait(t, "the right to bind", func() bool { return may(t, s, "tenure", "bind", "clusterroles", "shop", name) })
			return true
		},
		Kill: s.Kill, Restart: s.Restart,
		Weak: func(t testing.TB) (connectors.Connector, []string) {
			return connect(t, settingsOf(s, "weak")), []string{`bind roles "deployer" in namespace "shop"`, `bind clusterroles "reader"`}
		},
		NotApplicable: map[conformance.Case]string{
			conformance.CaseSessions:     "Kubernetes checks each request by itself and has no call to end a running stream",
			conformance.CaseNativeExpiry: "a binding has no end of its own",
		},
	})
}
