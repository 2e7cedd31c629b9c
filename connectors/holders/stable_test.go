package holders

import (
	"errors"
	"strings"
	"testing"
)

func TestAListStandsStillOrIsAnError(t *testing.T) {
	same := func(s string) string { return s }
	for name, c := range map[string]struct {
		readings []string // letters are entries; a dot ends a page
		want     string
		err      string
	}{
		"one page":                 {[]string{"abc"}, "abc", ""},
		"empty":                    {[]string{""}, "", ""},
		"two pages, read twice":    {[]string{"ab.cd", "ab.cd"}, "abcd", ""},
		"another order":            {[]string{"ab.cd", "ca.db"}, "cadb", ""},
		"moved, then still":        {[]string{"ab.d", "bc.d", "bc.d"}, "bcd", ""},
		"shrunk to one page":       {[]string{"ab.d", "bd"}, "bd", ""},
		"never still":              {[]string{"a.b", "a.c", "a.d", "a.e", "a.f"}, "", "faster"},
		"twice on one page":        {[]string{"aa"}, "", "twice"},
		"twice on two pages":       {[]string{"ab.bc", "ab.bc"}, "", "twice"},
		"an error in the second":   {[]string{"ab.cd", "!"}, "", "broken"},
		"an error in the first":    {[]string{"!"}, "", "broken"},
		"nothing left on any page": {[]string{"a.b", ""}, "", ""},
	} {
		n := 0
		got, err := Stable("letters", same, func() ([]string, int, error) {
			text := c.readings[n]
			n++
			if text == "!" {
				return nil, 0, errors.New("broken")
			}
			return strings.Split(strings.ReplaceAll(text, ".", ""), ""), strings.Count(text, ".") + 1, nil
		})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v", name, err)
			}
			continue
		}
		if err != nil || strings.Join(got, "") != c.want || n != len(c.readings) {
			t.Errorf("%s: %v, %v after %d readings", name, got, err, n)
		}
	}
}
