package connectors

import "fmt"

// ReadText reads a canonical text by the rules for specs, so that names are checked
// again; use it where nothing that these rules refuse was ever granted.
func ReadText[E any](text string, read func(Spec) (E, error)) (e E, err error) {
	pairs, err := Parse(text)
	if err != nil {
		return e, err
	}
	spec := make(Spec, len(pairs))
	for k, v := range pairs {
		spec[k] = v
	}
	if e, err = read(spec); err != nil {
		return e, fmt.Errorf("entitlement %.200q: %w", text, err)
	}
	return e, nil
}

// DecodeScope reads the entitlements of a scope, each once and in their order.
func DecodeScope[E comparable](scope []string, read func(text string) (E, error)) ([]E, error) {
	known := make(map[E]bool, len(scope))
	list := make([]E, 0, len(scope))
	for _, text := range scope {
		e, err := read(text)
		if err != nil {
			return nil, err
		}
		if !known[e] {
			known[e] = true
			list = append(list, e)
		}
	}
	return list, nil
}
