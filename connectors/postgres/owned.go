package postgres

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/things.sql
	thingsSQL string
	//go:embed sql/rights.sql
	rightsSQL string
)

// thing is one table, function, … of this database, or a database.
type thing struct {
	class, oid uint32
	kind       string // table, sequence, function, schema or database
	schema     string
	name, args string
}

// String is the thing as a statement names it. The argument types come from the
// server, which writes them so that it can read them back.
func (t thing) String() string {
	words := map[string]string{kindTable: "TABLE ", kindSequence: "SEQUENCE ", kindFunction: "ROUTINE ", kindSchema: "SCHEMA ", kindDatabase: "DATABASE "}
	name := pgx.Identifier{t.name}
	if t.schema != "" {
		name = pgx.Identifier{t.schema, t.name}
	}
	out := words[t.kind] + name.Sanitize()
	if t.kind == kindFunction {
		out += "(" + t.args + ")"
	}
	return out
}

// wanted is a thing that an entitlement is about, and what stands in the way.
type wanted struct {
	thing
	usable    bool     // its schema lets us name it
	owned     bool     // we may hand on all of its privileges
	everybody []string // privileges that PUBLIC has
	grantable []string // privileges that we may hand on
}

// mayHandOn reports whether this connection can grant the privilege.
func (w wanted) mayHandOn(word string) bool { return w.owned || slices.Contains(w.grantable, word) }

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// things finds what the entitlements are about: a list each, empty for what is not
// there.
func things(ctx context.Context, q querier, list []privileges) ([][]wanted, error) {
	out := make([][]wanted, len(list))
	if len(list) == 0 {
		return out, nil
	}
	cols := [4][]string{}
	for _, p := range list {
		for i, text := range []string{p.kind, p.schema, p.name, p.args} {
			cols[i] = append(cols[i], text)
		}
	}
	rows, err := q.Query(ctx, thingsSQL, cols[0], cols[1], cols[2], cols[3])
	if err != nil {
		return nil, err
	}
	var place int
	var w wanted
	_, err = pgx.ForEachRow(rows, []any{&place, &w.class, &w.oid, &w.schema, &w.name, &w.args, &w.usable, &w.owned, &w.everybody, &w.grantable}, func() error {
		w.kind = list[place-1].kind
		if w.kind == kindAllTables {
			w.kind = kindTable
		}
		w.everybody, w.grantable = slices.Clone(w.everybody), slices.Clone(w.grantable)
		out[place-1] = append(out[place-1], w)
		return nil
	})
	return out, err
}

// right is one privilege of a role, or, without a kind, something else that it has.
type right struct {
	thing
	word      string
	grantable bool
	grantor   string
	about     string // for people
}

// rights returns all that the roles have.
func rights(ctx context.Context, q querier, roles []string) (map[string][]right, error) {
	out := map[string][]right{}
	if len(roles) == 0 {
		return out, nil
	}
	rows, err := q.Query(ctx, rightsSQL, roles)
	if err != nil {
		return nil, err
	}
	var role string
	var r right
	_, err = pgx.ForEachRow(rows, []any{&role, &r.kind, &r.class, &r.oid, &r.schema, &r.name, &r.args, &r.word, &r.grantable, &r.grantor, &r.about}, func() error {
		out[role] = append(out[role], r)
		return nil
	})
	return out, err
}

// difference compares a role's rights with exactly the privileges on the things:
// missing are the things of which it lacks one, surplus the rights beyond.
func difference(p privileges, things []wanted, has []right) (missing []thing, surplus []right) {
	wants := make(map[thing]int, len(things))
	for _, w := range things {
		wants[w.thing] = len(p.words)
	}
	for _, r := range has {
		if _, ok := wants[r.thing]; ok && !r.grantable && slices.Contains(p.words, r.word) {
			wants[r.thing]--
			continue
		}
		surplus = append(surplus, r)
	}
	for _, w := range things {
		if wants[w.thing] > 0 {
			missing = append(missing, w.thing)
		}
	}
	return missing, surplus
}

// atOnce is how many things one statement names.
const atOnce = 500

// grantOn makes the statements that give a role the privileges.
func grantOn(p privileges, things []thing, role string) (statements []string) {
	for chunk := range slices.Chunk(things, atOnce) {
		statements = append(statements, "GRANT "+strings.ToUpper(strings.Join(p.words, ", "))+" ON "+nameAll(chunk)+" TO "+quote(role))
	}
	return statements
}

// takeFrom makes the statements that take from a role all privileges on the things
// of its rights. What has no kind is left: it is not ours to take.
func takeFrom(role string, list []right) (statements []string) {
	byKind := map[string][]thing{}
	for _, r := range list {
		if r.kind != "" && !slices.Contains(byKind[r.kind], r.thing) {
			byKind[r.kind] = append(byKind[r.kind], r.thing)
		}
	}
	for _, kind := range []string{kindTable, kindSequence, kindFunction, kindSchema, kindDatabase} {
		for chunk := range slices.Chunk(byKind[kind], atOnce) {
			statements = append(statements, "REVOKE ALL PRIVILEGES ON "+nameAll(chunk)+" FROM "+quote(role))
		}
	}
	return statements
}

// nameAll is TABLE a, b; the things are of one kind.
func nameAll(things []thing) string {
	out := things[0].String()
	kind, _, _ := strings.Cut(out, " ")
	for _, t := range things[1:] {
		out += ", " + strings.TrimPrefix(t.String(), kind+" ")
	}
	return out
}

// describe names rights that should not be, a few of them.
func describe(list []right) string {
	var out []string
	for _, r := range list {
		text := r.about
		if r.kind != "" {
			text = fmt.Sprintf("%s on %s", r.word, r.about)
			if r.grantable {
				text += " with grant option"
			}
			if r.grantor != "" {
				text += " (granted by " + r.grantor + ")"
			}
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	if len(out) > 5 {
		out = append(out[:5], fmt.Sprintf("and %d more", len(out)-5))
	}
	return strings.Join(out, ", ")
}
