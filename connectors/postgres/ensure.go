package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// direct is an entitlement of privileges in a plan: what it asks for, and what the
// server has of it.
type direct struct {
	privileges
	text   string // canonical
	things []wanted
	rights []right // of its role
	made   bool    // the plan has its statements
}

// lookDirect reads what the grants of privileges are about.
func (p *plan) lookDirect(ctx context.Context, q querier) error {
	p.direct = map[string]*direct{}
	var roles []string
	var list []privileges
	for _, a := range p.acts {
		h, err := p.holdingOf(a.Grant)
		if err != nil || a.Revoke || !h.direct || p.direct[h.role] != nil {
			continue
		}
		want, err := parsePrivileges(a.Grant.Entitlement)
		if err != nil {
			continue // decide reports it
		}
		p.direct[h.role] = &direct{privileges: want, text: a.Grant.Entitlement}
		roles, list = append(roles, h.role), append(list, want)
	}
	if len(roles) == 0 {
		return nil
	}
	found, err := things(ctx, q, list)
	if err != nil {
		return err
	}
	has, err := rights(ctx, q, roles)
	if err != nil {
		return err
	}
	for i, role := range roles {
		p.direct[role].things, p.direct[role].rights = found[i], has[role]
	}
	return nil
}

// mayGrantDirect refuses privileges that the settings do not allow, that are on
// nothing, or whose end would take nothing away.
func (p *plan) mayGrantDirect(role, text string) error {
	d := p.direct[role]
	if d == nil {
		_, err := parsePrivileges(text)
		return err
	}
	if err := p.ceiling(d.privileges); err != nil {
		return err
	}
	if r, exists := p.roles[role]; exists && r.comment != ownedMark(p.target, d.text) {
		return fmt.Errorf("role %q is there, but does not carry our comment; drop it or give it back its comment", role)
	}
	if err := obstacle(d.privileges, d.things); err != nil {
		return err
	}
	return nil
}

// ceiling applies the settings schemas and databases: what they do not list is
// nobody's to ask for.
func (c *connector) ceiling(p privileges) error {
	setting, list, name := "schemas", c.schemas, p.schema
	switch p.kind {
	case kindDatabase:
		setting, list, name = "databases", c.databases, p.name
	case kindSchema:
		name = p.name
	}
	if !slices.Contains(list, name) {
		return fmt.Errorf("the target's setting %s does not list %q", setting, name)
	}
	return nil
}

// obstacle says why privileges on these things cannot be granted, whoever asks.
func obstacle(p privileges, things []wanted) error {
	if len(things) == 0 {
		if p.kind == kindAllTables {
			return fmt.Errorf("schema %q holds no table, or does not exist, in the database of the target's dsn", p.schema)
		}
		hint := ""
		if p.kind == kindFunction {
			hint = "; argument types are written as the server writes them, such as integer for int"
		}
		return fmt.Errorf("%s %q does not exist in the database of the target's dsn%s", p.kind, p.thing(), hint)
	}
	for _, w := range things {
		for _, word := range p.words {
			if slices.Contains(w.everybody, word) {
				return fmt.Errorf("everybody has %s on %s through PUBLIC: a grant gives nothing, and its end takes nothing; revoke it from PUBLIC first", word, w.thing)
			}
		}
	}
	return nil
}

// ensure plans that the role exists with exactly its privileges. It comes after all
// that can refuse the grant.
func (p *plan) ensure(name string) {
	d := p.direct[name]
	if d.made {
		return
	}
	d.made = true
	if _, exists := p.roles[name]; !exists {
		p.do("CREATE ROLE " + quote(name) + " NOLOGIN")
		p.do("COMMENT ON ROLE " + quote(name) + " IS " + literal(ownedMark(p.target, d.text)))
		p.roles[name] = role{comment: ownedMark(p.target, d.text)}
	}
	_, surplus := difference(d.privileges, d.things, d.rights)
	for _, s := range takeFrom(name, surplus) {
		p.do(s)
	}
	// What was taken on a wanted thing is given again, without what was too much.
	left := slices.DeleteFunc(slices.Clone(d.rights), func(r right) bool {
		return slices.ContainsFunc(surplus, func(s right) bool { return s.thing == r.thing })
	})
	missing, _ := difference(d.privileges, d.things, left)
	for _, s := range grantOn(d.privileges, missing, name) {
		p.do(s)
	}
}

// verify demands that the roles have exactly their privileges. A server takes a GRANT
// of which it can do only a part, with a warning; so this undoes the transaction.
func (p *plan) verify(ctx context.Context, tx pgx.Tx) error {
	var roles []string
	for role, d := range p.direct {
		if d.made {
			roles = append(roles, role)
		}
	}
	has, err := rights(ctx, tx, roles)
	if err != nil {
		return err
	}
	slices.Sort(roles)
	for _, role := range roles {
		d := p.direct[role]
		missing, surplus := difference(d.privileges, d.things, has[role])
		if len(missing) > 0 {
			return statementError{fmt.Errorf("the server did not grant %s on %s; the reconciler's own login lacks the grant option; doctor names it", strings.Join(d.words, ", "), missing[0])}
		}
		if len(surplus) > 0 {
			return statementError{fmt.Errorf("role %q has more than its entitlement, which somebody else must take away first: %s", role, describe(surplus))}
		}
	}
	return nil
}
