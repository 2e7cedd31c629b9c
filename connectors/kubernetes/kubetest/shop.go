package kubetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const (
	rbac       = "/apis/rbac.authorization.k8s.io/v1/"
	namespaces = "/api/v1/namespaces"
	readPods   = "rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]"
)

// Shop is a cluster with the namespaces shop and desk, the roles of the page on the
// connector, and for the user tenure exactly the rights of that page. The user weak has
// the same without the right to bind roles.
func Shop(t testing.TB) *Server {
	t.Helper()
	s := Start(t)
	create := func(path, object string) {
		t.Helper()
		if !s.Create(t, path, object) {
			t.Fatalf("%s refuses %s", path, object)
		}
	}
	for _, ns := range []string{"shop", "desk"} {
		create(namespaces, "metadata: {name: "+ns+"}")
	}
	create(namespaces+"/shop/serviceaccounts", "metadata: {name: robot}")
	create(rbac+"namespaces/shop/roles", "metadata: {name: deployer}\n"+readPods)
	create(rbac+"clusterroles", "metadata: {name: reader}\n"+readPods)
	for _, rights := range [][2]string{{"tenure", "get, bind"}, {"weak", "get"}} {
		doc := strings.NewReplacer("tenure", rights[0], "get, bind", rights[1]).Replace(documented(t))
		role, binding, _ := strings.Cut(doc, "\n---\n")
		create(rbac+"clusterroles", role)
		create(rbac+"clusterrolebindings", binding)
	}
	Wait(t, "the rights of weak", func() bool { return s.May(t, "weak", "delete", "rolebindings", "shop", "") })
	Wait(t, "the rights of tenure", func() bool { return s.May(t, "tenure", "bind", "clusterroles", "shop", "reader") })
	return s
}

// documented returns the rights as docs/connectors/kubernetes.md has them.
func documented(t testing.TB) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	doc, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../../docs/connectors/kubernetes.md"))
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

// May asks the cluster's own authorizer about pods, or about an object of access
// control.
func (s *Server) May(t testing.TB, user, verb, resource, ns, name string) bool {
	t.Helper()
	group := "rbac.authorization.k8s.io"
	if resource == "pods" {
		group = ""
	}
	_, answer := s.Do(t, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", fmt.Sprintf(
		"spec: {user: %q, resourceAttributes: {verb: %q, group: %q, resource: %q, namespace: %q, name: %q}}", user, verb, group, resource, ns, name))
	var review struct{ Status struct{ Allowed bool } }
	if err := json.Unmarshal([]byte(answer), &review); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	return review.Status.Allowed
}

// Wait polls until done, as the authorizer sees a change after some 0.2 s.
func Wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
