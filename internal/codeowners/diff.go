package codeowners

import (
	"cmp"
	"slices"
)

// Diff compares what a file says with what it should say, leaving comments and
// spacing aside: one line for each rule that is too much ("-") or missing ("+"), by
// pattern. Rules in another order are a difference too, since the last match counts.
// Nil: they say the same.
func Diff(have, want []Rule) []string {
	type entry struct{ pattern, line string }
	var out []entry
	for _, x := range only(have, want) {
		out = append(out, entry{x.Pattern, "- " + x.String()})
	}
	for _, x := range only(want, have) {
		out = append(out, entry{x.Pattern, "+ " + x.String()})
	}
	if len(out) == 0 {
		for i := range have {
			if have[i].String() != want[i].String() {
				return []string{"the same lines in another order, from " + have[i].String() + " on; the last match counts"}
			}
		}
		return nil
	}
	slices.SortStableFunc(out, func(a, b entry) int { return cmp.Compare(a.pattern, b.pattern) })
	lines := make([]string, len(out))
	for i, e := range out {
		lines[i] = e.line
	}
	return lines
}

// only returns the rules of a that b does not have, counting those that stand twice.
func only(a, b []Rule) []Rule {
	left := map[string]int{}
	for _, r := range b {
		left[r.String()]++
	}
	var out []Rule
	for _, r := range a {
		if left[r.String()]--; left[r.String()] < 0 {
			out = append(out, r)
		}
	}
	return out
}
