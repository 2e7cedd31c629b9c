package ssh

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/tenure-dev/tenure/connectors"
)

const wantSpec = "want {host: NAME, group: NAME}, {host: NAME, sudo: SET} or {host: NAME, login: USER}"

// The kinds of entitlements, in the words that the script on the host uses, too.
const (
	group = "group"
	sudo  = "sudo"
	login = "login"
)

var kinds = []string{group, sudo, login}

// entitlement is something of one host: a local group, a set of rules of sudo, or a
// login as a user.
type entitlement struct{ host, kind, name string }

func readSpec(spec connectors.Spec) (entitlement, error) {
	e := entitlement{kind: group}
	given := 0
	for _, k := range kinds {
		if _, ok := spec[k]; ok {
			e.kind = k
			given++
		}
	}
	if given > 1 {
		return entitlement{}, errors.New("only one of group, sudo and login can be given")
	}
	pairs, err := connectors.DecodeSpec(spec, "host", e.kind)
	if err != nil {
		return entitlement{}, err
	}
	e.host, e.name = pairs["host"], pairs[e.kind]
	if err := checkHost(e.host); err != nil {
		return entitlement{}, fmt.Errorf("host: %w", err)
	}
	check := checkUser
	if e.kind == login {
		check = checkLogin
	}
	if err := check(e.name); err != nil {
		return entitlement{}, fmt.Errorf("%s: %w", e.kind, err)
	}
	return e, nil
}

// readText reads canonical text, whose names it checks too: nothing that these rules
// refuse was ever granted.
func readText(text string) (entitlement, error) { return connectors.ReadText(text, readSpec) }

func (e entitlement) text() string {
	return connectors.Format(map[string]string{"host": e.host, e.kind: e.name})
}

// String is how the entitlement is called within its host.
func (e entitlement) String() string { return e.kind + " " + e.name }

var (
	userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	hostName = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$`)
)

// checkUser accepts the names that useradd(8) and groupadd(8) accept by default. They
// mean nothing else to a shell, to sudoers or in a path.
func checkUser(name string) error {
	if !userName.MatchString(name) {
		return fmt.Errorf("name %+.80q must be a small letter or _, then at most 31 small letters, digits, _ and -", name)
	}
	return nil
}

func checkLogin(name string) error {
	if name == "root" {
		return errors.New("nobody logs in as root through Tenure; give a set of rules of sudo")
	}
	return checkUser(name)
}

func checkHost(name string) error {
	if !hostName.MatchString(name) {
		return fmt.Errorf("name %+.80q must be small letters, digits, - and ., at most 63 of them", name)
	}
	return nil
}

// allowed applies the target's ceilings.
func (c *connector) allowed(e entitlement) error {
	switch e.kind {
	case group:
		if !slices.Contains(c.groups, e.name) {
			return fmt.Errorf("the target's setting groups does not list %q", e.name)
		}
	case login:
		if !slices.Contains(c.logins, e.name) {
			return fmt.Errorf("the target's setting logins does not list %q", e.name)
		}
	case sudo:
		if c.rules[e.name] == "" {
			return fmt.Errorf("the target's setting sudo has no rule for %q", e.name)
		}
	}
	return nil
}
