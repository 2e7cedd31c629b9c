package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	rbac "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// connector is one cluster.
type connector struct {
	target      string
	rbac        rest.Interface
	http        *http.Client
	namespaces  []string
	clusterWide bool
	subjects    []string
}

// pageSize is how many bindings are asked for at once.
const pageSize = 500

// restarts is how often a list begins again because it took so long that the server
// no longer has its state.
const restarts = 5

// binding is what a RoleBinding and a ClusterRoleBinding have in common.
type binding struct {
	name     string
	role     rbac.RoleRef
	subjects []rbac.Subject
}

// Observe returns the subjects of all bindings of the roles in scope, whoever made
// them.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	texts := map[string]map[rbac.RoleRef]string{} // namespace -> role -> entitlement
	for _, e := range scope {
		p, err := placeOf(e)
		if err != nil {
			return nil, c.wrap("observe", err)
		}
		if texts[p.namespace] == nil {
			texts[p.namespace] = map[rbac.RoleRef]string{}
		}
		texts[p.namespace][p.role] = e
	}
	seen := map[grants.Grant]bool{}
	var out []grants.Grant
	for ns, roles := range texts {
		found, err := c.list(ctx, ns)
		if err != nil {
			return nil, c.wrap("observe", err)
		}
		for _, b := range found {
			e, ok := roles[b.role]
			if !ok {
				continue
			}
			for _, s := range b.subjects {
				g := grants.Grant{Target: c.target, Account: accountOf(s), Entitlement: e}
				if !seen[g] {
					seen[g] = true
					out = append(out, g)
				}
			}
		}
	}
	return out, nil
}

// list returns all bindings of a namespace, or those of the whole cluster: one state
// of the server, or an error.
func (c *connector) list(ctx context.Context, ns string) ([]binding, error) {
	for try := 1; ; try++ {
		var out []binding
		err := c.pages(ctx, ns, func(b binding) { out = append(out, b) })
		if err == nil || try == restarts || !apierrors.IsResourceExpired(err) {
			return out, err
		}
	}
}

func (c *connector) pages(ctx context.Context, ns string, add func(binding)) error {
	for next := ""; ; {
		var meta metav1.ListMeta
		err := retry(ctx, func() error {
			req := c.rbac.Get().Param("limit", fmt.Sprint(pageSize))
			if next != "" {
				req = req.Param("continue", next)
			}
			if ns == "" {
				var l rbac.ClusterRoleBindingList
				if err := req.Resource("clusterrolebindings").Do(ctx).Into(&l); err != nil {
					return err
				}
				for _, b := range l.Items {
					add(binding{b.Name, b.RoleRef, b.Subjects})
				}
				meta = l.ListMeta
				return nil
			}
			var l rbac.RoleBindingList
			if err := req.Namespace(ns).Resource("rolebindings").Do(ctx).Into(&l); err != nil {
				return err
			}
			for _, b := range l.Items {
				add(binding{b.Name, b.RoleRef, b.Subjects})
			}
			meta = l.ListMeta
			return nil
		})
		if err != nil {
			return err
		}
		if next = meta.Continue; next == "" {
			return nil
		}
	}
}

// Grant makes the grant's binding. Until has no meaning to a cluster.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke deletes the grant's binding. It is an error if a binding that somebody else
// made still gives the same.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Close closes the idle connections.
func (c *connector) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

func (c *connector) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, explain(err))
}

// allowed refuses what the settings do not allow to grant.
func (c *connector) allowed(p place) error {
	switch {
	case p.namespace == "" && !c.clusterWide:
		return fmt.Errorf("setting clusterWide is not true, and %s is for the whole cluster", p)
	case p.namespace == "" || slices.Contains(c.namespaces, p.namespace):
		return nil
	case len(c.namespaces) > 0 || strings.HasPrefix(p.namespace, "kube-"):
		return fmt.Errorf("setting namespaces does not list %q", p.namespace)
	}
	return nil
}
