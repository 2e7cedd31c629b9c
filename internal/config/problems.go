package config

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/tenure-dev/tenure/schema"
)

// Problems is everything that is wrong with a configuration, in file order. It is
// the error of [Load].
type Problems []schema.Problem

// Error prints one problem a line, as file:line:column: message.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes each problem visible to errors.As.
func (p Problems) Unwrap() []error {
	errs := make([]error, len(p))
	for i, one := range p {
		errs[i] = one
	}
	return errs
}

func (l *loader) at(n *yaml.Node) schema.Pos {
	if n == nil {
		return schema.Pos{File: l.name, Line: 1, Column: 1}
	}
	return schema.Pos{File: l.name, Line: n.Line, Column: n.Column}
}

func (l *loader) problem(n *yaml.Node, message string) {
	l.problems = append(l.problems, schema.Problem{Pos: l.at(n), Message: message})
}

func (l *loader) warn(n *yaml.Node, message string) {
	l.warnings = append(l.warnings, schema.Problem{Pos: l.at(n), Message: message, Warning: true})
}

func sorted(p Problems) Problems {
	slices.SortStableFunc(p, schema.Problem.Compare)
	return slices.CompactFunc(p, func(a, b schema.Problem) bool { return a.Compare(b) == 0 })
}

// meant returns `; did you mean "x"?` for the closest known word, or the list of
// what is allowed.
func meant(word string, known []string) string {
	best, dist := "", 3
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < dist {
			best, dist = k, d
		}
	}
	if best != "" {
		return `; did you mean "` + best + `"?`
	}
	return "; allowed are " + strings.Join(known, ", ")
}

// distance counts the edits between two words; a swap of neighbours is one.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(x)][len(y)]
}
