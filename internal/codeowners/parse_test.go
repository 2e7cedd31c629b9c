package codeowners

import (
	"slices"
	"strings"
	"testing"
)

func TestAFileIsReadAsGitHubDoes(t *testing.T) {
	rules, problems := Parse([]byte(`# a comment
*  @org/team	@bob # and more
  /a\ b/c.yaml @alice docs@example.com

/nobody
!/negated @bob
/range[ab] @bob
\#escaped @bob
/owner bob
/dangling\
`))
	want := []Rule{
		{"*", []string{"@org/team", "@bob"}, 2},
		{`/a\ b/c.yaml`, []string{"@alice", "docs@example.com"}, 3},
		{"/nobody", nil, 5},
	}
	if !slices.EqualFunc(rules, want, func(a, b Rule) bool {
		return a.Pattern == b.Pattern && a.Line == b.Line && slices.Equal(a.Owners, b.Owners)
	}) {
		t.Errorf("got %v", rules)
	}
	var lines []int
	for _, p := range problems {
		lines = append(lines, p.Line)
	}
	if !slices.Equal(lines, []int{6, 7, 8, 9, 10}) {
		t.Errorf("problems: %v", problems)
	}
}

func TestADifferenceNamesEachLine(t *testing.T) {
	parse := func(text string) []Rule {
		rules, problems := Parse([]byte(text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return rules
	}
	have := parse("* @bob\n/a @bob # comment\n/a @bob\n/b @alice\n")
	for text, want := range map[string][]string{
		"# other comments\n* @bob\n\n/a   @bob\n/a @bob\n/b @alice\n": nil,
		"* @bob\n/a @bob\n/b @carol\n/c @bob\n":                       {"- /a @bob", "- /b @alice", "+ /b @carol", "+ /c @bob"},
		"/b @alice\n* @bob\n/a @bob\n/a @bob\n":                       {"the same lines in another order, from * @bob on; the last match counts"},
	} {
		if got := Diff(have, parse(text)); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"* @bob\n", "/a\\ b @x/y z@example.com # c", "\\# @a", "/a\\\\ @b", "\u00a0/x @y", "/a\\", "\\  #", "/a\\ "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, _ := Parse([]byte(text))
		for _, r := range rules {
			again, problems := Parse([]byte(r.String() + "\n"))
			if len(problems) > 0 || len(again) != 1 || again[0].String() != r.String() {
				t.Errorf("%q is read again as %v, %v", r.String(), again, problems)
			}
		}
	})
}

func FuzzPatternOf(f *testing.F) {
	for _, s := range []string{"requests/a.yaml", "a b", " a", "a ", "!a", "#a", "ü", "a\u2003b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		pattern, err := PatternOf(path)
		if err != nil {
			return
		}
		rules, problems := Parse([]byte(pattern + " @bob\n"))
		if len(problems) > 0 || len(rules) != 1 || rules[0].Pattern != pattern || !slices.Equal(rules[0].Owners, []string{"@bob"}) {
			t.Fatalf("%q is read as %v, %v", path, rules, problems)
		}
		if got := strings.ReplaceAll(strings.TrimPrefix(pattern, "/"), `\ `, " "); got != path {
			t.Errorf("%q is written as %q", path, pattern)
		}
	})
}
