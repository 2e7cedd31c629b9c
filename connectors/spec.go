package connectors

import (
	"fmt"
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"
)

// DecodeSpec reads a spec that must have exactly these keys, each with a name as
// its value (see [CheckName]).
func DecodeSpec(spec Spec, keys ...string) (map[string]string, error) {
	for _, k := range slices.Sorted(maps.Keys(spec)) {
		if !slices.Contains(keys, k) {
			return nil, fmt.Errorf("unknown key %q%s", k, didYouMean(k, keys))
		}
	}
	out := make(map[string]string, len(keys))
	for _, k := range keys {
		v, ok := spec[k]
		if !ok {
			return nil, fmt.Errorf("key %q is missing", k)
		}
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%s must be text, not %s", k, kindOf(v))
		}
		if err := CheckName(s); err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		out[k] = s
	}
	return out, nil
}

// DecodeEntitlement reads a canonical text that must have exactly these keys. It
// does not check the names again: what an older version granted under looser rules
// must still be found and revoked.
func DecodeEntitlement(text string, keys ...string) (map[string]string, error) {
	pairs, err := Parse(text)
	if err != nil {
		return nil, err
	}
	for _, k := range slices.Sorted(maps.Keys(pairs)) {
		if !slices.Contains(keys, k) {
			return nil, fmt.Errorf("entitlement %q: unknown key %q%s", text, k, didYouMean(k, keys))
		}
	}
	if len(pairs) != len(keys) {
		return nil, fmt.Errorf("entitlement %q must have the keys %q", text, keys)
	}
	return pairs, nil
}

// CheckName refuses names that people cannot tell from another one on a page:
// empty, not UTF-8, with control or invisible characters, or with white space other
// than single spaces inside. A target may be stricter.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf("a name must not be empty")
	}
	if !utf8.ValidString(name) {
		return fmt.Errorf("name %+q is not valid UTF-8", clip(name))
	}
	prev := ' '
	for _, r := range name {
		switch {
		case r == ' ' && prev == ' ':
			return fmt.Errorf("name %+q has a space at its start or two in a row", clip(name))
		case r != ' ' && (unicode.Is(unicode.C, r) || unicode.Is(unicode.Z, r)):
			return fmt.Errorf("name %+q has the invisible or control character %U", clip(name), r)
		}
		prev = r
	}
	if prev == ' ' {
		return fmt.Errorf("name %+q ends with a space", clip(name))
	}
	return nil
}

// clip keeps messages short when a name is not.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

// kindOf names a YAML value's kind the way people who write YAML do.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case string:
		return "text"
	case bool:
		return "true or false"
	case int, int64, uint64, float64:
		return "a number"
	case []any, []string:
		return "a list"
	case map[string]any, map[any]any:
		return "a mapping"
	}
	return fmt.Sprintf("a value of type %T", v)
}
