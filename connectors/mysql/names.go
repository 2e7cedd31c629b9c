package mysql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/connectors"
)

// account is a user name together with the host from which it may connect; both make
// up an account's identity.
type account struct{ user, host string }

// String is the one spelling of an account: alice for 'alice'@'%', and alice@10.0.0.5
// for all others. A user name with an @ in it is always written with its host.
func (a account) String() string {
	if a.host == "%" && !strings.Contains(a.user, "@") {
		return a.user
	}
	return a.user + "@" + a.host
}

func (a account) sql() string { return quote(a.user) + "@" + quote(a.host) }

// ofServer reports whether an account is one that the server makes for its own views and
// plug-ins: nobody's, locked, and with rights on its own tables.
func ofServer(user string) bool {
	return slices.Contains([]string{"mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema"}, user)
}

// readAccount reads what String writes, and nothing else.
func readAccount(text string) (account, error) {
	a := account{text, "%"}
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		a = account{text[:i], text[i+1:]}
	}
	if err := checkIdentifier(a.user, maxUser); err != nil {
		return account{}, fmt.Errorf("account: %w", err)
	}
	if a.host == "" || len(a.host) > 255 || strings.Trim(a.host, "abcdefghijklmnopqrstuvwxyz0123456789.:-_%/") != "" {
		return account{}, fmt.Errorf("account %+.80q: the host must be written as the server keeps it, in lower case", text)
	}
	if a.String() != text {
		return account{}, fmt.Errorf("account %+.80q: write %q", text, a)
	}
	return a, nil
}

// The longest names, in characters. A server may allow less; it refuses, and never cuts.
const (
	maxUser  = 80
	maxThing = 64
)

// checkIdentifier refuses what the server could not keep exactly: its own tables hold
// characters of at most three bytes.
func checkIdentifier(name string, most int) error {
	if err := connectors.CheckName(name); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(name); n > most {
		return fmt.Errorf("name %+.80q has %d characters; at most %d are possible", name, n, most)
	}
	for _, r := range name {
		if r > 0xFFFF {
			return fmt.Errorf("name %+q has the character %U, which the server cannot keep", name, r)
		}
	}
	return nil
}

func checkThing(name string) error { return checkIdentifier(name, maxThing) }

func checkRole(name string) error {
	switch strings.ToLower(name) {
	case "public", "none", "current_role", "current_user":
		return fmt.Errorf("name %q is a keyword", name)
	}
	return checkIdentifier(name, maxUser)
}

// checkRoutine wants the lower case in which the server keeps grants on routines,
// whose names it compares without regard to case.
func checkRoutine(name string) error {
	for _, r := range name {
		if r > '~' || r >= 'A' && r <= 'Z' {
			return errors.New("the name of a routine must be in ASCII and in lower case: the server does not tell cases apart")
		}
	}
	return checkThing(name)
}

// quote makes an identifier of a name that is valid UTF-8, as connections are.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
