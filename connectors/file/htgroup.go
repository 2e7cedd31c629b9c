package file

import (
	"fmt"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

// htgroup is Apache's AuthGroupFile: "group: account account". A group may have
// several lines; Apache reads at most 8,191 bytes of a line, so ours stay shorter.
type htgroup struct{ noHeaders }

const htgroupLine = 4000

func (htgroup) check(p pair) error {
	for what, name := range map[string]string{"group": p.Group, "account": p.Account} {
		if err := connectors.CheckName(name); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if strings.ContainsAny(name, " :\"'\\") || strings.HasPrefix(name, "#") || len(name) > 1000 {
			return fmt.Errorf("%s %+.100q cannot stand in an htgroup file: no spaces, colons, quotes or backslashes, no # in front, at most 1000 bytes", what, name)
		}
	}
	return nil
}

func (htgroup) read(line, _ string) ([]pair, bool) {
	if line == "" || line[0] == '#' {
		return nil, false
	}
	group, rest, ok := strings.Cut(line, ":")
	if !ok {
		return nil, false
	}
	var out []pair
	for _, account := range apacheWords(rest) {
		out = append(out, pair{group, account})
	}
	return out, true
}

func (htgroup) write(pairs []pair) []string {
	var lines []string
	last := ""
	for _, p := range pairs {
		if n := len(lines); n > 0 && p.Group == last && len(lines[n-1])+1+len(p.Account) <= htgroupLine {
			lines[n-1] += " " + p.Account
			continue
		}
		lines = append(lines, p.Group+": "+p.Account)
		last = p.Group
	}
	return lines
}

// apacheWords splits as Apache's ap_getword_conf does: at white space, with quotes,
// in which a backslash keeps the quote or backslash after it.
func apacheWords(s string) []string {
	var words []string
	for {
		s = strings.TrimLeft(s, " \t\r\n\v\f")
		if s == "" {
			return words
		}
		if q := s[0]; q == '"' || q == '\'' {
			var w strings.Builder
			i := 1
			for ; i < len(s) && s[i] != q; i++ {
				if s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\\' || s[i+1] == q) {
					i++
				}
				w.WriteByte(s[i])
			}
			words = append(words, w.String())
			s = s[min(i+1, len(s)):]
			continue
		}
		n := strings.IndexAny(s, " \t\r\n\v\f")
		if n < 0 {
			n = len(s)
		}
		words = append(words, s[:n])
		s = s[n:]
	}
}
