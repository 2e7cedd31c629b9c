package connectors

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Registry is the list of drivers that a program knows, by name.
type Registry struct{ byName map[string]Driver }

// NewRegistry makes a registry; two drivers of the same name are an error.
func NewRegistry(drivers ...Driver) (*Registry, error) {
	r := &Registry{byName: make(map[string]Driver, len(drivers))}
	for _, d := range drivers {
		if _, ok := r.byName[d.Name()]; ok {
			return nil, fmt.Errorf("two connectors are named %q", d.Name())
		}
		r.byName[d.Name()] = d
	}
	return r, nil
}

// Lookup returns a driver by its exact name.
func (r *Registry) Lookup(name string) (Driver, error) {
	if d, ok := r.byName[name]; ok {
		return d, nil
	}
	return nil, fmt.Errorf("unknown connector %q%s (known: %s)",
		name, didYouMean(name, r.Names()), strings.Join(r.Names(), ", "))
}

// Names returns the names of all drivers, sorted.
func (r *Registry) Names() []string { return slices.Sorted(maps.Keys(r.byName)) }
