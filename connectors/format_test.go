package connectors

import (
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFormatIsSortedAndQuotesOnlyWhatNeedsIt(t *testing.T) {
	for _, c := range []struct {
		want  string
		pairs map[string]string
	}{
		{"", nil},
		{"role=orders_rw", map[string]string{"role": "orders_rw"}},
		{"clusterRole=edit namespace=orders", map[string]string{"namespace": "orders", "clusterRole": "edit"}},
		{"arn=arn:aws:iam::1:role/x+y@z", map[string]string{"arn": "arn:aws:iam::1:role/x+y@z"}},
		{`role="a b"`, map[string]string{"role": "a b"}},
		{`role=""`, map[string]string{"role": ""}},
		{`role="a=b"`, map[string]string{"role": "a=b"}},
		{`role="\"\n\\"`, map[string]string{"role": "\"\n\\"}},
		{`role="\u0430dmin"`, map[string]string{"role": "аdmin"}}, // Cyrillic first letter
		{`"a b"=1`, map[string]string{"a b": "1"}},
	} {
		if got := Format(c.pairs); got != c.want {
			t.Errorf("Format(%q) = %s, want %s", c.pairs, got, c.want)
		}
	}
}

func TestFormatRoundTripsAndIsInjective(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune(`a="\ `+"\n\xff"))),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	gen := rapid.MapOfN(text, text, 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := gen.Draw(t, "a"), gen.Draw(t, "b")
		back, err := Parse(Format(a))
		if err != nil || !maps.Equal(a, back) {
			t.Fatalf("%q became %s became %q, %v", a, Format(a), back, err)
		}
		if (Format(a) == Format(b)) != maps.Equal(a, b) {
			t.Fatalf("%q and %q share %s", a, b, Format(a))
		}
	})
}

func TestParseTakesOnlyTheCanonicalText(t *testing.T) {
	for _, text := range []string{
		" ", "a", "a=", "=a", "a=b ", " a=b", "a=b  c=d", "c=d a=b", "a=b a=b", "a=b a=c",
		`a="b"`, `"a"=b`, `a="\x62"`, `a="b c`, "a=`b c`", "a='b'", "a=b\n", "a=b,c=d", `a="ä"`,
	} {
		if got, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %q, want an error", text, got)
		}
	}
}

func TestParseNeverPanicsAndAgreesWithFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune(`ab="\ x6u`))).Draw(t, "text")
		if got, err := Parse(text); err == nil && Format(got) != text {
			t.Fatalf("Parse(%q) = %q", text, got)
		}
	})
}

func TestCheckNameRefusesWhatCannotBeSeen(t *testing.T) {
	for _, bad := range []string{"", " a", "a ", "a  b", "a\nb", "a\x00", "a\u200bb", "a\u00a0b", "\u202ea", "a\xff"} {
		if CheckName(bad) == nil {
			t.Errorf("%+q passed", bad)
		}
	}
	for _, good := range []string{"a", "a b", "größe", "日本", `a"b'c;d\e`, strings.Repeat("x", 1000)} {
		if err := CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestSpecErrorsSayWhatIsAllowed(t *testing.T) {
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{"role": "a"}, ""},
		{Spec{}, `key "role" is missing`},
		{Spec{"rol": "a"}, `unknown key "rol"; did you mean "role"?`},
		{Spec{"role": 1}, "role must be text, not a number"},
		{Spec{"role": nil}, "role must be text, not nothing"},
		{Spec{"role": "a\n"}, `role: name "a\n" has the invisible or control character U+000A`},
	} {
		_, err := DecodeSpec(c.spec, "role")
		if got := errText(err); got != c.want {
			t.Errorf("%v: %q, want %q", c.spec, got, c.want)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
