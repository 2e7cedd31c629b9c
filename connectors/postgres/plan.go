package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tenure-dev/tenure/connectors"
)

var (
	//go:embed sql/roles.sql
	rolesSQL string
	//go:embed sql/members.sql
	membersSQL string
)

// role is what the server says of a role or account.
type role struct {
	super, login bool
	validUntil   pgtype.Timestamptz
	ours         bool // a login that carries our mark
	comment      string
}

// plan turns acts into statements, on facts that were read in the same transaction
// under the writer's lock.
type plan struct {
	*connector
	acts       []connectors.Act
	errs       []error // of acts that cannot be done
	roles      map[string]role
	held       map[pair][]string  // membership -> grantors; moved on as acts are decided
	want       map[pair]bool      // what must be read back
	direct     map[string]*direct // role -> the privileges that it must have
	statements []string
}

func (p *plan) look(ctx context.Context, tx pgx.Tx) error {
	accounts, all := p.names(p.acts)
	rows, err := tx.Query(ctx, rolesSQL, all)
	if err != nil {
		return err
	}
	p.roles = map[string]role{}
	var name string
	var r role
	_, err = pgx.ForEachRow(rows, []any{&name, &r.super, &r.login, &r.validUntil, &r.comment}, func() error {
		r.ours = r.comment == p.mark
		p.roles[name] = r
		return nil
	})
	if err != nil {
		return err
	}
	if p.held, err = memberships(ctx, tx, accounts); err != nil {
		return err
	}
	return p.lookDirect(ctx, tx)
}

func memberships(ctx context.Context, tx pgx.Tx, accounts []string) (map[pair][]string, error) {
	rows, err := tx.Query(ctx, membersSQL, accounts)
	if err != nil {
		return nil, err
	}
	held := map[pair][]string{}
	var m pair
	var grantor string
	_, err = pgx.ForEachRow(rows, []any{&m.account, &m.role, &grantor}, func() error {
		held[m] = append(held[m], grantor)
		return nil
	})
	return held, err
}

func (p *plan) do(statement string) { p.statements = append(p.statements, statement) }

// decide plans one act, on what the acts before it leave.
func (p *plan) decide(i int) {
	a := p.acts[i]
	h, err := p.holdingOf(a.Grant)
	if err == nil {
		if a.Revoke {
			p.revoke(h.pair)
		} else {
			err = p.grant(h, a)
		}
	}
	p.errs[i] = err
}

func (p *plan) revoke(m pair) {
	if p.held[m] != nil { // else it is gone, or its account or role is
		// Without GRANTED BY it is our own grant that goes, or the superuser's if we
		// are one: the same that a plain GRANT makes.
		p.do("REVOKE " + quote(m.role) + " FROM " + quote(m.account))
		delete(p.held, m)
		p.want[m] = false
	}
	if a := p.roles[m.account]; a.ours && a.login && !p.holdsAny(m.account) {
		p.do("ALTER ROLE " + quote(m.account) + " NOLOGIN")
		a.login = false
		p.roles[m.account] = a
	}
}

func (p *plan) grant(h holding, act connectors.Act) error {
	m, until := h.pair, act.Until
	a, exists := p.roles[m.account]
	if p.held[m] != nil && !a.ours && !h.direct {
		return nil
	}
	if err := p.mayHold(m.account); err != nil {
		return err
	}
	may := p.mayGrant
	if h.direct {
		may = func(role string) error { return p.mayGrantDirect(role, act.Grant.Entitlement) }
	}
	if err := may(m.role); err != nil {
		return err
	}
	switch {
	case !exists:
		if !p.createLogins || !strings.HasPrefix(m.account, p.loginPrefix) {
			return fmt.Errorf("%q: %w", m.account, connectors.ErrNoAccount)
		}
		p.do("CREATE ROLE " + quote(m.account) + " LOGIN VALID UNTIL " + timestamp(until))
		p.do("COMMENT ON ROLE " + quote(m.account) + " IS " + literal(p.mark))
		p.roles[m.account] = role{login: true, ours: true, validUntil: validity(until)}
	case a.super:
		return errors.New("the account is a superuser: a membership gives it nothing, and its end takes nothing")
	case a.ours && p.createLogins:
		p.renew(m.account, a, until)
	case !a.login:
		return errors.New("the account cannot log in, so it is a role for others, and all of its members would get this one")
	}
	if h.direct {
		p.ensure(m.role)
	}
	if p.held[m] == nil {
		p.do("GRANT " + quote(m.role) + " TO " + quote(m.account))
		p.held[m] = []string{"us"}
		p.want[m] = true
	}
	return nil
}

