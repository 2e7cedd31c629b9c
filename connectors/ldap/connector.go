package ldap

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// connector is one directory.
type connector struct {
	target string
	pool   *pool
	bindDN dn // our own; without parts with a client certificate

	mu  sync.Mutex
	who *dn // our own, once it is known

	groupBase       dn
	byDN            bool
	groupAttr       string
	groups          []string // setting groups
	memberAttr      string   // "": follows from the group
	placeholder     dn
	accountBase     dn
	accountAttr     string
	accountFilter   string
	ignoreReferrals bool
}

// Grant makes the account a member; the server itself ends nothing, so until is not
// used.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes the membership away.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Parts makes each group a part: one whose list may not be read does not hide the others.
func (c *connector) Parts(scope []string) (parts [][]string) {
	for _, text := range scope {
		parts = append(parts, []string{text})
	}
	return parts
}

// Close closes all connections.
func (c *connector) Close() error {
	c.pool.close()
	return nil
}

// self returns the DN of the reconciler's own entry. With a client certificate the
// server knows it (RFC 4532); one that does not say it leaves it without parts.
func (c *connector) self(ctx context.Context) (dn, error) {
	c.mu.Lock()
	known := c.who
	c.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	me := c.bindDN
	if len(me.rdns) == 0 {
		err := c.pool.do(ctx, func(l *conn) error {
			res, err := l.WhoAmI(nil)
			if err != nil {
				return err
			}
			name, _ := strings.CutPrefix(res.AuthzID, "dn:")
			me, err = parseDN(name)
			if err != nil {
				me = dn{} // a name of another kind
			}
			return nil
		})
		if err != nil && !answered(err) {
			return dn{}, err
		}
	}
	c.mu.Lock()
	c.who = &me
	c.mu.Unlock()
	return me, nil
}

func (c *connector) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, explain(err))
}

// each runs f for every item, as many at once as there are connections. The first
// error ends the others.
func each[T any](ctx context.Context, c *connector, items []T, f func(context.Context, T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cap(c.pool.slots))
	for _, item := range items {
		g.Go(func() error { return f(ctx, item) })
	}
	return g.Wait()
}

// matches are the entries that the directory itself finds for a name. It folds case
// and spaces; Tenure does not, so the entries with this exact name stand apart. Where
// err is set it is not known what the name stands for.
type matches[T any] struct {
	exact, other []T
	err          error
}

func (m matches[T]) all() int { return len(m.exact) + len(m.other) }

// one returns the only entry, if it has the exact name. A name that the directory
// finds twice is nobody's.
func (m matches[T]) one() (found T, ok bool) {
	if len(m.exact) == 1 && len(m.other) == 0 {
		return m.exact[0], true
	}
	return found, false
}
