package connectors

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Format writes an entitlement's canonical text: its pairs as key=value, sorted by
// key, joined by one space. A key or value is quoted unless it is made only of
// ASCII letters, digits and _.:/@+- and is not empty; quoting escapes everything
// outside printable ASCII, so that look-alike letters show and that the text does
// not depend on a version of the Unicode tables. Different maps have different
// texts, and [Parse] gives the map back.
func Format(pairs map[string]string) string {
	var b strings.Builder
	for i, k := range slices.Sorted(maps.Keys(pairs)) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word(k))
		b.WriteByte('=')
		b.WriteString(word(pairs[k]))
	}
	return b.String()
}

// Parse reads what [Format] wrote, and nothing else: a text that is not canonical
// is an error, so that two texts never mean the same entitlement.
func Parse(text string) (map[string]string, error) {
	pairs := map[string]string{}
	for rest := text; rest != ""; {
		k, after, err := cutWord(rest)
		if err != nil || !strings.HasPrefix(after, "=") {
			return nil, fmt.Errorf("entitlement %q: want key=value", text)
		}
		v, after, err := cutWord(after[1:])
		if err != nil {
			return nil, fmt.Errorf("entitlement %q: bad value of %s", text, word(k))
		}
		pairs[k] = v
		rest = strings.TrimPrefix(after, " ")
	}
	if Format(pairs) != text {
		return nil, fmt.Errorf("entitlement %q is not in canonical form (%s is)", text, Format(pairs))
	}
	return pairs, nil
}

func word(s string) string {
	if s == "" || strings.IndexFunc(s, notPlain) >= 0 {
		return strconv.QuoteToASCII(s)
	}
	return s
}

func notPlain(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		strings.ContainsRune("_.:/@+-", r))
}

// cutWord takes a plain or quoted word off the front.
func cutWord(s string) (w, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		n := strings.IndexFunc(s, notPlain)
		if n < 0 {
			n = len(s)
		}
		if n == 0 {
			return "", "", strconv.ErrSyntax
		}
		return s[:n], s[n:], nil
	}
	q, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", "", err
	}
	w, err = strconv.Unquote(q)
	return w, s[len(q):], err
}
