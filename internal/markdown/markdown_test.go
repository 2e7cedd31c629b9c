package markdown

import (
	"strings"
	"testing"
	"unicode"
)

func TestNothingOfATextIsMarkup(t *testing.T) {
	for name, c := range map[string]struct{ in, code, plain string }{
		"a mention":             {"ping @security", "`ping @security`", "ping @\u2060security"},
		"lines":                 {"a\n# b\r\n- c", "`a # b - c`", "a # b - c"},
		"a way out of the span": {"a` <img src=x> `b", "`a' <img src=x> 'b`", "a` <img src=x> `b"},
		"text turned around":    {"a\u202eb\u200bc", "`a\uFFFDb\uFFFDc`", "a\uFFFDb\uFFFDc"},
		"a bell":                {"a\ab", "`a\uFFFDb`", "a\uFFFDb"},
		"nothing":               {"", "` `", ""},
	} {
		if got := Code(c.in); got != c.code {
			t.Errorf("%s: code %q, want %q", name, got, c.code)
		}
		if got := Plain(c.in); got != c.plain {
			t.Errorf("%s: plain %q, want %q", name, got, c.plain)
		}
	}
	if got := Codes([]string{"b", "a", "b"}); got != "`a`, `b`" {
		t.Errorf("list: %s", got)
	}
	if n := len([]rune(Code(strings.Repeat("ä", 10_000)))); n != maxCode+3 {
		t.Errorf("a long text has %d characters", n)
	}
}

func FuzzCode(f *testing.F) {
	f.Add("a`b\n@c")
	f.Fuzz(func(t *testing.T, s string) {
		got := Code(s)
		if strings.Count(got, "`") != 2 || got[0] != '`' || got[len(got)-1] != '`' {
			t.Errorf("%q is not one span", got)
		}
		for _, r := range got {
			if unicode.IsControl(r) {
				t.Errorf("%q has a control character", got)
			}
		}
	})
}
