package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/schema"
)

// TestResult is the outcome of one test of a policy.
type TestResult struct {
	Pos     schema.Pos `json:"pos"`
	Name    string     `json:"name"`
	Expect  string     `json:"expect"` // "allow" or "deny"
	Got     string     `json:"got"`    // the same, or empty: the test could not be run
	OK      bool       `json:"ok"`
	Denials []Denial   `json:"-"`      // which rules deny, and for whom
	Detail  string     `json:"detail"` // the denials, or why the test could not be run
}

// RunTests runs the tests of all policies against the rules of all policies, as a
// request meets them. It looks at rules only, not at approvals or limits.
func RunTests(tree *schema.Tree) []TestResult {
	rules, _ := Compile(tree)
	return rules.runTests(tree)
}

func (r *Rules) runTests(tree *schema.Tree) []TestResult {
	var out []TestResult
	if tree == nil {
		return nil
	}
	for _, p := range tree.Policies {
		for i := range p.Tests {
			out = append(out, r.runTest(tree, &p.Tests[i]))
		}
	}
	return out
}

func (r *Rules) runTest(tree *schema.Tree, t *schema.PolicyTest) TestResult {
	res := TestResult{Pos: t.Pos, Name: t.Name, Expect: t.Expect}
	denials, why := r.offline(tree, &t.Request, t.Held)
	if why != "" {
		res.Detail = why
		return res
	}
	res.Got = "allow"
	if len(denials) > 0 {
		res.Got = "deny"
		res.Denials = denials
		res.Detail = describeDenials(denials)
	}
	res.OK = res.Got == res.Expect
	// A rule that fails to evaluate denies for want of an answer. A test that
	// expects a denial must get it from a rule that says so.
	if res.OK && res.Got == "deny" && !slices.ContainsFunc(denials, func(d Denial) bool { return d.Err == nil }) {
		res.OK = false
	}
	return res
}

// offline runs all rules on a request that is not merged. Rules that depend on the
// moment of the merge, where the request leaves that open, are passed over. The
// second result says why nothing can be said. Held is what is held beside the request;
// more is not known offline.
func (r *Rules) offline(tree *schema.Tree, req *schema.AccessRequest, held []schema.Held) ([]Denial, string) {
	subjects, unknown := subjectsOf(tree, req)
	if len(unknown) > 0 {
		return nil, fmt.Sprintf("%s is neither a person nor a group", names(unknown))
	}
	if len(subjects) == 0 {
		return nil, fmt.Sprintf("%s has no members", names(req.Subjects))
	}
	if len(req.Roles) == 0 {
		return nil, "the request names no role"
	}
	for _, u := range req.Roles {
		if tree.Roles[u.Role] == nil {
			return nil, fmt.Sprintf("role %s does not exist", u.Role)
		}
	}
	for _, h := range held {
		switch {
		case tree.People[h.Subject] == nil && tree.Groups[h.Subject] == nil:
			return nil, fmt.Sprintf("%s, who holds %s, is neither a person nor a group", h.Subject, h.Role)
		case tree.Roles[h.Role] == nil:
			return nil, fmt.Sprintf("role %s, which %s holds, does not exist", h.Role, h.Subject)
		}
	}
	a := &asking{tree: tree, request: req, subjects: subjects, held: held}
	pairs := a.pairs()
	var out []Denial
	for _, rule := range r.rules {
		out = append(out, rule.denials(pairs, true)...)
	}
	return out, ""
}

// Denials runs the rules of a tree on a request that is not merged yet, offline.
// Nothing is returned for a request whose subjects or roles do not exist.
func Denials(tree *schema.Tree, rules *Rules, r *schema.AccessRequest) []Denial {
	out, _ := rules.offline(tree, r, nil)
	return out
}

func describeDenials(list []Denial) string {
	var lines []string
	for _, d := range list {
		lines = append(lines, d.String())
	}
	return strings.Join(lines, "; ")
}

// Validate returns every problem of a tree's policies that can be known offline:
// expressions that do not compile, tests that fail, entitlements that the target's
// connector refuses, and requests that a rule denies. Structure, references and
// limits are the loader's business. A nil canonical leaves entitlements out.
func Validate(tree *schema.Tree, canonical Canonical) []schema.Problem {
	if tree == nil {
		return nil
	}
	rules, problems := Compile(tree)
	for _, t := range rules.runTests(tree) {
		if t.OK {
			continue
		}
		msg := fmt.Sprintf("policy test %q expects %s", t.Name, t.Expect)
		switch {
		case t.Got == "":
			msg += fmt.Sprintf(", but cannot be run: %s", t.Detail)
		case t.Got == "allow":
			msg += ", but no rule denies it"
		default:
			msg += fmt.Sprintf("; denied by %s", t.Detail)
		}
		problems = append(problems, schema.Problem{Pos: t.Pos, Message: msg})
	}
	if canonical != nil {
		for _, name := range slices.Sorted(maps.Keys(tree.Roles)) {
			problems = append(problems, refused(tree, tree.Roles[name], canonical)...)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(tree.Requests)) {
		req := tree.Requests[path]
		denials, _ := rules.offline(tree, req, nil) // unknown names are the loader's to report
		for _, d := range denials {
			problems = append(problems, schema.Problem{Pos: req.Pos, Message: "denied by rule " + d.String()})
		}
	}
	slices.SortFunc(problems, schema.Problem.Compare)
	return slices.Compact(problems)
}

// maxCombinations bounds how many parameter values of a role are tried.
const maxCombinations = 1000

// refused asks the drivers for every entitlement of a role, with every value that
// its parameters can have.
func refused(tree *schema.Tree, role *schema.Role, canonical Canonical) []schema.Problem {
	var out []schema.Problem
	for _, e := range role.Entitlements {
		target := tree.Targets[e.Target]
		if target == nil {
			continue
		}
		for _, params := range combinations(role) {
			spec, err := schema.ExpandSpec(e, params)
			if err != nil {
				continue // the loader's to report
			}
			if _, err := canonical(target.Connector, spec); err != nil {
				out = append(out, schema.Problem{Pos: e.Pos, Message: fmt.Sprintf(
					"role %s: connector %s of target %s refuses the entitlement%s: %v",
					role.Name, target.Connector, e.Target, given(params), err)})
			}
		}
	}
	return out
}

// combinations returns the values that a role's parameters can have together, in
// a stable order, the first thousand of them.
func combinations(role *schema.Role) []map[string]string {
	out := []map[string]string{{}}
	for _, k := range slices.Sorted(maps.Keys(role.Params)) {
		var next []map[string]string
		for _, m := range out {
			for _, v := range role.Params[k].Enum {
				if len(next) == maxCombinations {
					break
				}
				c := maps.Clone(m)
				c[k] = v
				next = append(next, c)
			}
		}
		out = next
	}
	return out
}

func given(params map[string]string) string {
	if len(params) == 0 {
		return ""
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(params)) {
		parts = append(parts, k+": "+params[k])
	}
	return " with " + strings.Join(parts, ", ")
}
