package connectors

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
