package mysql

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

const wantSpec = "want {role: NAME}, {account: unlocked} or {privilege: WORD, database: NAME}, with table, function or procedure for one thing in it"

// entitlement is one entry of the grant tables: a role, a privilege on a thing, or that
// the account is not locked.
type entitlement struct {
	role                      string
	unlocked                  bool
	privilege, database, kind string // kind of the thing in the database: "", or one of kinds
	thing                     string
}

var kinds = []string{"table", "function", "procedure"}

func readSpec(spec connectors.Spec) (entitlement, error) {
	keys := []string{"role"}
	if _, ok := spec["account"]; ok {
		keys = []string{"account"}
	} else if _, ok := spec["role"]; !ok {
		keys = []string{"privilege", "database"}
		for _, k := range kinds {
			if _, ok := spec[k]; ok {
				keys = append(keys, k)
			}
		}
	}
	pairs, err := connectors.DecodeSpec(spec, keys...)
	if err != nil {
		return entitlement{}, err
	}
	return fromPairs(pairs)
}

// readText reads canonical text, whose names it checks too: nothing that these rules
// refuse was ever granted.
func readText(text string) (entitlement, error) { return connectors.ReadText(text, readSpec) }

func fromPairs(pairs map[string]string) (e entitlement, err error) {
	if role, ok := pairs["role"]; ok {
		return entitlement{role: role}, checkRole(role)
	}
	if state, ok := pairs["account"]; ok {
		if state != "unlocked" {
			return e, fmt.Errorf("account %+.40q is nothing that can be granted; only unlocked is", state)
		}
		return entitlement{unlocked: true}, nil
	}
	e = entitlement{privilege: pairs["privilege"], database: pairs["database"]}
	for _, k := range kinds {
		if thing, ok := pairs[k]; ok {
			if e.kind != "" {
				return e, fmt.Errorf("%s and %s are both given; keep one", e.kind, k)
			}
			e.kind, e.thing = k, thing
		}
	}
	if err := checkThing(e.database); err != nil {
		return e, fmt.Errorf("database: %w", err)
	}
	switch e.kind {
	case "table":
		err = checkThing(e.thing)
	case "function", "procedure":
		err = checkRoutine(e.thing)
	}
	if err != nil {
		return e, fmt.Errorf("%s: %w", e.kind, err)
	}
	words := privilegesOf(e.kind)
	if !slices.Contains(words, e.privilege) {
		return e, fmt.Errorf("privilege %+.40q does not exist there; it must be one of %s", e.privilege, strings.Join(words, ", "))
	}
	return e, nil
}

func (e entitlement) text() string {
	if e.role != "" {
		return connectors.Format(map[string]string{"role": e.role})
	}
	if e.unlocked {
		return connectors.Format(map[string]string{"account": "unlocked"})
	}
	pairs := map[string]string{"privilege": e.privilege, "database": e.database}
	if e.kind != "" {
		pairs[e.kind] = e.thing
	}
	return connectors.Format(pairs)
}

// databaseColumns maps the privileges on databases to the columns of mysql.db.
func databaseColumns() map[string]string {
	return map[string]string{
		"select": "Select_priv", "insert": "Insert_priv", "update": "Update_priv", "delete": "Delete_priv",
		"create": "Create_priv", "drop": "Drop_priv", "references": "References_priv", "index": "Index_priv", "alter": "Alter_priv",
		"create temporary tables": "Create_tmp_table_priv", "lock tables": "Lock_tables_priv", "create view": "Create_view_priv",
		"show view": "Show_view_priv", "create routine": "Create_routine_priv", "alter routine": "Alter_routine_priv",
		"execute": "Execute_priv", "event": "Event_priv", "trigger": "Trigger_priv",
	}
}

func privilegesOf(kind string) []string {
	switch kind {
	case "table":
		return []string{"alter", "create", "create view", "delete", "drop", "index", "insert", "references", "select", "show view", "trigger", "update"}
	case "function", "procedure":
		return []string{"alter routine", "execute"}
	}
	return slices.Sorted(maps.Keys(databaseColumns()))
}

// statements of a grant or revoke end in a list of accounts.
func (e entitlement) statement(s server, revoke bool, accounts []account) string {
	verb, to := "GRANT ", " TO "
	if revoke {
		verb, to = "REVOKE ", " FROM "
	}
	var list []string
	for _, a := range accounts {
		list = append(list, a.sql())
	}
	if e.unlocked {
		return "ALTER USER " + strings.Join(list, ", ") + map[bool]string{true: " ACCOUNT LOCK", false: " ACCOUNT UNLOCK"}[revoke]
	}
	to += strings.Join(list, ", ")
	if e.role != "" {
		return verb + s.role(e.role) + to
	}
	what := strings.ToUpper(e.privilege) + " ON "
	switch e.kind {
	case "":
		return verb + what + quote(s.pattern(e.database)) + ".*" + to
	case "table":
		return verb + what + "TABLE " + quote(e.database) + "." + quote(e.thing) + to
	}
	return verb + what + strings.ToUpper(e.kind) + " " + quote(e.database) + "." + quote(e.thing) + to
}

// allowed applies the target's ceiling and the server's own rules of names.
func (c *connector) allowed(s server, e entitlement) error {
	if e.role != "" {
		if len(c.roles) > 0 && !slices.Contains(c.roles, e.role) {
			return fmt.Errorf("the target's setting roles does not list %q", e.role)
		}
		return nil
	}
	if e.unlocked {
		if !c.accountLock {
			return errors.New("the target's setting accountLock is not true")
		}
		return nil
	}
	if len(c.databases) > 0 && !slices.Contains(c.databases, e.database) {
		return fmt.Errorf("the target's setting databases does not list %q", e.database)
	}
	if slices.Contains([]string{"mysql", "sys", "information_schema", "performance_schema"}, strings.ToLower(e.database)) {
		return fmt.Errorf("database %q is the server's own: its tables say who may do what", e.database)
	}
	if s.foldsCase && (strings.ToLower(e.database) != e.database || e.kind == "table" && strings.ToLower(e.thing) != e.thing) {
		return errors.New("this server keeps names in lower case; write them so")
	}
	return nil
}
