package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/tenure-dev/tenure/grants"
)

var (
	//go:embed sql/self.sql
	selfSQL string
	//go:embed sql/admin.sql
	adminSQL string
)

// Check names the rights that the connection lacks for the roles in scope.
func (c *connector) Check(ctx context.Context, scope []string) []error {
	var errs []error
	miss := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{c.target}, args...)...))
	}
	var me self
	err := retry(ctx, func() error {
		return c.pool.QueryRow(ctx, selfSQL).Scan(&me.version, &me.standby, &me.user, &me.super, &me.createRole, &me.signal)
	})
	if err != nil {
		return []error{c.wrap("connect", err)}
	}
	if me.version < 130000 {
		miss("PostgreSQL %d is too old: want 13 or later", me.version/10000)
	}
	if me.standby {
		miss("the server is a standby and takes no changes; connect to the primary")
	}
	if c.createLogins && !me.super && !me.createRole {
		miss("missing right: CREATEROLE of %s, for createLogins", me.user)
	}
	if !me.super && !me.signal {
		miss("missing right: membership of %s in pg_signal_backend, to end sessions", me.user)
	}
	roles, err := c.scopeRoles(scope)
	if err != nil {
		return append(errs, c.wrap("check", err))
	}
	found, err := c.adminOf(ctx, roles)
	if err != nil {
		return append(errs, c.wrap("check", err))
	}
	for _, r := range roles {
		a, exists := found[r]
		switch {
		case !exists:
			miss("role %q does not exist", r)
		case len(c.allowed) > 0 && !slices.Contains(c.allowed, r):
			miss("setting roles does not list %q", r)
		case (predefined(r) || a.super) && !slices.Contains(c.allowed, r):
			miss("setting roles must list %q, which is PostgreSQL's own or a superuser", r)
		case me.super || a.admin:
		case a.super:
			miss("missing right: superuser of %s, to grant the superuser role %q", me.user, r)
		case me.version >= 160000 || !me.createRole:
			miss("missing right: ADMIN OPTION of %s on role %q", me.user, r)
		}
	}
	if c.createLogins {
		ended, err := c.endedLogins(ctx)
		if err != nil {
			errs = append(errs, c.wrap("check", err))
		}
		for _, name := range ended {
			miss("login %q has ended and can no longer log in, but owns objects or rights; reassign them and drop it", name)
		}
	}
	if err := c.checkPrivileges(ctx, scope, me, miss); err != nil {
		errs = append(errs, c.wrap("check", err))
	}
	return errs
}

// self is the connection's own login on its server.
type self struct {
	version                            int
	user                               string
	standby, super, createRole, signal bool
}

func (c *connector) scopeRoles(scope []string) (roles []string, err error) {
	for _, e := range scope {
		p, perr := c.holdingOf(grants.Grant{Entitlement: e})
		if perr != nil {
			err = errors.Join(err, perr)
		} else if !p.direct && canExist(p.role) {
			roles = append(roles, p.role)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles), err
}

type admin struct{ super, admin bool }

func (c *connector) adminOf(ctx context.Context, roles []string) (map[string]admin, error) {
	rows, err := c.pool.Query(ctx, adminSQL, roles)
	if err != nil {
		return nil, err
	}
	found := map[string]admin{}
	var name string
	var a admin
	_, err = pgx.ForEachRow(rows, []any{&name, &a.super, &a.admin}, func() error {
		found[name] = a
		return nil
	})
	return found, err
}
