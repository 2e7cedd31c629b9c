// Package markdown makes text from the access repository harmless in what the
// reconciler writes on a forge: no mention, no link, no markup, one line.
package markdown

import (
	"slices"
	"strings"
	"unicode"
)

// maxCode is how many characters of one text are shown.
const maxCode = 500

// Plain puts text on one line: for titles, where nothing is rendered but mentions.
// An @ is followed by an invisible joiner, so that it names nobody. Control and
// invisible format characters are shown as a replacement character.
func Plain(s string) string {
	return strings.ReplaceAll(line(s), "@", "@\u2060")
}

// Code returns a code span: inside one nothing is a mention, a link or markup.
func Code(s string) string {
	s = strings.ReplaceAll(line(s), "`", "'")
	if s == "" {
		s = " "
	}
	if r := []rune(s); len(r) > maxCode {
		s = string(r[:maxCode]) + "…"
	}
	return "`" + s + "`"
}

// Codes returns a list of code spans, sorted, each text once.
func Codes(list []string) string {
	list = slices.Compact(slices.Sorted(slices.Values(list)))
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = Code(s)
	}
	return strings.Join(out, ", ")
}

func line(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r), unicode.IsControl(r):
			return '\uFFFD'
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
