package intake

import (
	"maps"
	"slices"

	"github.com/tenure-dev/tenure/schema"
)

// scopes lists, by target, every entitlement that a role can name: what drift is
// looked for in.
func (in *Intake) scopes(tree *schema.Tree) map[string][]string {
	sets := map[string]map[string]bool{}
	for _, t := range tree.Targets {
		sets[t.Name] = map[string]bool{}
	}
	for _, role := range tree.Roles {
		for _, params := range combinations(role.Params) {
			for _, e := range role.Entitlements {
				target := tree.Targets[e.Target]
				if target == nil {
					continue
				}
				spec, err := schema.ExpandSpec(e, params)
				if err != nil {
					continue // reported by validation; nothing can be granted by it
				}
				if c, err := in.cfg.Canonical(target.Connector, spec); err == nil {
					sets[e.Target][c] = true
				}
			}
		}
	}
	out := make(map[string][]string, len(sets))
	for t, s := range sets {
		out[t] = slices.Sorted(maps.Keys(s))
	}
	return out
}

// maxCombinations bounds how many values of a role's parameters are looked at
// for drift.
const maxCombinations = 1000

// combinations returns every way to fill in a role's parameters.
func combinations(params map[string]schema.Param) []map[string]string {
	out := []map[string]string{{}}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		var grown []map[string]string
		for _, base := range out {
			for _, value := range params[name].Enum {
				if len(grown) == maxCombinations {
					return grown
				}
				m := maps.Clone(base)
				m[name] = value
				grown = append(grown, m)
			}
		}
		out = grown
	}
	return out
}
