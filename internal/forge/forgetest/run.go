package forgetest

import "testing"

// scenario is one thing that every forge must get right. Its name is the key of
// NotApplicable.
type scenario struct {
	name string
	play func(w *world)
}

// Run runs the suite. open makes a Hub for one scenario, and ends it with the
// test; scenarios run at the same time.
func Run(t *testing.T, open func(t *testing.T) Hub) {
	t.Helper()
	all := scenarios()
	var once Hub
	t.Run("names", func(t *testing.T) {
		once = open(t)
		known := map[string]bool{}
		for _, s := range all {
			if known[s.name] {
				t.Errorf("two scenarios are called %q", s.name)
			}
			known[s.name] = true
		}
		for name, reason := range once.NotApplicable() {
			if !known[name] || reason == "" {
				t.Errorf("not applicable: %q is no scenario, or has no reason", name)
			}
		}
	})
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			if reason, ok := h.NotApplicable()[s.name]; ok {
				t.Skipf("does not apply: %s", reason)
			}
			s.play(newWorld(t, h))
		})
	}
}

func scenarios() []scenario {
	var all []scenario
	for _, list := range [][]scenario{merges, reviews, heads, ways, reverts, desk} {
		all = append(all, list...)
	}
	return all
}
