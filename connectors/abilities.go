package connectors

// AbilitySet is what a connector can do beyond the minimum. A nil field means that
// it cannot.
type AbilitySet struct {
	Batcher       Batcher
	NativeExpirer NativeExpirer
	SessionEnder  SessionEnder
	Checker       Checker
	Partitioner   Partitioner
}

// Abler is a connector that says itself which abilities it has: a decorator, or a
// connector whose abilities depend on its settings. The methods of its Go type say
// nothing then.
type Abler interface {
	Abilities() AbilitySet
}

// Abilities returns what c can do. Callers use this (or the As functions) and never
// a type assertion: an assertion on a decorated connector would go wrong silently,
// and a revoke would leave sessions behind.
func Abilities(c Connector) AbilitySet {
	if a, ok := c.(Abler); ok {
		return a.Abilities()
	}
	var s AbilitySet
	s.Batcher, _ = c.(Batcher)
	s.NativeExpirer, _ = c.(NativeExpirer)
	s.SessionEnder, _ = c.(SessionEnder)
	s.Checker, _ = c.(Checker)
	s.Partitioner, _ = c.(Partitioner)
	return s
}

// AsBatcher returns c's way to apply many changes at once, if it has one.
func AsBatcher(c Connector) (Batcher, bool) {
	b := Abilities(c).Batcher
	return b, b != nil
}

// AsNativeExpirer reports whether c's target ends access by itself.
func AsNativeExpirer(c Connector) (NativeExpirer, bool) {
	e := Abilities(c).NativeExpirer
	return e, e != nil
}

// AsSessionEnder returns c's way to end live sessions, if it has one.
func AsSessionEnder(c Connector) (SessionEnder, bool) {
	s := Abilities(c).SessionEnder
	return s, s != nil
}

// AsChecker returns c's way to check its own credentials, if it has one.
func AsChecker(c Connector) (Checker, bool) {
	k := Abilities(c).Checker
	return k, k != nil
}

// AsPartitioner returns how c's target falls into parts, if it does.
func AsPartitioner(c Connector) (Partitioner, bool) {
	p := Abilities(c).Partitioner
	return p, p != nil
}
