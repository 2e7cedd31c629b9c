package policy

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Bounds of one expression. They are far above what a readable rule needs, and
// low enough that no rule can hold up a pass: the cost limit is some ten
// milliseconds of work.
const (
	maxExpression = 4096    // code points
	maxDepth      = 64      // nesting
	maxNodes      = 5000    // after macros are expanded
	maxRegexp     = 1000    // instructions of a compiled regular expression
	maxCost       = 200_000 // of one evaluation, in CEL's own units
)

// errUnknown is what a field yields whose value cannot be known yet: the start of
// a request that is not merged. Judging never meets it.
var errUnknown = errors.New("not known before the request is merged")

// newEnv declares what expressions see: request, subject, role, targets, author.
// There is no function that tells the present time: an expression has the same
// value whenever it is evaluated.
func newEnv() (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("types of expressions: %w", err)
	}
	env, err := cel.NewEnv(
		cel.CustomTypeProvider(provider{registry}),
		cel.CustomTypeAdapter(registry),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxDepth),
		cel.ExpressionNodeLimit(maxNodes),
		cel.RegexProgramSizeLimit(maxRegexp),
		cel.Variable("request", cel.ObjectType(requestTypeName)),
		cel.Variable("subject", cel.ObjectType(subjectTypeName)),
		cel.Variable("author", cel.ObjectType(subjectTypeName)),
		cel.Variable("role", cel.ObjectType(roleTypeName)),
		cel.Variable("targets", cel.ListType(cel.ObjectType(targetTypeName))),
	)
	if err != nil {
		return nil, fmt.Errorf("environment of expressions: %w", err)
	}
	return env, nil
}

// compileError is one thing that is wrong with an expression, at a place in it.
type compileError struct {
	line, column int // from 1, 1
	message      string
}

// compiler compiles the expressions of one tree.
type compiler struct {
	env    *cel.Env
	across bool // one of them asks what others hold
}

// compile turns an expression into a program that yields a boolean.
func (c *compiler) compile(text string) (cel.Program, []compileError) {
	checked, issues := c.env.Compile(text)
	if issues != nil && issues.Err() != nil {
		var out []compileError
		for _, e := range issues.Errors() {
			out = append(out, compileError{max(e.Location.Line(), 1), max(e.Location.Column(), 0) + 1, e.Message})
		}
		return nil, out
	}
	if checked.OutputType() != cel.BoolType {
		return nil, []compileError{{1, 1, fmt.Sprintf("yields %s; must yield true or false", checked.OutputType())}}
	}
	c.across = c.across || asksAcross(checked.NativeRep())
	p, err := c.env.Program(checked, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100))
	if err != nil {
		return nil, []compileError{{1, 1, err.Error()}}
	}
	return p, nil
}

// asksAcross reports whether an expression uses a field that looks at other requests.
// Of a value whose type shows only at run time it is assumed.
func asksAcross(checked *ast.AST) bool {
	found := false
	typed := func(e ast.Expr, name string) bool {
		t := checked.GetType(e.ID())
		return t.Kind() == types.DynKind || t.TypeName() == name
	}
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			s := e.AsSelect()
			found = found || s.FieldName() == "roles" && typed(s.Operand(), subjectTypeName) ||
				s.FieldName() == "holders" && typed(s.Operand(), roleTypeName)
		case ast.CallKind:
			call := e.AsCall()
			found = found || call.FunctionName() == operators.Index && typed(call.Args()[0], "")
		}
	}))
	return found
}

// evaluate runs a program. Any result but a boolean is an error.
func evaluate(p cel.Program, vars map[string]any) (ok bool, err error) {
	out, _, err := p.Eval(vars)
	if err != nil {
		return false, err
	}
	b, isBool := out.(types.Bool)
	if !isBool {
		return false, fmt.Errorf("yields %s, not true or false", typeName(out))
	}
	return bool(b), nil
}

func typeName(v ref.Val) string {
	if v == nil || v.Type() == nil {
		return "nothing"
	}
	return v.Type().TypeName()
}
