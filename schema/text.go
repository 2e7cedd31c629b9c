package schema

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// forbiddenRune says why a character may not stand anywhere in a file, or "".
// Raw bytes and decoded values are checked alike, so that neither a comment nor
// a \u escape can carry what reviewers do not see.
func forbiddenRune(r rune) string {
	switch {
	case r == '\n' || r == '\t':
		return ""
	case r == 0xFEFF:
		return "byte order mark"
	case r == 0x2028 || r == 0x2029 || r == 0x85:
		return "unusual line break"
	case r == 0:
		return "NUL character"
	case unicode.Is(unicode.Cc, r):
		return "control character"
	case unicode.Is(unicode.Bidi_Control, r):
		return "character that changes the direction of text"
	case unicode.Is(unicode.Noncharacter_Code_Point, r):
		return "code point that is not a character"
	}
	return ""
}

// lookalikeSpace holds letters and marks that Unicode calls printable and that
// readers cannot see.
var lookalikeSpace = map[rune]bool{
	0x034F: true, 0x115F: true, 0x1160: true, 0x17B4: true, 0x17B5: true,
	0x2800: true, 0x3164: true, 0xFFA0: true,
}

// hiddenRune reports whether r may not stand in names, keys, accounts and other
// one-line values: it is not visible, or it is a space that is not a space.
func hiddenRune(r rune) bool {
	return !unicode.IsPrint(r) || unicode.Is(unicode.Variation_Selector, r) || lookalikeSpace[r]
}

// wrongLine says what is wrong with a one-line value of at most limit runes, or "".
func wrongLine(s string, limit int) string {
	if s == "" {
		return "is empty; give it a value or leave the key out"
	}
	if n := utf8.RuneCountInString(s); n > limit {
		return fmt.Sprintf("has %d characters; at most %d are allowed", n, limit)
	}
	for _, r := range s {
		if hiddenRune(r) {
			return fmt.Sprintf("contains the invisible or control character %U; only visible characters and plain spaces are allowed", r)
		}
	}
	if strings.TrimSpace(s) != s {
		return "begins or ends with a space; remove it"
	}
	return ""
}

// wrongText says what is wrong with text for people, or "".
func wrongText(s string) string {
	if strings.TrimSpace(s) == "" {
		return "is empty; say it in words"
	}
	if n := utf8.RuneCountInString(s); n > maxTextRunes {
		return fmt.Sprintf("has %d characters; at most %d are allowed", n, maxTextRunes)
	}
	return ""
}

// wrongExpression says what is wrong with the characters of an expression, or "".
func wrongExpression(s string) string {
	if strings.TrimSpace(s) == "" {
		return "is empty; write an expression or leave the key out"
	}
	if n := utf8.RuneCountInString(s); n > maxExpressionRunes {
		return fmt.Sprintf("has %d characters; at most %d are allowed", n, maxExpressionRunes)
	}
	for _, r := range s {
		if r != '\n' && r != '\t' && hiddenRune(r) {
			return fmt.Sprintf("contains the invisible character %U; only visible characters are allowed", r)
		}
	}
	return ""
}

// wrongAccount says what is wrong with the name of an account on a target, or "".
func wrongAccount(s string) string {
	if len(s) > maxAccountBytes {
		return fmt.Sprintf("has %d bytes; at most %d are allowed", len(s), maxAccountBytes)
	}
	return wrongLine(s, maxAccountBytes)
}

// wrongEmail says what is wrong with an e-mail address, or "".
func wrongEmail(s string) string {
	if why := wrongLine(s, 254); why != "" {
		return why
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || domain == "" || strings.ContainsAny(s, " <>,;") || strings.Contains(domain, "@") {
		return "is not an e-mail address; write one such as alice@example.com"
	}
	return ""
}

// show quotes a value for an error: short, and with nothing in it that a
// terminal would act on.
func show(s string) string {
	if utf8.RuneCountInString(s) > maxShown {
		s = string([]rune(s)[:maxShown]) + "…"
	}
	var b strings.Builder
	for _, r := range strconv.Quote(s) {
		if hiddenRune(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// list joins allowed values for an error.
func list(values []string) string {
	if len(values) > maxListed {
		return strings.Join(values[:maxListed], ", ") + fmt.Sprintf(" and %d more", len(values)-maxListed)
	}
	return strings.Join(values, ", ")
}
