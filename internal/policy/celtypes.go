package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// The object types that expressions see. Their fields are fixed, so a misspelt
// field is a compile error and not a value that is silently absent.
const (
	requestTypeName = "tenure.Request"
	subjectTypeName = "tenure.Subject"
	roleTypeName    = "tenure.Role"
	targetTypeName  = "tenure.Target"
)

// celFields returns the fields of an object type; nil: not one of ours.
func celFields(typeName string) map[string]*cel.Type {
	labelsType := cel.MapType(cel.StringType, cel.StringType)
	stringsType := cel.ListType(cel.StringType)
	switch typeName {
	case requestTypeName:
		return map[string]*cel.Type{
			"subject":   cel.StringType, // the person the rule is run for
			"subjects":  stringsType,    // all of them, groups expanded, sorted
			"roles":     stringsType,    // names, in the order of the file
			"reason":    cel.StringType,
			"ticket":    cel.StringType,
			"duration":  cel.DurationType, // of one window
			"startsAt":  cel.TimestampType,
			"expiresAt": cel.TimestampType, // end of the whole; of standing access: reviewBy
			"emergency": cel.BoolType,
			"standing":  cel.BoolType,
			"scheduled": cel.BoolType,
		}
	case subjectTypeName:
		return map[string]*cel.Type{
			"name":    cel.StringType,
			"email":   cel.StringType,
			"type":    cel.StringType, // "person" or "service"
			"manager": cel.StringType,
			"owner":   cel.StringType,
			"active":  cel.BoolType,
			"groups":  stringsType, // also through other groups, sorted
			"roles":   stringsType, // held at some instant of the request, by it and by others, sorted
			"labels":  labelsType,
		}
	case roleTypeName:
		return map[string]*cel.Type{
			"name":        cel.StringType,
			"params":      labelsType, // the values that the request gives
			"maxDuration": cel.DurationType,
			"standing":    cel.BoolType,
			"exclusive":   cel.BoolType,
			"holders":     cel.IntType, // people who hold it at one instant of the request, at most
			"labels":      labelsType,
		}
	case targetTypeName:
		return map[string]*cel.Type{
			"name":      cel.StringType,
			"connector": cel.StringType,
			"labels":    labelsType,
		}
	}
	return nil
}

// provider adds our object types to the ones of the CEL library.
type provider struct{ types.Provider }

// FindStructType implements types.Provider.
func (p provider) FindStructType(name string) (*types.Type, bool) {
	if celFields(name) != nil {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	fields := celFields(name)
	if fields == nil {
		return p.Provider.FindStructFieldNames(name)
	}
	var names []string
	for f := range fields {
		names = append(names, f)
	}
	slices.Sort(names)
	return names, true
}

// FindStructFieldType implements types.Provider.
func (p provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	fields := celFields(name)
	if fields == nil {
		return p.Provider.FindStructFieldType(name, field)
	}
	t, ok := fields[field]
	if !ok {
		return nil, false
	}
	return &types.FieldType{Type: t}, true
}

// NewValue implements types.Provider. Our objects come from documents only, never
// from an expression.
func (p provider) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if celFields(name) != nil {
		return types.NewErr("%s cannot be made in an expression", name)
	}
	return p.Provider.NewValue(name, fields)
}

// object is a value of one of our object types.
type object struct {
	name   string
	fields map[string]ref.Val        // every field of the type, but for
	lazy   map[string]func() ref.Val // those that cost something to work out
}

// Get implements traits.Indexer.
func (o *object) Get(index ref.Val) ref.Val {
	name, ok := index.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(index)
	}
	if v, ok := o.fields[string(name)]; ok {
		return v
	}
	if f, ok := o.lazy[string(name)]; ok {
		return f()
	}
	return types.NewErr("%s has no field %s", o.name, string(name))
}

// IsSet implements traits.FieldTester: fields are always there.
func (o *object) IsSet(field ref.Val) ref.Val {
	name, ok := field.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(field)
	}
	return types.Bool(celFields(o.name)[string(name)] != nil)
}

// ConvertToNative implements ref.Val.
func (o *object) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("%s cannot be converted to %v", o.name, t)
}

// ConvertToType implements ref.Val.
func (o *object) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return cel.ObjectType(o.name)
	}
	return types.NewErr("%s cannot be converted to %s", o.name, t.TypeName())
}

// Equal implements ref.Val: objects of a type are equal when their names are.
func (o *object) Equal(other ref.Val) ref.Val {
	p, ok := other.(*object)
	if !ok || p.name != o.name {
		return types.False
	}
	if o == p {
		return types.True
	}
	a, ok := o.fields["name"]
	if !ok {
		return types.False
	}
	return a.Equal(p.fields["name"])
}

// Type implements ref.Val.
func (o *object) Type() ref.Type {
	return types.NewObjectType(o.name, traits.IndexerType|traits.FieldTesterType)
}

// Value implements ref.Val.
func (o *object) Value() any { return o }

// labels is a map of strings in which an absent key is the empty string, so that
// `labels.env == 'prod'` is false and not an error where there is no env.
// The operator `in` still tells absent from empty.
type labels struct {
	traits.Mapper
	keys []string // sorted, so that iteration has one order
}

func newLabels(m map[string]string) *labels {
	l := &labels{Mapper: types.NewStringStringMap(types.DefaultTypeAdapter, m)}
	for k := range m {
		l.keys = append(l.keys, k)
	}
	slices.SortFunc(l.keys, strings.Compare)
	return l
}

// Find implements traits.Mapper.
func (l *labels) Find(key ref.Val) (ref.Val, bool) {
	v, ok := l.Mapper.Find(key)
	if !ok && v == nil {
		return types.String(""), true
	}
	return v, ok
}

// Get implements traits.Indexer.
func (l *labels) Get(key ref.Val) ref.Val {
	v, _ := l.Find(key)
	return v
}

// Iterator implements traits.Iterable.
func (l *labels) Iterator() traits.Iterator {
	return types.NewStringList(types.DefaultTypeAdapter, l.keys).Iterator()
}

// Equal implements ref.Val.
func (l *labels) Equal(other ref.Val) ref.Val {
	if o, ok := other.(*labels); ok {
		other = o.Mapper
	}
	return l.Mapper.Equal(other)
}

func stringList(s []string) ref.Val {
	return types.NewStringList(types.DefaultTypeAdapter, s)
}
