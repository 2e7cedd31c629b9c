package file

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

// sudoers writes "ACCOUNT RULE", with the group's rule from the operator's
// settings; never anything from the access repository but the account's name.
type sudoers struct {
	rules  map[string]string // group -> rule, white space collapsed
	groups map[string]string // rule -> group
}

func newSudoers(rules map[string]string) (format, error) {
	if len(rules) == 0 {
		return nil, errors.New("format sudoers needs the setting rules: {GROUP: \"ALL=(root) /usr/bin/systemctl\"}")
	}
	s := sudoers{rules: map[string]string{}, groups: map[string]string{}}
	for group, rule := range rules {
		rule = collapse(rule)
		if err := connectors.CheckName(group); err != nil {
			return nil, fmt.Errorf("setting rules: %w", err)
		}
		if !strings.Contains(rule, "=") || strings.ContainsAny(rule, "#\x00") || strings.HasSuffix(rule, `\`) {
			return nil, fmt.Errorf("setting rules: the rule of %q must be one line of the form HOSTS=(RUNAS) COMMANDS", group)
		}
		if other, ok := s.groups[rule]; ok {
			return nil, fmt.Errorf("setting rules: %q and %q have the same rule, so that one could not be told from the other", min(group, other), max(group, other))
		}
		s.rules[group], s.groups[rule] = rule, group
	}
	return blockFormat{s}, nil
}

// sudoUser is stricter than sudo: a first capital could be an alias or a keyword
// (ALL, Defaults, User_Alias), and % + # @ ! start something that is not a user.
var sudoUser = regexp.MustCompile(`^[a-z_][A-Za-z0-9_.@-]*$`)

func (s sudoers) check(p pair) error {
	if _, ok := s.rules[p.Group]; !ok {
		return fmt.Errorf("the target's setting rules has no rule for group %q", p.Group)
	}
	if !sudoUser.MatchString(p.Account) {
		return fmt.Errorf("account %+q cannot stand in a sudoers file: want a small letter or _, then letters, digits and _.@-", p.Account)
	}
	return nil
}

// foreignUsers is a list of users as people write it.
var foreignUsers = regexp.MustCompile(`^([^\s,=#!%+"()\\:]+(?:\s*,\s*[^\s,=#!%+"()\\:]+)*)\s+(\S.*)$`)

func (s sudoers) read(line, header string) ([]pair, bool) {
	m := foreignUsers.FindStringSubmatch(line)
	if m == nil {
		return nil, false
	}
	// The header keeps the rule as it was written: after a change of the settings the
	// account still holds what the old rule gives, until the block is written anew.
	if h, ok := parseHeader(header); ok && sudoUser.MatchString(m[1]) && m[2] == h["rule"] {
		return []pair{{h["group"], m[1]}}, true
	}
	rule, _, _ := strings.Cut(m[2], "#")
	group, known := s.groups[collapse(rule)]
	if !known {
		return nil, false
	}
	var out []pair
	for _, user := range strings.Split(m[1], ",") {
		out = append(out, pair{group, strings.TrimSpace(user)})
	}
	return out, false
}

// headerMark starts the comment above the lines of one group.
const headerMark = "# tenure: "

func (s sudoers) isHeader(line string) bool {
	_, ok := parseHeader(line)
	return ok
}

func parseHeader(line string) (map[string]string, bool) {
	text, ok := strings.CutPrefix(line, headerMark)
	if !ok {
		return nil, false
	}
	h, err := connectors.DecodeEntitlement(text, "group", "rule")
	return h, err == nil
}

func (s sudoers) write(pairs []pair) []string {
	var lines []string
	last := ""
	for _, p := range pairs {
		rule, ok := s.rules[p.Group]
		if !ok {
			continue // the operator took the group's rule away, and with it the access
		}
		if p.Group != last {
			lines = append(lines, headerMark+connectors.Format(map[string]string{"group": p.Group, "rule": rule}))
			last = p.Group
		}
		lines = append(lines, p.Account+" "+rule)
	}
	return lines
}

func collapse(s string) string { return strings.Join(strings.Fields(s), " ") }
