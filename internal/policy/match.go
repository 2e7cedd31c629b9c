package policy

// need is one approval item to be met: count people out of the candidates.
type need struct {
	count      int
	candidates []string // sorted, distinct
}

// assign meets as many of the needs as can be met with distinct people: a maximum
// matching, found by augmenting paths, so that a person who alone can meet one
// item is not used up by another. Needs are served in order and candidates tried
// in order, which makes the choice the same every time. The result has, for each
// need, the people used for it; fewer than count: it is not met.
func assign(needs []need) [][]string {
	var slots []int // slot → need
	for i, n := range needs {
		for range min(n.count, len(n.candidates)) {
			slots = append(slots, i)
		}
	}
	person := map[string]int{} // person → slot
	var try func(slot int, seen map[string]bool) bool
	try = func(slot int, seen map[string]bool) bool {
		for _, c := range needs[slots[slot]].candidates {
			if seen[c] {
				continue
			}
			seen[c] = true
			if other, used := person[c]; !used || try(other, seen) {
				person[c] = slot
				return true
			}
		}
		return false
	}
	for s := range slots {
		try(s, map[string]bool{})
	}
	out := make([][]string, len(needs))
	for i, n := range needs {
		for _, c := range n.candidates { // keeps the order of the names
			if s, used := person[c]; used && slots[s] == i {
				out[i] = append(out[i], c)
			}
		}
	}
	return out
}
