package connectors

import "fmt"

// didYouMean returns "; did you mean X?" for the known word nearest to what was
// written, or nothing when none is near.
func didYouMean(written string, known []string) string {
	best, bestDistance := "", len([]rune(written))/3+2
	for _, k := range known {
		if d := distance(written, k); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is the number of letters to add, drop or change (Levenshtein). Long
// words are cut: nobody mistypes them into a known one.
func distance(a, b string) int {
	ra, rb := []rune(a), []rune(b)
	ra, rb = ra[:min(len(ra), 64)], rb[:min(len(rb), 64)]
	row := make([]int, len(rb)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range ra {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range rb {
			cost := 1
			if x == y {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(rb)]
}
