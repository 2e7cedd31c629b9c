package plugin

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// shown is how much of a plug-in's own words goes into an error, in bytes.
const shown = 400

// kept is how much of a plug-in's complaints is kept to choose them from, in bytes.
const kept = 64 << 10

// Cleaner takes secrets out of a plug-in's own words.
type Cleaner struct {
	secrets []string // longest first
	longest int
}

// NewCleaner knows the values that must not be shown. Each line of a value of several
// lines counts, too. Values of less than four bytes are not taken for secrets.
func NewCleaner(values ...string) *Cleaner {
	c := &Cleaner{}
	for _, v := range values {
		for _, s := range append(strings.FieldsFunc(v, func(r rune) bool { return r == '\n' || r == '\r' }), v) {
			if len(s) >= 4 {
				c.secrets = append(c.secrets, s)
				c.longest = max(c.longest, len(s))
			}
		}
	}
	slices.SortFunc(c.secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return c
}

// Clean returns the end of a text on one line, without secrets and without
// characters that a terminal obeys.
func (c *Cleaner) Clean(text string) string {
	for _, s := range c.secrets {
		text = strings.ReplaceAll(text, s, "[secret]")
	}
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.C, r) || unicode.Is(unicode.Z, r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if n := len(text) - shown; n > 0 {
		text = "..." + strings.ToValidUTF8(text[n:], "")
	}
	return text
}

// Tail keeps the end of what is written to it, whatever its length.
type Tail struct {
	b   []byte
	cut bool
}

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if n := len(t.b) - kept; n > 0 {
		t.b, t.cut = append(t.b[:0], t.b[n:]...), true
	}
	return len(p), nil
}

// Clean is the tail for people. Where it was cut, as much is left out as could be
// the rest of a secret that was cut in two.
func (t *Tail) Clean(c *Cleaner) string {
	b := t.b
	if t.cut {
		b = b[min(c.longest, len(b)):]
	}
	return c.Clean(string(b))
}
