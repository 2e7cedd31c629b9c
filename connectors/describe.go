package connectors

import "encoding/json"

// Description is what can be known of a driver offline, for `validate`, `schema` and
// `doctor`.
type Description struct {
	// Settings and Entitlement are JSON Schemas (draft 2020-12) of one target's
	// entry in the reconciler's configuration, without the key `connector`, and of
	// one entitlement of a role, without the key `target`. Whatever Canonical or
	// Open accept passes them. A schema may be wider than the code where it cannot
	// say a rule, such as a length in bytes; the code still has the last word.
	Settings, Entitlement json.RawMessage

	// Preview says, in one sentence for people, why this connector is not yet
	// proven against the real system; empty: it is.
	Preview string
}

// Describer is a Driver that describes itself.
type Describer interface {
	Describe() Description
}

// Describe returns d's description, or false when it has none.
func Describe(d Driver) (Description, bool) {
	if s, ok := d.(Describer); ok {
		return s.Describe(), true
	}
	return Description{}, false
}
