package policy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"

	"github.com/tenure-dev/tenure/schema"
)

// Rules are the compiled expressions of one tree: the rules of its policies and
// the conditions of its roles' approvals. They are safe for concurrent use.
type Rules struct {
	rules  []rule
	whens  map[string]cel.Program // by text; a text that does not compile is absent
	across bool
}

// AcrossRequests reports whether any expression asks what other requests hold
// (subject.roles, role.holders), so that they have to be known first.
func (r *Rules) AcrossRequests() bool { return r != nil && r.across }

// rule is one rule of a policy. A nil program of a rule that has one written is a
// program that does not compile, and denies.
type rule struct {
	schema.Rule
	when, require cel.Program
	problem       string // why it cannot be used; empty: it can
}

// Compile compiles every expression of a tree. Problems stand at the place in the
// file where the mistake is; a rule with a problem stays in the result and denies
// every request, since nobody can tell what it was meant to allow.
func Compile(tree *schema.Tree) (*Rules, []schema.Problem) {
	out := &Rules{whens: map[string]cel.Program{}}
	if tree == nil {
		return out, nil
	}
	env, err := newEnv()
	if err != nil {
		out.rules = []rule{{Rule: schema.Rule{Name: "expressions"}, problem: err.Error()}}
		return out, []schema.Problem{{Message: err.Error()}}
	}
	c := &compiler{env: env}
	var problems []schema.Problem
	seen := map[string]schema.Pos{}
	for _, p := range tree.Policies {
		for _, r := range p.Rules {
			compiled, bad := c.rule(r)
			if first, dup := seen[r.Name]; dup {
				bad = append(bad, schema.Problem{Pos: r.Pos, Message: fmt.Sprintf(
					"rule %s is defined twice; the other is at %s:%d", r.Name, first.File, first.Line)})
			}
			seen[r.Name] = r.Pos
			out.rules = append(out.rules, compiled)
			problems = append(problems, bad...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tree.Roles)) {
		for i, a := range tree.Roles[name].Approvals {
			if a.When == "" {
				continue
			}
			p, bad := c.compile(a.When)
			for _, e := range bad {
				problems = append(problems, schema.Problem{Pos: a.Pos, Message: fmt.Sprintf(
					"role %s: `when` of approval %d, at character %d: %s", name, i+1, e.column, e.message)})
			}
			if p != nil {
				out.whens[a.When] = p
			}
		}
	}
	out.across = c.across
	slices.SortFunc(problems, schema.Problem.Compare)
	return out, problems
}

func (c *compiler) rule(r schema.Rule) (rule, []schema.Problem) {
	out := rule{Rule: r}
	var problems []schema.Problem
	add := func(key string, pos schema.Pos, errs []compileError) {
		for _, e := range errs {
			problems = append(problems, schema.Problem{
				Pos:     within(pos, e),
				Message: fmt.Sprintf("rule %s: `%s`: %s", r.Name, key, e.message),
			})
			out.problem = cmp.Or(out.problem, fmt.Sprintf("`%s` is not valid: %s", key, e.message))
		}
	}
	var errs []compileError
	if r.When != "" {
		out.when, errs = c.compile(r.When)
		add("when", r.WhenPos, errs)
	}
	if r.Require == "" {
		add("require", cmp.Or(r.RequirePos, r.Pos), []compileError{{1, 1, "is missing; must be an expression that yields true or false"}})
		return out, problems
	}
	out.require, errs = c.compile(r.Require)
	add("require", r.RequirePos, errs)
	return out, problems
}

// within returns the place in the file of a place in an expression.
func within(pos schema.Pos, e compileError) schema.Pos {
	if pos.Line == 0 {
		return pos
	}
	if e.line > 1 {
		return schema.Pos{File: pos.File, Line: pos.Line + e.line - 1, Column: e.column}
	}
	pos.Column += e.column - 1
	return pos
}

// Denial is one rule that denies a request, and for whom.
type Denial struct {
	Rule    string
	Subject string
	Role    string
	Message string // the rule's own words
	Err     error  // the rule could not be evaluated; nil: it was and says no
}

// String is the denial in one line.
func (d Denial) String() string {
	msg := cmp.Or(d.Message, "the rule says no")
	if d.Err != nil {
		msg = fmt.Sprintf("cannot be evaluated and so denies: %s", oneLine(d.Err.Error()))
	}
	return fmt.Sprintf("%s: %s (%s as %s)", d.Rule, msg, d.Role, d.Subject)
}

// denials runs one rule for every subject and role.
func (r rule) denials(pairs []pair, offline bool) []Denial {
	var out []Denial
	for _, p := range pairs {
		d := Denial{Rule: r.Name, Subject: p.subject.Name, Role: p.role.Name, Message: r.Message}
		ok, err := r.holds(p.vars)
		if offline && errors.Is(err, errUnknown) {
			continue
		}
		if d.Err = err; err != nil || !ok {
			out = append(out, d)
		}
	}
	return out
}

// holds reports whether the rule allows. An error denies.
func (r rule) holds(vars map[string]any) (bool, error) {
	if r.problem != "" {
		return false, errors.New(r.problem)
	}
	if r.when != nil {
		applies, err := evaluate(r.when, vars)
		if err != nil {
			return false, fmt.Errorf("`when`: %w", err)
		}
		if !applies {
			return true, nil
		}
	}
	ok, err := evaluate(r.require, vars)
	if err != nil {
		return false, fmt.Errorf("`require`: %w", err)
	}
	return ok, nil
}

// applies reports whether an approval item is asked for: when its condition is
// true for any subject.
func (r *Rules) applies(item schema.Approval, a *asking, role *schema.Role, params map[string]string) (bool, error) {
	if item.When == "" {
		return true, nil
	}
	p := r.whens[item.When]
	if p == nil {
		return false, fmt.Errorf("`when: %s` is not valid", oneLine(item.When))
	}
	any := false
	for _, s := range a.subjects {
		ok, err := evaluate(p, a.vars(s, role, params))
		if err != nil {
			return false, fmt.Errorf("`when: %s` cannot be evaluated: %w", oneLine(item.When), err)
		}
		any = any || ok
	}
	return any, nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
