package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// FuzzStatements holds that every statement of a plan is one statement, whatever the
// names are: read by the server's lexical rules it has the expected words, and the
// names come out of its quotes as they went in.
func FuzzStatements(f *testing.F) {
	for _, s := range []string{"orders_rw", `a"b`, `a""; DROP ROLE dba; --`, `a'b`, `\`, "a\nb", "$$", "U&", "é", "/*", "a b", `"`, "\x00"} {
		f.Add("alice", s, "mark", int64(0))
		f.Add(s, "orders_rw", "mark "+s, int64(1_800_000_000))
	}
	f.Fuzz(func(t *testing.T, account, roleName, mark string, until int64) {
		end := time.Time{}
		if until != 0 {
			end = time.Unix(until%(200*365*24*3600), 0) // a year has four digits
		}
		e := connectors.Format(map[string]string{"role": roleName})
		act := func(revoke bool) connectors.Act {
			return connectors.Act{Grant: grants.Grant{Target: "db", Account: account, Entitlement: e}, Until: end, Revoke: revoke}
		}
		decide := func(a connectors.Act, roles map[string]role, held map[pair][]string) []string {
			p := &plan{
				connector: &connector{target: "db", createLogins: true, mark: mark},
				acts:      []connectors.Act{a}, errs: make([]error, 1), roles: roles, held: held, want: map[pair]bool{},
			}
			p.decide(0)
			if p.errs[0] != nil && len(p.statements) > 0 {
				t.Fatalf("refused, and still %q", p.statements)
			}
			return p.statements
		}
		m := pair{account, roleName}

		// A grant checks the names first.
		granted := decide(act(false), map[string]role{roleName: {}}, map[pair][]string{})
		if len(granted) > 0 && (checkName(account) != nil || checkName(roleName) != nil) {
			t.Fatalf("granted to a name that is refused: %q", granted)
		}
		if strings.Contains(mark, "\x00") {
			return // a mark is made of the target's name, which has none
		}
		if len(granted) > 0 && account != roleName {
			same(t, granted, "CREATE ROLE <"+account+"> LOGIN VALID UNTIL ["+plainTime(end)+"]",
				"COMMENT ON ROLE <"+account+"> IS ["+mark+"]", "GRANT <"+roleName+"> TO <"+account+">")
		}

		// A revoke is of what the server showed, also under names that are refused now.
		if !canExist(account) || !canExist(roleName) {
			return
		}
		revoked := decide(act(true), map[string]role{account: {ours: true, login: true}}, map[pair][]string{m: {"us"}})
		if h, err := (&connector{target: "db"}).holdingOf(act(true).Grant); err != nil || h.pair != m {
			if utf8.ValidString(roleName) {
				t.Fatalf("%q is read as %q, %v", m, h.pair, err)
			}
			return
		}
		same(t, revoked, "REVOKE <"+roleName+"> FROM <"+account+">", "ALTER ROLE <"+account+"> NOLOGIN")
	})
}

func plainTime(t time.Time) string { return strings.Trim(timestamp(t), "'") }

func same(t *testing.T, statements []string, want ...string) {
	t.Helper()
	if len(statements) != len(want) {
		t.Fatalf("%d statements, want %d: %q", len(statements), len(want), statements)
	}
	for i, s := range statements {
		got, err := lex(s)
		if err != nil || got != want[i] {
			t.Fatalf("%q reads as %q (%v), want %q", s, got, err, want[i])
		}
	}
}

// lex reads a statement by PostgreSQL's lexical rules, with
// standard_conforming_strings on: words stay, <…> is a quoted identifier and […] a
// string. A NUL, an end of the statement, a comment or an open quote is an error.
func lex(s string) (string, error) {
	var out []string
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ':
			i++
		case c == '"' || c == '\'':
			text, n, err := quoted(s[i:], c)
			if err != nil {
				return "", err
			}
			if i > 0 && s[i-1] != ' ' {
				return "", fmt.Errorf("a quote at %d right after something else", i)
			}
			i += n
			if c == '"' {
				out = append(out, "<"+text+">")
			} else {
				out = append(out, "["+text+"]")
			}
		case c >= 'A' && c <= 'Z':
			n := 1
			for i+n < len(s) && s[i+n] >= 'A' && s[i+n] <= 'Z' {
				n++
			}
			out = append(out, s[i:i+n])
			i += n
		default:
			return "", fmt.Errorf("%q at %d", c, i)
		}
	}
	return strings.Join(out, " "), nil
}

// quoted reads up to the closing quote; two of them in a row are one of the text.
func quoted(s string, q byte) (text string, n int, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == 0:
			return "", 0, fmt.Errorf("a NUL ends the statement at %d", i)
		case s[i] != q:
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == q:
			b.WriteByte(q)
			i++
		case q == '"' && b.Len() == 0:
			return "", 0, fmt.Errorf("an empty identifier")
		default:
			return b.String(), i + 1, nil
		}
	}
	return "", 0, fmt.Errorf("an open quote")
}
