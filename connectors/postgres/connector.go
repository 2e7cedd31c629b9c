package postgres

import (
	"context"
	_ "embed"
	"fmt"
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
	schemas      []string // setting schemas
	databases    []string // setting databases
	createLogins bool
	loginPrefix  string
	mark         string // comment on the logins that we made
}

// pair is one membership.
type pair struct{ account, role string }

// holding is a grant as a membership; direct: in a role that we make and drop, whose
// privileges are what the entitlement is about.
type holding struct {
	pair
	direct bool
}

//go:embed sql/holders.sql
var holdersSQL string

// Observe returns the direct members of the roles in scope. For privileges these are
// the members of the role that holds them, whatever became of the thing that they are
// on: it may be renamed, and the member has them still.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	roles, texts := []string{}, map[string]string{} // role -> entitlement
	for _, e := range scope {
		h, err := c.holdingOf(grants.Grant{Entitlement: e})
		if err != nil {
			return nil, c.wrap("observe", err)
		}
		if _, ok := texts[h.role]; !ok && canExist(h.role) {
			roles, texts[h.role] = append(roles, h.role), e
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
			return grants.Grant{Target: c.target, Account: p.account, Entitlement: texts[p.role]}, err
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

func (c *connector) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", c.target, what, explain(err))
}

// holdingOf reads a grant. It does not look into what an entitlement of privileges
// says: what an older version granted under looser rules must still be revoked.
func (c *connector) holdingOf(g grants.Grant) (holding, error) {
	pairs, err := connectors.Parse(g.Entitlement)
	if _, direct := pairs["privileges"]; err == nil && direct {
		return holding{pair{g.Account, ownedName(c.target, g.Entitlement)}, true}, nil
	}
	e, err := connectors.DecodeEntitlement(g.Entitlement, "role")
	if err != nil {
		return holding{}, err
	}
	return holding{pair{g.Account, e["role"]}, false}, nil
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
