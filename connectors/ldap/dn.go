package ldap

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// dn is a distinguished name, taken apart.
type dn struct{ rdns [][]ava }

// ava is one attribute and value of a relative distinguished name.
type ava struct{ attr, value string }

// descriptor is a type of attribute by its name or its number.
var descriptor = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)*)$`)

// parseDN reads a DN in any spelling of RFC 4514. The empty DN has no parts.
func parseDN(text string) (dn, error) {
	// The library takes a text of spaces for the empty DN.
	if !utf8.ValidString(text) || text != "" && strings.TrimSpace(text) == "" {
		return dn{}, errors.New("it is not a DN")
	}
	p, err := ldap.ParseDN(text)
	if err != nil {
		return dn{}, err
	}
	out := dn{rdns: make([][]ava, 0, len(p.RDNs))}
	for _, r := range p.RDNs {
		var rdn []ava
		for _, a := range r.Attributes {
			if !descriptor.MatchString(a.Type) || a.Value == "" {
				return dn{}, errors.New("it has a part that is not attribute=value")
			}
			rdn = append(rdn, ava{lower(a.Type), a.Value})
		}
		slices.SortFunc(rdn, func(x, y ava) int { return strings.Compare(x.attr+"="+x.value, y.attr+"="+y.value) })
		out.rdns = append(out.rdns, rdn)
	}
	return out, nil
}

// String is the canonical spelling: types in lower case, no spaces around separators,
// the parts of a relative DN in order, and only those characters of a value escaped
// that must be, each in one way. The case of values stays.
func (d dn) String() string {
	var b strings.Builder
	for i, rdn := range d.rdns {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, a := range rdn {
			if j > 0 {
				b.WriteByte('+')
			}
			b.WriteString(a.attr + "=")
			escapeValue(&b, a.value)
		}
	}
	return b.String()
}

// escapeValue escapes as RFC 4514 demands; control characters and what is not UTF-8
// become hexadecimal, so that they show.
func escapeValue(b *strings.Builder, value string) {
	for i, r := range value {
		size := 1
		if r != utf8.RuneError || strings.HasPrefix(value[i:], "\uFFFD") {
			size = utf8.RuneLen(r)
		}
		switch {
		case r == utf8.RuneError && size == 1 || r < ' ' || r == 0x7f:
			fmt.Fprintf(b, `\%02x`, value[i])
		case strings.ContainsRune(`"+,;<>\`, r),
			i == 0 && (r == ' ' || r == '#'),
			i == len(value)-1 && r == ' ':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
}

// key is equal for two DNs that a directory takes for the same, by the rules that
// names usually have there (RFC 4518): case, width and runs of spaces do not matter.
func (d dn) key() string {
	var b strings.Builder
	for i := range d.rdns {
		b.WriteString(d.rdnKey(i))
		b.WriteByte(0)
	}
	return b.String()
}

func (d dn) rdnKey(i int) string {
	parts := make([]string, len(d.rdns[i]))
	for j, a := range d.rdns[i] {
		parts[j] = a.attr + "=" + fold(a.value)
	}
	slices.Sort(parts)
	return strings.Join(parts, "\x01")
}

// below reports whether d is an entry somewhere below base.
func (d dn) below(base dn) bool {
	off := len(d.rdns) - len(base.rdns)
	if off < 1 {
		return false
	}
	for i := range base.rdns {
		if base.rdnKey(i) != d.rdnKey(off+i) {
			return false
		}
	}
	return true
}

// named returns the value that the entry's own name has for an attribute.
func (d dn) named(attr string) (value string, ok bool) {
	if len(d.rdns) > 0 {
		for _, a := range d.rdns[0] {
			if a.attr == lower(attr) {
				return a.value, true
			}
		}
	}
	return "", false
}

// fold maps names to the same text that a directory does not tell apart.
func fold(s string) string {
	if !plain(s) {
		s = norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
	} else {
		s = lower(s)
	}
	if strings.Contains(s, "  ") || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
		s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), " ")
	}
	return s
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// lower is for names of attributes and other ASCII.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// canonicalDN refuses every spelling of a DN but one, which the error says.
func canonicalDN(text string) (dn, error) {
	d, err := parseDN(text)
	if err != nil || len(d.rdns) == 0 {
		return dn{}, fmt.Errorf("%+.80q is not a DN, such as cn=dba,ou=groups,dc=example,dc=com", text)
	}
	if want := d.String(); want != text {
		return dn{}, fmt.Errorf("%+.200q is not the one spelling of this DN; write %q", text, want)
	}
	return d, nil
}
