package connectors_test

import (
	"maps"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/connectors"
)

// FuzzFormat holds that an entitlement's canonical text gives back exactly the
// pairs that it was made of, on one line of printable ASCII, and that no two maps
// share a text: else a revoke could be of something that was never granted.
func FuzzFormat(f *testing.F) {
	f.Add("role", "orders_rw", "namespace", "orders")
	f.Add("role", "a=b c", "a=b", "")
	f.Add("", "\x00\xff\u202e\n", "\"", `\"`)
	f.Add("role", "x", "role", "y")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		for _, s := range []string{k1, v1, k2, v2} {
			if !utf8.ValidString(s) {
				return // names are UTF-8, see CheckName
			}
		}
		pairs := map[string]string{k1: v1, k2: v2}
		text := connectors.Format(pairs)
		if strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
			t.Fatalf("%q is not one line of printable ASCII", text)
		}
		back, err := connectors.Parse(text)
		if err != nil || !maps.Equal(back, pairs) {
			t.Fatalf("%q became %q and then %q, %v", pairs, text, back, err)
		}
		if one := connectors.Format(map[string]string{k1: v1}); len(pairs) == 2 && one == text {
			t.Fatalf("%q and one of its pairs are both %q", pairs, text)
		}
	})
}

// FuzzParse holds that each text means one entitlement, and each entitlement has one
// text.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "role=x", "a=b c=d", `role="two words"`, `"k\n"="v\u00e4"`, "role=x ", " role=x", "b=1 a=2", "a=1 a=2", `role="x"`, "a=b  c=d", "a=", `a=""`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pairs, err := connectors.Parse(text)
		if err == nil && connectors.Format(pairs) != text {
			t.Fatalf("%q is taken for %q, whose text is %q", text, pairs, connectors.Format(pairs))
		}
	})
}

// FuzzCheckName holds that a name which passes cannot hide anything: it is one line,
// without control or invisible characters, and without white space at its ends.
func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"alice", "alice@example.com", "two words", " a", "a\u00a0b", "a\nb", "\u200b", "a\u202eb", "\xff", "ä", "a\U000e0001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := connectors.CheckName(name)
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }) {
				t.Fatalf("the error repeats what it refuses: %q", err)
			}
			return
		}
		if name == "" || !utf8.ValidString(name) || strings.TrimSpace(name) != name || strings.Contains(name, "  ") {
			t.Fatalf("%q passes", name)
		}
		for _, r := range name {
			if r != ' ' && (unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				t.Fatalf("%q passes with %U", name, r)
			}
		}
	})
}
