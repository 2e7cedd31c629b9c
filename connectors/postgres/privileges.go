package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

// privileges is what an entitlement such as {privileges: [select], table: app.orders}
// asks for: some privileges on one thing, or on all tables of a schema.
type privileges struct {
	kind  string   // a key of wordsOf
	words []string // lower-case, sorted, at least one

	// schema is empty for a database and for a schema, whose name is in name; name is
	// empty for all tables of a schema. args are a function's argument types the way
	// the server writes them.
	schema, name, args string
}

// The kinds of things, which are keys of entitlements.
const (
	kindTable     = "table" // also views, materialized views and foreign tables
	kindAllTables = "allTablesIn"
	kindSequence  = "sequence"
	kindFunction  = "function" // also procedures and aggregates
	kindSchema    = "schema"
	kindDatabase  = "database"
)

// wordsOf are the privileges that each kind of thing has.
func wordsOf() map[string][]string {
	tables := []string{"delete", "insert", "references", "select", "trigger", "truncate", "update"}
	return map[string][]string{
		kindTable:     tables,
		kindAllTables: tables,
		kindSequence:  {"select", "update", "usage"},
		kindFunction:  {"execute"},
		kindSchema:    {"create", "usage"},
		kindDatabase:  {"connect", "create", "temporary"},
	}
}

const wantSpec = "want {role: NAME}, or {privileges: [select], table: SCHEMA.NAME}, where instead of table may stand " +
	"allTablesIn, sequence, function, schema or database"

// readPrivileges reads a spec strictly and offline.
func readPrivileges(spec connectors.Spec) (privileges, error) {
	kinds := wordsOf()
	var p privileges
	for _, key := range slices.Sorted(maps.Keys(spec)) {
		switch {
		case key == "privileges":
		case kinds[key] == nil:
			return p, fmt.Errorf("unknown key %q", key)
		case p.kind != "":
			return p, fmt.Errorf("keys %s and %s are both given; keep one", p.kind, key)
		default:
			p.kind = key
		}
	}
	if p.kind == "" {
		return p, errors.New("it is not said on what the privileges are")
	}
	text, ok := spec[p.kind].(string)
	if !ok {
		return p, fmt.Errorf("%s must be text", p.kind)
	}
	if err := p.readThing(text); err != nil {
		return p, fmt.Errorf("%s: %w", p.kind, err)
	}
	words, ok := textsOf(spec["privileges"])
	if !ok || len(words) == 0 {
		return p, errors.New("privileges must be a list of words, such as [select]")
	}
	for _, w := range words {
		if !slices.Contains(kinds[p.kind], w) {
			return p, fmt.Errorf("privileges: a %s has no privilege %+.40q (it has %s)", p.kind, w, strings.Join(kinds[p.kind], ", "))
		}
	}
	p.words = slices.Clone(words)
	slices.Sort(p.words)
	if len(slices.Compact(slices.Clone(p.words))) != len(words) {
		return p, errors.New("privileges: a word is given twice")
	}
	return p, nil
}

// readThing reads the name of a thing. Names are exact: nothing is folded, and no
// quotes are written.
func (p *privileges) readThing(text string) error {
	switch p.kind {
	case kindDatabase:
		p.name = text
		return checkIdentifier(text)
	case kindSchema:
		p.name = text
		return checkSchema(text)
	case kindAllTables:
		p.schema = text
		return checkSchema(text)
	case kindFunction:
		name, args, ok := strings.Cut(text, "(")
		args, closed := strings.CutSuffix(args, ")")
		if !ok || !closed {
			return errors.New("want SCHEMA.NAME(TYPE, TYPE), with no types in the brackets for a function without arguments")
		}
		if err := p.readArguments(args); err != nil {
			return err
		}
		text = name
	}
	var ok bool
	if p.schema, p.name, ok = strings.Cut(text, "."); !ok || strings.Contains(p.name, ".") {
		return errors.New("want SCHEMA.NAME with one dot; a name that has a dot itself cannot be said here")
	}
	return errors.Join(checkSchema(p.schema), checkIdentifier(p.name))
}

func (p *privileges) readArguments(args string) error {
	if args == "" {
		return nil
	}
	list := strings.Split(args, ",")
	for i, a := range list {
		list[i] = strings.Trim(a, " ")
		if err := connectors.CheckName(list[i]); err != nil {
			return fmt.Errorf("argument type: %w", err)
		}
	}
	p.args = strings.Join(list, ", ")
	return nil
}

// thing is the name as the entitlement says it.
func (p privileges) thing() string {
	switch p.kind {
	case kindDatabase, kindSchema:
		return p.name
	case kindAllTables:
		return p.schema
	case kindFunction:
		return p.schema + "." + p.name + "(" + p.args + ")"
	}
	return p.schema + "." + p.name
}

// canonical is such as privileges=insert+select table=app.orders.
func (p privileges) canonical() string {
	return connectors.Format(map[string]string{"privileges": strings.Join(p.words, "+"), p.kind: p.thing()})
}

// parsePrivileges reads what canonical wrote.
func parsePrivileges(text string) (privileges, error) {
	pairs, err := connectors.Parse(text)
	if err != nil {
		return privileges{}, err
	}
	spec := connectors.Spec{}
	for k, v := range pairs {
		spec[k] = v
	}
	spec["privileges"] = strings.Split(pairs["privileges"], "+")
	p, err := readPrivileges(spec)
	if err == nil && p.canonical() != text {
		err = fmt.Errorf("it is not in canonical form (%s is)", p.canonical())
	}
	if err != nil {
		return privileges{}, fmt.Errorf("entitlement %+.200q: %w", text, err)
	}
	return p, nil
}

// checkIdentifier refuses what could not be the exact name of a thing.
func checkIdentifier(name string) error {
	if err := connectors.CheckName(name); err != nil {
		return err
	}
	if len(name) > maxName {
		return fmt.Errorf("name %+.80q is longer than %d bytes, and PostgreSQL would cut it", name, maxName)
	}
	if strings.Contains(name, `"`) {
		return fmt.Errorf("name %+q has a quotation mark; names are written without them", name)
	}
	return nil
}

// checkSchema also refuses PostgreSQL's own schemas, whose functions and tables reach
// further than any one database.
func checkSchema(name string) error {
	if strings.HasPrefix(name, "pg_") || name == "information_schema" {
		return fmt.Errorf("schema %+.80q is PostgreSQL's own", name)
	}
	return checkIdentifier(name)
}

// ownedPrefix begins the name of every role that holds privileges. No entitlement can
// ask for such a role by its name.
const ownedPrefix = "tenure:"

// ownedName is the role that holds the privileges of one entitlement on one target.
// It does not depend on anything that can be looked up, so that it is found again
// whatever became of the thing that the privileges are on.
func ownedName(target, entitlement string) string {
	sum := sha256.Sum256([]byte("postgres privileges\x00" + target + "\x00" + entitlement))
	return ownedPrefix + hex.EncodeToString(sum[:16])
}

// ownedMark is the comment on that role.
func ownedMark(target, entitlement string) string { return ownedMarkPrefix(target) + entitlement }

func ownedMarkPrefix(target string) string { return "tenure: role made for target " + target + ": " }

func textsOf(v any) ([]string, bool) {
	switch l := v.(type) {
	case []string:
		return l, true
	case []any:
		out := make([]string, 0, len(l))
		for _, x := range l {
			s, ok := x.(string)
			if !ok {
				return nil, false
			}
			out = append(out, s)
		}
		return out, true
	}
	return nil, false
}
