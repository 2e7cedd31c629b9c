// Package codeowners makes the CODEOWNERS file of an access repository from its
// roles, groups and requests, so that the forge asks the right people for their
// review; and it reads such a file, to compare. It is pure and decides nothing:
// whose approval counts is package policy's answer.
package codeowners

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// MaxBytes is the size from which on GitHub does not read the file.
const MaxBytes = 3 << 20

// Places are where GitHub looks for the file, in this order; it uses the first.
func Places() []string { return []string{".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"} }

// Rule is one line: who is asked for what matches. Of all lines that match a
// path, the last one counts.
type Rule struct {
	Pattern string   // as the file writes it, escaped
	Owners  []string // @login, @org/team or an address; none: nobody is asked
	Line    int      // from 1; 0: made here
}

func (r Rule) String() string { return strings.Join(append([]string{r.Pattern}, r.Owners...), " ") }

// File is a file that was made here.
type File struct {
	Rules    []Rule
	Warnings []string // who is left out, and why

	text strings.Builder
}

// Bytes returns the text of the file.
func (f *File) Bytes() []byte { return []byte(f.text.String()) }

func (f *File) comment(format string, args ...any) {
	fmt.Fprintf(&f.text, "# "+format+"\n", args...)
}

func (f *File) blank() { f.text.WriteByte('\n') }

func (f *File) add(pattern string, owners []string) {
	r := Rule{Pattern: pattern, Owners: owners}
	f.Rules = append(f.Rules, r)
	f.text.WriteString(r.String() + "\n")
}

// inexact are the characters that a pattern takes for something else than
// themselves. GitHub knows no way to escape them: a character range and a leading #
// are documented not to work, and nothing is said of the others.
const inexact = `*?[]\#`

// PatternOf returns the pattern that matches one path and nothing else; the path is
// relative to the top of the repository. A path that no pattern matches exactly is
// an error.
func PatternOf(path string) (string, error) {
	if path == "" || strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") {
		return "", fmt.Errorf("%q is not the path of a file in the repository", path)
	}
	for _, r := range path {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || strings.ContainsRune(inexact, r) {
			return "", fmt.Errorf("%q: CODEOWNERS cannot name a path with %q exactly; rename the file", path, r)
		}
		if r != ' ' && blankRune(r) {
			return "", fmt.Errorf("%q: CODEOWNERS cannot name a path with the space %U exactly; rename the file", path, r)
		}
	}
	// The leading slash ties it to the top, and keeps ! from the front.
	return "/" + strings.ReplaceAll(path, " ", `\ `), nil
}

// loginForm is what GitHub gives out as login.
var loginForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
