package holders

import (
	"fmt"
	"slices"
)

// rereads is how often a list of several pages is read until it stands still.
const rereads = 5

// Stable reads a list that the host cuts into pages by counting. There an entry that
// goes while the list is read moves another one over the edge of a page, unseen. A list
// of several pages is therefore read until two readings are the same, or is an error;
// so is one with an entry that is there twice.
func Stable[T any](what string, key func(T) string, read func() (items []T, pages int, err error)) ([]T, error) {
	var before []string
	for range rereads {
		items, pages, err := read()
		if err != nil {
			return nil, err
		}
		keys := make([]string, len(items))
		for i, item := range items {
			keys[i] = key(item)
		}
		slices.Sort(keys)
		if pages <= 1 || before != nil && slices.Equal(before, keys) {
			if len(slices.Compact(keys)) != len(items) {
				return nil, fmt.Errorf("the host lists an entry of %s twice", what)
			}
			return items, nil
		}
		before = keys
	}
	return nil, fmt.Errorf("the list of %s changes faster than it can be read", what)
}
