package schema

// suggest returns `; did you mean "x"?` for the candidate nearest to word, or ""
// when none is near. Ties go to the first candidate, so callers pass them sorted.
func suggest(word string, candidates []string) string {
	if len(word) > 2*maxNameBytes {
		return ""
	}
	limit := 1
	switch n := len(word); {
	case n > 8:
		limit = 3
	case n > 4:
		limit = 2
	}
	best, distance := "", limit+1
	for _, c := range candidates {
		if c == word || len(c) > 2*maxNameBytes || len(c)-len(word) > limit || len(word)-len(c) > limit {
			continue
		}
		if d := editDistance(word, c); d < distance {
			best, distance = c, d
		}
	}
	// A word that would have to change in every letter is not near.
	if best == "" || distance >= len(best) {
		return ""
	}
	return `; did you mean "` + best + `"?`
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours that turn a into b. Letters of different case differ by nothing:
// case is the most frequent slip.
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if lower(a[i-1]) == lower(b[j-1]) {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && lower(a[i-1]) == lower(b[j-2]) && lower(a[i-2]) == lower(b[j-1]) {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
