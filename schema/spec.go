package schema

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

var placeholderForm = regexp.MustCompile(`\$\{([^{}]*)\}`)

// spec reads a mapping of an entitlement or of a ceiling: free keys to text,
// whole numbers, true or false, and lists of text.
func (d *decoder) spec(n *yaml.Node, what, path string) map[string]any {
	out := map[string]any{}
	d.pairs(n, what, func(key string, k, v *yaml.Node) {
		if why := wrongSpecKey(key); why != "" {
			d.problem(k, "key %s of %s %s", show(key), what, why)
			return
		}
		d.mark(v, path+"."+key)
		if value, ok := d.specValue(v, key, path+"."+key); ok {
			out[key] = value
		}
	})
	return out
}

func (d *decoder) specValue(n *yaml.Node, key, path string) (any, bool) {
	line := func(s string) string { return wrongLine(s, maxLineRunes) }
	switch {
	case n.Kind == yaml.SequenceNode:
		values := d.texts(n, key, path, 1, maxItems, line)
		return values, len(values) == len(n.Content) && len(values) > 0
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool":
		return n.Value == "true" || n.Value == "True" || n.Value == "TRUE", true
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int":
		before := len(d.file.Problems) + d.more
		i := d.whole(n, key, -(1<<53 - 1), 1<<53-1)
		return int(i), len(d.file.Problems)+d.more == before
	case n.Kind == yaml.ScalarNode && (n.ShortTag() == "!!str" || n.ShortTag() == "!!timestamp"):
		s := d.text(n, key, line)
		return s, s != ""
	}
	d.problem(n, "%s is %s; allowed: text, a whole number, true or false, or a list of text", key, kindOf(n))
	return nil, false
}

// specKeys returns the keys of a spec, sorted.
func specKeys(spec map[string]any) []string { return slices.Sorted(maps.Keys(spec)) }

// placeholders returns the parameters that a spec uses, sorted, or an error for
// a "${" that is not a well-formed ${name}.
func placeholders(spec map[string]any) ([]string, error) {
	used := map[string]bool{}
	for _, key := range specKeys(spec) {
		for _, s := range texts(spec[key]) {
			for _, m := range placeholderForm.FindAllStringSubmatch(s, -1) {
				if !paramForm.MatchString(m[1]) {
					return nil, fmt.Errorf("%s: %s is not a parameter; write ${name} with a name from params", key, m[0])
				}
				used[m[1]] = true
			}
			if strings.Contains(placeholderForm.ReplaceAllString(s, ""), "${") {
				return nil, fmt.Errorf("%s: %s has a ${ without its }; write ${name} with a name from params", key, show(s))
			}
		}
	}
	return slices.Sorted(maps.Keys(used)), nil
}

// texts returns the strings of one spec value.
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []string:
		return v
	}
	return nil
}

// ExpandSpec returns a copy of e's spec with each ${param} in its strings
// replaced by the parameter's value. Values are not expanded again. A parameter
// that has no value is an error, and so is a ${ that is not a ${name}.
func ExpandSpec(e Entitlement, params map[string]string) (map[string]any, error) {
	used, err := placeholders(e.Spec)
	if err != nil {
		return nil, err
	}
	for _, name := range used {
		if _, ok := params[name]; !ok {
			return nil, fmt.Errorf("parameter %s has no value; give it in the request's params", strconv.Quote(name))
		}
	}
	fill := func(s string) string {
		return placeholderForm.ReplaceAllStringFunc(s, func(m string) string { return params[m[2:len(m)-1]] })
	}
	out := make(map[string]any, len(e.Spec))
	for key, value := range e.Spec {
		switch v := value.(type) {
		case string:
			out[key] = fill(v)
		case []string:
			filled := make([]string, len(v))
			for i := range v {
				filled[i] = fill(v[i])
			}
			out[key] = filled
		default:
			out[key] = v
		}
	}
	return out, nil
}

// allowed reports whether a spec is within a ceiling: some item equals it in all
// of that item's keys.
func allowed(spec map[string]any, ceiling []map[string]any) bool {
	return slices.ContainsFunc(ceiling, func(item map[string]any) bool {
		for key, want := range item {
			if got, ok := spec[key]; !ok || !reflect.DeepEqual(got, want) {
				return false
			}
		}
		return true
	})
}
