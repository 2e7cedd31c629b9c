package azure

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// item is one act of a batch on its way.
type item struct {
	act  connectors.Act
	e    entitlement
	who  principal
	none string // why there is no such account; empty: it is looked up, or that failed
	lost error  // why it is not known whether there is
	err  error
}

// Apply looks up accounts, roles and groups once for all acts and then makes the changes,
// a few at a time. Of several acts on one grant the last decides.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	last := map[grants.Grant]int{}
	for i, a := range acts {
		last[a.Grant] = i
	}
	items := map[grants.Grant]*item{}
	for g, i := range last {
		items[g] = c.prepare(ctx, acts[i])
	}
	all := slices.DeleteFunc(slices.Collect(maps.Values(items)), func(it *item) bool { return it.err != nil })
	c.lookUp(ctx, all)
	var roles, members []*item
	for _, it := range all {
		switch {
		case it.err != nil:
		case it.e.group != "":
			members = append(members, it)
		default:
			roles = append(roles, it)
		}
	}
	c.applyRoles(ctx, roles)
	c.applyMembers(ctx, members)
	errs := make([]error, len(acts))
	for i, a := range acts {
		it := items[a.Grant]
		if it.err == nil {
			continue
		}
		verb := "grant"
		if it.act.Revoke {
			verb = "revoke"
		}
		errs[i] = c.wrap(fmt.Sprintf("%s %s of %+.80q", verb, a.Grant.Entitlement, a.Grant.Account), it.err)
	}
	return errs
}

// prepare checks an act without the server. A revoke needs no account that exists, no
// setting that allows it, and no account that could be granted something today.
func (c *connector) prepare(ctx context.Context, a connectors.Act) *item {
	it := &item{act: a}
	if it.err = ctx.Err(); it.err != nil {
		return it
	}
	if it.e, it.err = readText(a.Grant.Entitlement); it.err != nil {
		return it
	}
	who, err := c.set.principalOf(a.Grant.Account)
	it.who = who
	if a.Revoke {
		if err != nil {
			it.none = err.Error()
		}
		return it
	}
	if it.err = err; err == nil {
		it.err = c.set.allowed(it.e)
	}
	if it.err == nil {
		it.err = c.grantable(who, it.e)
	}
	return it
}

// lookUp finds the users. Who is not there cannot be granted anything.
func (c *connector) lookUp(ctx context.Context, all []*item) {
	var wanted []principal
	for _, it := range all {
		if it.none == "" {
			wanted = append(wanted, it.who)
		}
	}
	find, err := c.findUsers(ctx, wanted)
	for _, it := range all {
		if it.none != "" {
			continue
		}
		if err != nil {
			if it.who.kind == kindUser {
				it.lost = err
			}
		} else {
			it.who, it.none = find(it.who)
		}
		switch {
		case it.act.Revoke:
		case it.lost != nil:
			it.err = it.lost
		case it.none != "":
			it.err = fmt.Errorf("%q: %w (%s)", it.act.Grant.Account, connectors.ErrNoAccount, it.none)
		}
	}
}

// definition is a role that was looked up.
type definition struct {
	role *role // nil: there is none of this name
	err  error
}

type roleAt struct{ scope, role string }

// applyRoles makes and removes role assignments.
func (c *connector) applyRoles(ctx context.Context, items []*item) {
	// What is taken away does not wait for anything to be looked up.
	revokes := slices.DeleteFunc(slices.Clone(items), func(it *item) bool { return !it.act.Revoke })
	each(revokes, func(it *item) { it.err = c.unassign(ctx, it) })
	defs := c.definitions(ctx, items)
	grants := slices.DeleteFunc(slices.Clone(items), func(it *item) bool { return it.act.Revoke })
	each(grants, func(it *item) {
		d := defs[roleAt{it.e.scope, it.e.role}]
		if it.err = d.err; it.err != nil {
			return
		}
		if d.role == nil {
			it.err = fmt.Errorf("role %q does not exist there, or its scope does not", it.e.role)
			return
		}
		if power := d.role.power(); power != "" && !slices.Contains(c.set.PrivilegedRoles, it.e.role) {
			it.err = fmt.Errorf("who has role %q can give roles (%s); list it in setting privilegedRoles if that is meant", it.e.role, power)
			return
		}
		it.err = c.assign(ctx, it, d.role)
	})
	c.verify(ctx, revokes, defs)
}

// definitions looks up each role once.
func (c *connector) definitions(ctx context.Context, items []*item) map[roleAt]definition {
	want := map[roleAt]bool{}
	for _, it := range items {
		if it.err == nil && it.none == "" {
			want[roleAt{it.e.scope, it.e.role}] = true
		}
	}
	return c.findRoles(ctx, want)
}

func (c *connector) findRoles(ctx context.Context, want map[roleAt]bool) map[roleAt]definition {
	var mu sync.Mutex
	defs := map[roleAt]definition{}
	each(slices.Collect(maps.Keys(want)), func(at roleAt) {
		r, err := c.findRole(ctx, at.scope, at.role)
		mu.Lock()
		defer mu.Unlock()
		defs[at] = definition{r, err}
	})
	return defs
}

// verify looks whether another hand still gives what was taken away. Tenure's own
// assignments, which the server may still show for a while, do not count.
func (c *connector) verify(ctx context.Context, revokes []*item, defs map[roleAt]definition) {
	at := map[string][]*item{}
	for _, it := range revokes {
		d := defs[roleAt{it.e.scope, it.e.role}]
		switch {
		case it.err != nil || it.none != "":
		case it.lost != nil:
			it.err = fmt.Errorf("its own role assignment is gone, but it is not known whether another remains: %w", it.lost)
		case d.err != nil:
			it.err = fmt.Errorf("its own role assignment is gone, but it is not known whether another remains: %w", d.err)
		case d.role != nil:
			at[it.e.scope] = append(at[it.e.scope], it)
		}
	}
	each(slices.Collect(maps.Keys(at)), func(scope string) {
		all, err := c.assignments(ctx, scope)
		for _, it := range at[scope] {
			if err != nil && !gone(err) {
				it.err = fmt.Errorf("its own role assignment is gone, but it is not known whether another remains: %w", err)
			}
			for _, a := range all {
				if a.Name != nameOf(it.act.Grant) && a.of(defs[roleAt{scope, it.e.role}].role, it.who.id) {
					it.err = fmt.Errorf("role assignment %s, which Tenure did not make, gives it still", a.Name)
				}
			}
		}
	})
}

// applyMembers adds members to groups and removes them.
func (c *connector) applyMembers(ctx context.Context, items []*item) {
	at := map[string][]*item{}
	for _, it := range items {
		switch {
		case it.act.Revoke && it.lost != nil:
			it.err = it.lost
		case it.act.Revoke && it.none != "": // who is not there is no member
		default:
			at[it.e.group] = append(at[it.e.group], it)
		}
	}
	var ready []func()
	var mu sync.Mutex
	each(slices.Collect(maps.Keys(at)), func(name string) {
		g, err := c.findGroup(ctx, name)
		var refused error
		if g != nil {
			refused = c.writable(g, name)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, it := range at[name] {
			switch {
			case err != nil:
				it.err = err
			case it.act.Revoke && g != nil:
				ready = append(ready, func() { it.err = c.remove(ctx, g, it) })
			case it.act.Revoke: // what is not there has no members
			case g == nil:
				it.err = fmt.Errorf("group %q does not exist", name)
			case refused != nil:
				it.err = refused
			default:
				ready = append(ready, func() { it.err = c.add(ctx, g, it) })
			}
		}
	})
	each(ready, func(f func()) { f() })
}