// mayHold applies the rules of names to an account.
func (p *plan) mayHold(account string) error {
	if err := checkName(account); err != nil {
		return fmt.Errorf("account: %w", err)
	}
	if predefined(account) {
		return fmt.Errorf("account %q is one of PostgreSQL's own roles", account)
	}
	return nil
}

// mayGrant applies the rules of names and of the setting roles.
func (p *plan) mayGrant(role string) error {
	if err := checkName(role); err != nil {
		return fmt.Errorf("role: %w", err)
	}
	listed := slices.Contains(p.allowed, role)
	r, exists := p.roles[role]
	switch {
	case len(p.allowed) > 0 && !listed:
		return fmt.Errorf("the target's setting roles does not list %q", role)
	case predefined(role) && !listed:
		return fmt.Errorf("%q is one of PostgreSQL's own roles; the target's setting roles must list it", role)
	case !exists:
		return fmt.Errorf("role %q does not exist on the target", role)
	case r.super && !listed:
		return fmt.Errorf("role %q is a superuser; the target's setting roles must list it", role)
	}
	return nil
}

// renew moves the end of a login that we made; an earlier end never cuts a later one
// while the login holds anything.
func (p *plan) renew(account string, a role, until time.Time) {
	v := validity(until)
	if a.login && p.holdsAny(account) && !later(v, a.validUntil) {
		return
	}
	p.do("ALTER ROLE " + quote(account) + " LOGIN VALID UNTIL " + timestamp(until))
	a.login, a.validUntil = true, v
	p.roles[account] = a
}

func (p *plan) holdsAny(account string) bool {
	for m := range p.held {
		if m.account == account {
			return true
		}
	}
	return false
}

// readBack compares what the statements were to reach with what the server says.
func (p *plan) readBack(ctx context.Context, tx pgx.Tx) error {
	accounts, _ := p.names(p.acts)
	now, err := memberships(ctx, tx, accounts)
	if err != nil {
		return err
	}
	for i, a := range p.acts {
		h, err := p.holdingOf(a.Grant)
		m := h.pair
		want, asked := p.want[m]
		if err != nil || !asked || p.errs[i] != nil || a.Revoke == want {
			continue // of several acts on one membership, the last one counts
		}
		switch grantors := now[m]; {
		case want && grantors == nil:
			p.errs[i] = readBackError("the server accepted the grant, but does not show it")
		case !want && grantors != nil:
			p.errs[i] = readBackError("the membership that " + strings.Join(grantors, " and ") +
				" granted remains; only they or a superuser can revoke it")
		}
	}
	return nil
}

func validity(until time.Time) pgtype.Timestamptz {
	if until.IsZero() {
		return pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	}
	return pgtype.Timestamptz{Time: until, Valid: true}
}

// later reports whether a ends after b; no validity at all is for ever.
func later(a, b pgtype.Timestamptz) bool {
	switch {
	case !b.Valid || b.InfinityModifier == pgtype.Infinity:
		return false
	case a.InfinityModifier == pgtype.Infinity:
		return true
	}
	return a.Time.After(b.Time)
}

func timestamp(until time.Time) string {
	if until.IsZero() {
		return "'infinity'"
	}
	return literal(until.UTC().Format("2006-01-02T15:04:05.999999Z07:00"))
}
