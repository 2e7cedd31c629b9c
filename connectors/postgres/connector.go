package postgres

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// connector is one server (a cluster: roles belong to all of its databases).
type connector struct {
	target       string
	pool         *pgxpool.Pool
	allowed      []string // setting roles
	createLogins bool
	loginPrefix  string
	mark         string // comment on the logins that we made
}

// pair is one membership.
type pair struct{ account, role string }

//go:embed sql/holders.sql
var holdersSQL string

// Observe returns the direct members of the roles in scope.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var roles []string
	for _, e := range scope {
		p, err := pairOf(grants.Grant{Entitlement: e})
		if err != nil {
			return nil, c.wrap("observe", err)
		}
		if canExist(p.role) && !slices.Contains(roles, p.role) {
			roles = append(roles, p.role)
		}
	}
	var out []grants.Grant
	err := retry(ctx, func() error {
		rows, err := c.pool.Query(ctx, holdersSQL, roles)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (g grants.Grant, err error) {
			var p pair
			err = row.Scan(&p.account, &p.role)
			return c.grantOf(p), err
		})
		return err
	})
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	return out, nil
}

// Grant makes the account a member of the role. Until matters only to a login that
// the connector makes: its password is good until then.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes the membership away, whatever its options.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Close waits for calls that still run and closes all connections.
func (c *connector) Close() error {
	c.pool.Close()
	return nil
}

func (c *connector) grantOf(p pair) grants.Grant {
	return grants.Grant{Target: c.target, Account: p.account,
		Entitlement: connectors.Format(map[string]string{"role": p.role})}
}

func (c *connector) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, explain(err))
}

// pairOf reads a grant; the entitlement is role=NAME.
func pairOf(g grants.Grant) (pair, error) {
	e, err := connectors.DecodeEntitlement(g.Entitlement, "role")
	if err != nil {
		return pair{}, err
	}
	return pair{g.Account, e["role"]}, nil
}

// canExist reports whether the server can have a role of that name at all. Others
// are not sent: the protocol has no way to say them.
func canExist(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.Contains(name, "\x00")
}

// quote makes an identifier; the name has passed checkName or came from the server.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// literal makes a string constant, with standard_conforming_strings on.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
