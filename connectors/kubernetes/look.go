package kubernetes

import (
	"context"
	"fmt"
	"sync"

	rbac "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/tenure-dev/tenure/connectors"
)

// roleLook looks at each role once a batch.
type roleLook struct {
	c     *connector
	mu    sync.Mutex
	known map[place]func() error
}

// exists is an error for a role that does not exist. The server would take the
// binding, and it would come to life with whatever gets the name one day.
func (l *roleLook) exists(ctx context.Context, p place) error {
	l.mu.Lock()
	look, ok := l.known[p]
	if !ok {
		look = sync.OnceValue(func() error { return l.c.roleExists(ctx, p) })
		l.known[p] = look
	}
	l.mu.Unlock()
	return look()
}

func (c *connector) roleExists(ctx context.Context, p place) error {
	err := retry(ctx, func() error {
		return c.rbac.Get().NamespaceIfScoped(p.roleNamespace(), p.roleNamespace() != "").Resource(p.roles()).Name(p.role.Name).Do(ctx).Error()
	})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%s does not exist", p)
	}
	return err
}

// serviceAccountExists is the same for a service account. Users and groups are no
// objects of a cluster.
func (c *connector) serviceAccountExists(ctx context.Context, s rbac.Subject, account string) error {
	err := retry(ctx, func() error {
		_, err := c.rbac.Get().AbsPath("/api/v1/namespaces", s.Namespace, "serviceaccounts", s.Name).DoRaw(ctx)
		return err
	})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%q: %w", account, connectors.ErrNoAccount)
	}
	return err
}
