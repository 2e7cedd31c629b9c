package gcptest

import (
	"fmt"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// grantsByRole is the attribute by which Google limits what a caller of setIamPolicy
// may hand out.
const grantsByRole = "iam.googleapis.com/modifiedGrantsByRole"

// moment is what a condition can ask about.
type moment struct {
	now      time.Time
	modified []string // roles whose members a setIamPolicy changes
}

// compile reads a condition with a CEL engine.
func compile(expression string) (cel.Program, error) {
	attribute := cel.Function("getAttribute", cel.MemberOverload("attribute_of",
		[]*cel.Type{cel.MapType(cel.StringType, cel.DynType), cel.StringType, cel.ListType(cel.StringType)}, cel.ListType(cel.StringType),
		cel.FunctionBinding(func(args ...ref.Val) ref.Val {
			if v, ok := args[0].(traits.Mapper).Find(args[1]); ok {
				return v
			}
			return args[2]
		})))
	only := cel.Function("hasOnly", cel.MemberOverload("list_has_only",
		[]*cel.Type{cel.ListType(cel.StringType), cel.ListType(cel.StringType)}, cel.BoolType,
		cel.BinaryBinding(func(list, allowed ref.Val) ref.Val {
			for it := list.(traits.Lister).Iterator(); it.HasNext() == types.True; {
				if allowed.(traits.Container).Contains(it.Next()) != types.True {
					return types.False
				}
			}
			return types.True
		})))
	env, err := cel.NewEnv(attribute, only,
		cel.Variable("request", cel.MapType(cel.StringType, cel.TimestampType)),
		cel.Variable("resource", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("api", cel.MapType(cel.StringType, cel.DynType)))
	if err != nil {
		return nil, err
	}
	checked, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	if checked.OutputType() != cel.BoolType {
		return nil, fmt.Errorf("the condition is no truth value but %s", checked.OutputType())
	}
	return env.Program(checked)
}

// holds evaluates a condition. One that cannot be evaluated gives nothing.
func (m moment) holds(expression, resource string) bool {
	program, err := compile(expression)
	if err != nil {
		return false
	}
	out, _, err := program.Eval(map[string]any{
		"request":  map[string]any{"time": m.now},
		"resource": map[string]string{"name": resource},
		"api":      map[string]any{grantsByRole: append([]string{}, m.modified...)},
	})
	return err == nil && out == types.True
}
