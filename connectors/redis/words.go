package redis

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/tenure-dev/tenure/connectors"
)

// Before a pattern of keys: only reading, only writing.
const (
	readOnly  = "%R~"
	writeOnly = "%W~"
)

// command is a category, a command, or one subcommand of it, as ACL CAT prints them.
// The server folds case; here they are in lower case, so that one has one spelling.
func checkCommand(word string) error {
	if !regexp.MustCompile(`^(@[a-z][a-z0-9_-]*|[a-z][a-z0-9_.-]*(\|[a-z0-9_.-]+)?)$`).MatchString(word) {
		return fmt.Errorf("%+.80q is not a command such as get or config|get, or a category such as @read, in lower case", word)
	}
	return nil
}

func checkKey(word string) error {
	if name, ok := strings.CutPrefix(word, readOnly); ok {
		return checkPattern(name)
	}
	if name, ok := strings.CutPrefix(word, writeOnly); ok {
		return checkPattern(name)
	}
	if strings.HasPrefix(word, "%RW~") || strings.HasPrefix(word, "%WR~") {
		return fmt.Errorf("%+.80q: write the pattern alone, it is for reading and writing", word)
	}
	return checkPattern(word)
}

// quotes are what the server takes off the words of a selector, as a shell does
// (sdssplitargs in its sds.c).
const quotes = `"'`

// checkPattern refuses what access lists could not hold: they are lists of words in
// which parentheses begin and end selectors.
func checkPattern(word string) error {
	if err := connectors.CheckName(word); err != nil {
		return err
	}
	switch {
	case strings.ContainsFunc(word, unicode.IsSpace):
		return fmt.Errorf("pattern %+.80q has a space, which access lists cannot hold; ? stands for any character", word)
	case strings.ContainsAny(word, "()"):
		return fmt.Errorf("pattern %+.80q has a parenthesis, which access lists cannot hold; ? stands for any character", word)
	case strings.ContainsAny(word, quotes):
		return fmt.Errorf("pattern %+.80q has a quote, which the server would take off: it reads '*' as *; ? stands for any character", word)
	case strings.HasPrefix(word, "~") || strings.HasPrefix(word, "&"):
		return fmt.Errorf("pattern %+.80q: write it without the sign before it", word)
	case strings.HasPrefix(word, mark):
		return fmt.Errorf("pattern %+.80q begins like the connector's own mark", word)
	}
	return nil
}

// keyRule writes a pattern of keys as a rule.
func keyRule(word string) string {
	if strings.HasPrefix(word, readOnly) || strings.HasPrefix(word, writeOnly) {
		return word
	}
	return "~" + word
}

// wide reports whether a pattern begins with a wildcard, so that it may be anything.
func wide(pattern string) bool {
	pattern = strings.TrimPrefix(strings.TrimPrefix(pattern, readOnly), writeOnly)
	return pattern != "" && strings.ContainsRune("*?[", rune(pattern[0]))
}

// checkAccount is what a name must be to get something. Revokes take every name: it is
// sent as it is, and a name that the server cannot have has no holders.
func checkAccount(name string) error {
	if err := connectors.CheckName(name); err != nil {
		return fmt.Errorf("account: %w", err)
	}
	if strings.ContainsFunc(name, unicode.IsSpace) {
		return errors.New("account: a name of Redis has no spaces")
	}
	return nil
}
