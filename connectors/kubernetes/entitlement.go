package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/tenure-dev/tenure/connectors"
)

// maxRole is the longest name of a role that is taken, in bytes.
const maxRole = 253

// place is an entitlement: a role, and where it is bound. Namespace is empty for the
// whole cluster.
type place struct {
	namespace string
	role      rbac.RoleRef
}

func canonical(spec connectors.Spec) (string, error) {
	keys := []string{"clusterRole"}
	_, local := spec["role"]
	_, inNamespace := spec["namespace"]
	switch {
	case local:
		keys = []string{"namespace", "role"}
	case inNamespace:
		keys = []string{"clusterRole", "namespace"}
	}
	pairs, err := connectors.DecodeSpec(spec, keys...)
	if err != nil {
		return "", err
	}
	if ns, ok := pairs["namespace"]; ok {
		if err := checkNamespace(ns); err != nil {
			return "", err
		}
	}
	role := pairs["role"] + pairs["clusterRole"]
	if why := content.IsPathSegmentName(role); len(why) > 0 {
		return "", fmt.Errorf("the name of a role %s", why[0])
	}
	if len(role) > maxRole {
		return "", fmt.Errorf("the name of a role must not be longer than %d bytes", maxRole)
	}
	return connectors.Format(pairs), nil
}

func checkNamespace(name string) error {
	if why := validation.IsDNS1123Label(name); len(why) > 0 {
		return fmt.Errorf("%+.80q is no name of a namespace: %s", name, why[0])
	}
	return nil
}

// placeOf reads a canonical text.
func placeOf(text string) (place, error) {
	pairs, err := connectors.Parse(text)
	if err != nil {
		return place{}, err
	}
	spec := connectors.Spec{}
	for k, v := range pairs {
		spec[k] = v
	}
	if _, err := canonical(spec); err != nil {
		return place{}, fmt.Errorf("entitlement %q: %w", text, err)
	}
	p := place{namespace: pairs["namespace"], role: rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: pairs["clusterRole"]}}
	if name, ok := pairs["role"]; ok {
		p.role.Kind, p.role.Name = "Role", name
	}
	return p, nil
}

// bindings is the resource that holds the place's bindings.
func (p place) bindings() string {
	if p.namespace == "" {
		return "clusterrolebindings"
	}
	return "rolebindings"
}

// roles is the resource of the role.
func (p place) roles() string { return strings.ToLower(p.role.Kind) + "s" }

// roleNamespace is where the role itself is.
func (p place) roleNamespace() string {
	if p.role.Kind == "Role" {
		return p.namespace
	}
	return ""
}

func (p place) String() string {
	if p.namespace == "" {
		return fmt.Sprintf("%s %q", p.role.Kind, p.role.Name)
	}
	return fmt.Sprintf("%s %q in namespace %q", p.role.Kind, p.role.Name, p.namespace)
}

// bindingName is the one name of a grant's binding: nobody writes it by accident, and
// two writers meet at it.
func bindingName(target, account, entitlement string) string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%q %q %q", target, account, entitlement)))
	return "tenure-" + hex.EncodeToString(sum[:20])
}
