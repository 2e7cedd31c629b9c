package codeowners

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Problem is a line that GitHub skips, because it cannot be read.
type Problem struct {
	Line    int // from 1
	Message string
}

func (p Problem) String() string { return fmt.Sprintf("line %d: %s", p.Line, p.Message) }

var ownerForm = regexp.MustCompile(`^(@[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9._-]+)?|[^\s@]+@[^\s@]+\.[^\s@]+)$`)

// Parse reads a CODEOWNERS file as GitHub documents it. A line that it would skip is
// a problem and no rule.
func Parse(text []byte) ([]Rule, []Problem) {
	var rules []Rule
	var problems []Problem
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimFunc(line, blankRune)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		r, why := parseLine(line)
		if why != "" {
			problems = append(problems, Problem{n, why})
			continue
		}
		r.Line = n
		rules = append(rules, r)
	}
	return rules, problems
}

func parseLine(line string) (Rule, string) {
	end := patternEnd(line)
	r := Rule{Pattern: line[:end]}
	switch {
	case strings.HasPrefix(r.Pattern, "!"):
		return r, "a pattern cannot be negated with !"
	case strings.HasPrefix(r.Pattern, `\#`):
		return r, "a leading # cannot be escaped"
	case strings.ContainsAny(r.Pattern, "[]"):
		return r, "character ranges do not work"
	case strings.ContainsFunc(r.Pattern, func(c rune) bool { return c != ' ' && blankRune(c) }):
		return r, "only a plain space can be escaped"
	case strings.HasSuffix(r.Pattern, `\`) && !strings.HasSuffix(r.Pattern, `\\`):
		return r, `ends with a \ that escapes nothing`
	}
	for _, o := range strings.FieldsFunc(line[end:], blankRune) {
		if strings.HasPrefix(o, "#") {
			break
		}
		if !ownerForm.MatchString(o) {
			return r, fmt.Sprintf("%q is no owner; write @login, @org/team or an address", o)
		}
		r.Owners = append(r.Owners, o)
	}
	if len(r.Owners) == 0 && strings.HasSuffix(r.Pattern, " ") {
		return r, "ends with an escaped space, which is lost without an owner behind it"
	}
	return r, ""
}

// patternEnd returns where the pattern ends: at the first space that no backslash
// escapes.
func patternEnd(line string) int {
	escaped := false
	for i, r := range line {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case blankRune(r):
			return i
		}
	}
	return len(line)
}

// blankRune reports whether r parts words; whatever looks like a space does not make
// part of one.
func blankRune(r rune) bool { return unicode.IsSpace(r) }
