package policy

import (
	"maps"
	"slices"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/schema"
)

// asking is a request as expressions see it.
type asking struct {
	tree     *schema.Tree
	request  *schema.AccessRequest
	subjects []*schema.Person // groups expanded, by name
	author   *schema.Person   // nil: not known
	start    time.Time        // zero: not known before the merge
	others   []grants.Decision
	held     []schema.Held // said by a policy test, for all of the window

	seen *across // of others and held; nil: not asked for yet
}

// across returns what is held beside the request. It cannot be told before the window
// is known, where others may hold something in it.
func (a *asking) across() (*across, error) {
	if a.seen == nil {
		from, until := startOf(a.request, a.start), endOf(a.request, a.start)
		if len(a.others) > 0 && (from.IsZero() || until.IsZero()) {
			return nil, errUnknown
		}
		a.seen = newAcross(a, from, until)
	}
	return a.seen, nil
}

// pair is one subject in one role, with the variables that expressions see.
type pair struct {
	subject *schema.Person
	role    *schema.Role
	vars    map[string]any
}

// pairs returns every subject in every role that exists.
func (a *asking) pairs() []pair {
	var out []pair
	for _, use := range a.request.Roles {
		role := a.tree.Roles[use.Role]
		if role == nil {
			continue // reported elsewhere
		}
		for _, s := range a.subjects {
			out = append(out, pair{s, role, a.vars(s, role, use.Params)})
		}
	}
	return out
}

// subjectsOf returns the people a request is for, groups expanded, by name, and
// the names among them that the tree does not know as a person.
func subjectsOf(tree *schema.Tree, r *schema.AccessRequest) (known []*schema.Person, unknown []string) {
	names := slices.Clone(tree.SubjectsOf(r))
	for _, s := range r.Subjects {
		if tree.People[s] == nil && tree.Groups[s] == nil {
			names = append(names, s)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if p := tree.People[name]; p != nil {
			known = append(known, p)
		} else {
			unknown = append(unknown, name)
		}
	}
	return known, unknown
}

// vars are the variables for one subject and role.
func (a *asking) vars(subject *schema.Person, role *schema.Role, params map[string]string) map[string]any {
	return map[string]any{
		"request": a.requestValue(subject),
		"subject": a.personValue(subject),
		"author":  a.personValue(a.author),
		"role":    a.roleValue(role, params),
		"targets": a.targetValues(role),
	}
}

func (a *asking) requestValue(subject *schema.Person) ref.Val {
	r := a.request
	var names, roles []string
	for _, s := range a.subjects {
		names = append(names, s.Name)
	}
	for _, u := range r.Roles {
		roles = append(roles, u.Role)
	}
	return &object{name: requestTypeName, fields: map[string]ref.Val{
		"subject":   types.String(subject.Name),
		"subjects":  stringList(names),
		"roles":     stringList(roles),
		"reason":    types.String(r.Reason),
		"ticket":    types.String(r.Ticket),
		"duration":  a.duration(),
		"startsAt":  timestamp(startOf(r, a.start)),
		"expiresAt": timestamp(endOf(r, a.start)),
		"emergency": types.Bool(r.Emergency),
		"standing":  types.Bool(!r.ReviewBy.IsZero()),
		"scheduled": types.Bool(r.Schedule != nil),
	}}
}

// duration is the length of one window.
func (a *asking) duration() ref.Val {
	r := a.request
	switch {
	case r.Schedule != nil:
		return types.Duration{Duration: r.Schedule.Duration}
	case r.Duration != 0:
		return types.Duration{Duration: r.Duration}
	}
	from, until := startOf(r, a.start), endOf(r, a.start)
	if from.IsZero() || until.IsZero() {
		return types.WrapErr(errUnknown)
	}
	return types.Duration{Duration: until.Sub(from)}
}

func timestamp(t time.Time) ref.Val {
	if t.IsZero() {
		return types.WrapErr(errUnknown)
	}
	return types.Timestamp{Time: t.UTC()}
}

// personValue is a person; nil is one whose every field is empty.
func (a *asking) personValue(p *schema.Person) ref.Val {
	kind := "person"
	if p == nil {
		p, kind = &schema.Person{}, ""
	} else if p.Service {
		kind = "service"
	}
	name := p.Name
	return &object{
		name: subjectTypeName,
		fields: map[string]ref.Val{
			"name":    types.String(p.Name),
			"email":   types.String(p.Email),
			"type":    types.String(kind),
			"manager": types.String(p.Manager),
			"owner":   types.String(p.Owner),
			"active":  types.Bool(p.Active),
			"labels":  newLabels(p.Labels),
		},
		lazy: map[string]func() ref.Val{
			"groups": func() ref.Val { return stringList(groupsOf(a.tree, name)) },
			"roles": func() ref.Val {
				x, err := a.across()
				if err != nil {
					return types.WrapErr(err)
				}
				return stringList(x.rolesOf(name))
			},
		},
	}
}

func groupsOf(tree *schema.Tree, person string) []string {
	var out []string
	for _, g := range slices.Sorted(maps.Keys(tree.Groups)) {
		if person != "" && tree.InGroup(person, g) {
			out = append(out, g)
		}
	}
	return out
}

func (a *asking) roleValue(r *schema.Role, params map[string]string) ref.Val {
	return &object{
		name: roleTypeName,
		fields: map[string]ref.Val{
			"name":        types.String(r.Name),
			"params":      newLabels(params),
			"maxDuration": types.Duration{Duration: r.MaxDuration},
			"standing":    types.Bool(r.Standing),
			"exclusive":   types.Bool(r.Exclusive),
			"labels":      newLabels(r.Labels),
		},
		lazy: map[string]func() ref.Val{
			"holders": func() ref.Val {
				x, err := a.across()
				if err != nil {
					return types.WrapErr(err)
				}
				return types.Int(x.holdersOf(r.Name))
			},
		},
	}
}

func (a *asking) targetValues(role *schema.Role) ref.Val {
	names := map[string]bool{}
	for _, e := range role.Entitlements {
		names[e.Target] = true
	}
	var out []ref.Val
	for _, n := range slices.Sorted(maps.Keys(names)) {
		t := a.tree.Targets[n]
		if t == nil {
			continue // judged elsewhere
		}
		out = append(out, &object{name: targetTypeName, fields: map[string]ref.Val{
			"name":      types.String(t.Name),
			"connector": types.String(t.Connector),
			"labels":    newLabels(t.Labels),
		}})
	}
	return types.NewRefValList(types.DefaultTypeAdapter, out)
}
