package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	rbac "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// parallel is how many changes of a batch are under way at once.
const parallel = 8

// manager is the owner of fields that server-side apply records.
const manager = "tenure"

// Apply makes and deletes bindings, a few at once. Of several acts on one grant the
// last decides. Roles are looked at once a batch, and so are the namespaces after it.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	errs := make([]error, len(acts))
	last := map[grants.Grant]int{}
	for i, a := range acts {
		last[a.Grant] = i
	}
	roles := &roleLook{c: c, known: map[place]func() error{}}
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, i := range last {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if errs[i] = ctx.Err(); errs[i] != nil {
				return
			}
			if acts[i].Revoke {
				errs[i] = c.unbind(ctx, acts[i].Grant)
			} else {
				errs[i] = c.bind(ctx, acts[i].Grant, roles)
			}
		})
	}
	wg.Wait()
	c.stillThere(ctx, acts, last, errs)
	for g, i := range last {
		if errs[i] != nil {
			verb := "grant"
			if acts[i].Revoke {
				verb = "revoke"
			}
			errs[i] = c.wrap(fmt.Sprintf("%s %s of %+.80q", verb, g.Entitlement, g.Account), errs[i])
		}
	}
	for i, a := range acts {
		errs[i] = errs[last[a.Grant]]
	}
	return errs
}

// bind makes the binding, or makes it again what it was.
func (c *connector) bind(ctx context.Context, g grants.Grant, roles *roleLook) error {
	p, err := placeOf(g.Entitlement)
	if err != nil {
		return err
	}
	subject, err := subjectOf(g.Account)
	if err != nil {
		return err
	}
	if err := c.grantable(subject); err != nil {
		return err
	}
	if err := c.allowed(p); err != nil {
		return err
	}
	if err := roles.exists(ctx, p); err != nil {
		return err
	}
	if subject.Kind == rbac.ServiceAccountKind {
		if err := c.serviceAccountExists(ctx, subject, g.Account); err != nil {
			return err
		}
	}
	body, err := c.document(g, p, subject)
	if err != nil {
		return err
	}
	name := bindingName(c.target, g.Account, g.Entitlement)
	err = retry(ctx, func() error {
		err := c.rbac.Patch(types.ApplyPatchType).NamespaceIfScoped(p.namespace, p.namespace != "").Resource(p.bindings()).
			Name(name).Param("fieldManager", manager).Param("force", "true").Body(body).Do(ctx).Error()
		if !apierrors.IsInvalid(err) {
			return err
		}
		// A role cannot be exchanged in a binding: whoever took the name for another
		// role gave it away that way.
		if err := c.drop(ctx, p, name); err != nil {
			return err
		}
		return c.rbac.Patch(types.ApplyPatchType).NamespaceIfScoped(p.namespace, p.namespace != "").Resource(p.bindings()).
			Name(name).Param("fieldManager", manager).Param("force", "true").Body(body).Do(ctx).Error()
	})
	if apierrors.IsNotFound(err) && p.namespace != "" {
		return fmt.Errorf("namespace %q does not exist", p.namespace)
	}
	return err
}

// document is the binding as it should be.
func (c *connector) document(g grants.Grant, p place, s rbac.Subject) ([]byte, error) {
	kind := "ClusterRoleBinding"
	if p.namespace != "" {
		kind = "RoleBinding"
	}
	return json.Marshal(rbac.RoleBinding{
		TypeMeta: metav1.TypeMeta{APIVersion: rbac.SchemeGroupVersion.String(), Kind: kind},
		ObjectMeta: metav1.ObjectMeta{
			Name: bindingName(c.target, g.Account, g.Entitlement), Namespace: p.namespace,
			Labels:      map[string]string{"app.kubernetes.io/managed-by": manager},
			Annotations: map[string]string{"tenure.dev/target": c.target, "tenure.dev/account": g.Account, "tenure.dev/entitlement": g.Entitlement},
		},
		RoleRef: p.role, Subjects: []rbac.Subject{s},
	})
}

// unbind deletes the binding, whatever became of it.
func (c *connector) unbind(ctx context.Context, g grants.Grant) error {
	p, err := placeOf(g.Entitlement)
	if err != nil {
		return err
	}
	return retry(ctx, func() error { return c.drop(ctx, p, bindingName(c.target, g.Account, g.Entitlement)) })
}

func (c *connector) drop(ctx context.Context, p place, name string) error {
	err := c.rbac.Delete().NamespaceIfScoped(p.namespace, p.namespace != "").Resource(p.bindings()).Name(name).Do(ctx).Error()
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// stillThere reads back what was revoked. A binding of somebody else that gives the
// same is left alone and is an error of the revoke: the access has not ended.
func (c *connector) stillThere(ctx context.Context, acts []connectors.Act, last map[grants.Grant]int, errs []error) {
	revoked := map[string][]int{} // namespace -> acts
	for g, i := range last {
		if p, err := placeOf(g.Entitlement); err == nil && errs[i] == nil && acts[i].Revoke {
			revoked[p.namespace] = append(revoked[p.namespace], i)
		}
	}
	for ns, list := range revoked {
		found, err := c.list(ctx, ns)
		others := map[string]string{} // role and account -> binding
		for _, b := range found {
			for _, s := range b.subjects {
				others[fmt.Sprint(b.role, accountOf(s))] = b.name
			}
		}
		for _, i := range list {
			p, _ := placeOf(acts[i].Grant.Entitlement)
			name, held := others[fmt.Sprint(p.role, acts[i].Grant.Account)]
			switch {
			case err != nil:
				errs[i] = err
			case held:
				errs[i] = fmt.Errorf("%s %q, which Tenure did not make, gives it still", p.bindings(), name)
			}
		}
	}
}
