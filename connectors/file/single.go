package file

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

// accountLine is a format with one account a line and no word for the group.
type accountLine interface {
	checkAccount(account string) error
	readAccount(line string) (account string, mine bool)
}

// single is a line format whose whole file is one group, named in the settings.
type single struct {
	noHeaders
	group string
	accountLine
}

func newSingle(group string, l accountLine) (format, error) {
	if group == "" {
		return nil, errors.New("setting group is missing: this format has one account a line, so the settings say which group the file is")
	}
	if err := connectors.CheckName(group); err != nil {
		return nil, fmt.Errorf("setting group: %w", err)
	}
	return blockFormat{single{group: group, accountLine: l}}, nil
}

func (s single) check(p pair) error {
	if p.Group != s.group {
		return fmt.Errorf("the file is only for group %q, not %q", s.group, p.Group)
	}
	if err := connectors.CheckName(p.Account); err != nil {
		return fmt.Errorf("account: %w", err)
	}
	return s.checkAccount(p.Account)
}

func (s single) read(line, _ string) ([]pair, bool) {
	if line == "" || line[0] == '#' {
		return nil, false
	}
	account, mine := s.readAccount(line)
	return []pair{{s.group, account}}, mine
}

func (s single) write(pairs []pair) []string {
	var lines []string
	for _, p := range pairs {
		if p.Group == s.group {
			lines = append(lines, p.Account)
		}
	}
	return lines
}

// plainLines is one account a line, and # comments.
type plainLines struct{}

func (plainLines) checkAccount(account string) error {
	// A backslash at the end would continue the line in some readers.
	if strings.HasPrefix(account, "#") || strings.HasSuffix(account, `\`) {
		return fmt.Errorf("account %+.100q cannot stand on a line of its own: no # in front, no backslash at the end", account)
	}
	return nil
}

func (plainLines) readAccount(line string) (string, bool) { return line, true }

// principals is sshd's AuthorizedPrincipalsFile: a principal a line, with options
// and white space before it if somebody wrote any.
type principals struct{}

func (principals) checkAccount(account string) error {
	if strings.ContainsAny(account, " ,\"'\\") || strings.HasPrefix(account, "#") || len(account) > 1000 {
		return fmt.Errorf("account %+.100q cannot be a principal: no spaces, commas, quotes or backslashes, no # in front, at most 1000 bytes", account)
	}
	return nil
}

func (principals) readAccount(line string) (string, bool) {
	if i := strings.LastIndexAny(line, " \t"); i >= 0 {
		return line[i+1:], false // with options: not ours
	}
	return line, true
}
