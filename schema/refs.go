package schema

import (
	"maps"
	"slices"
)

// sortedKeys returns a map's keys in order, so that output never varies.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// among lists what word could have been, with the nearest.
func among(what string, names []string, word string) string {
	if len(names) == 0 {
		return "; none is " + what
	}
	return "; " + what + ": " + list(names) + suggest(word, names)
}
