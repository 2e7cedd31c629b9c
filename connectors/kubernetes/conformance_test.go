package kubernetes

import (
	"encoding/json"
	"fmt"
	"testing"

	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
	"github.com/tenure-dev/tenure/connectors/kubernetes/kubetest"
	"github.com/tenure-dev/tenure/grants"
)

const rbacPath = "/apis/rbac.authorization.k8s.io/v1/"

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
	s := kubetest.Shop(t)
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
			kubetest.Wait(t, "the right to bind", func() bool { return s.May(t, "tenure", "bind", "clusterroles", "shop", name) })
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
