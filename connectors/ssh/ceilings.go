package ssh

import (
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
)

// readCeilings checks the lists of what may be given, and returns the rules of sudo in
// the spelling that hosts know them by: one space between words.
func readCeilings(set settings) (map[string]string, error) {
	for _, name := range set.Groups {
		if err := checkUser(name); err != nil {
			return nil, fmt.Errorf("setting groups: %w", err)
		}
	}
	for _, name := range set.Logins {
		if err := checkLogin(name); err != nil {
			return nil, fmt.Errorf("setting logins: %w", err)
		}
		if name == set.User {
			return nil, fmt.Errorf("setting logins: %q is the user that the reconciler itself logs in as", name)
		}
	}
	rules, sets := map[string]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(set.Sudo)) {
		if err := checkUser(name); err != nil {
			return nil, fmt.Errorf("setting sudo: %w", err)
		}
		rule := strings.Join(strings.Fields(set.Sudo[name]), " ")
		if err := checkRule(rule); err != nil {
			return nil, fmt.Errorf("setting sudo: the rule of %q %w", name, err)
		}
		if other, ok := sets[rule]; ok {
			return nil, fmt.Errorf("setting sudo: %q and %q have the same rule, so that one could not be told from the other", other, name)
		}
		rules[name], sets[rule] = rule, name
	}
	return rules, nil
}

var (
	ruleStart = regexp.MustCompile(`^[A-Za-z0-9_.,*!-]+ ?= ?(?:\([^()]*\) ?)?[^ (]`)
	runas     = regexp.MustCompile(`\([^()]*\)`)
	colons    = regexp.MustCompile(`(\\:|(?:^|[ ,=])(?:[A-Z_]{4,}|sha(?:224|256|384|512)):)`)
)

// checkRule accepts one rule HOSTS=(RUNAS) TAGS: COMMANDS, as it stands behind a user
// in sudoers(5). A second list of hosts would have no end of its own, so it is refused.
func checkRule(rule string) error {
	if len(rule) > 2000 || strings.IndexFunc(rule, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
		return fmt.Errorf("must be printable ASCII of at most 2000 characters")
	}
	if !ruleStart.MatchString(rule) || strings.Contains(rule, "#") || strings.HasSuffix(rule, `\`) {
		return fmt.Errorf("must be one line of the form HOSTS=(RUNAS) COMMANDS, such as ALL=(root) NOPASSWD: /usr/bin/systemctl restart nginx")
	}
	if strings.Contains(rule, "NOTAFTER") || strings.Contains(rule, "NOTBEFORE") {
		return fmt.Errorf("has NOTAFTER or NOTBEFORE, which is the connector's to set")
	}
	if strings.Contains(colons.ReplaceAllString(runas.ReplaceAllString(rule, ""), ""), ":") {
		return fmt.Errorf(`has a colon that does not end a tag such as NOPASSWD; in a command it is written \:, and a second list of hosts is a set of its own`)
	}
	return nil
}

// readAddresses checks the hosts and adds the usual port.
func readAddresses(hosts map[string]string, retired []string) (map[string]string, error) {
	for _, name := range retired {
		if err := checkHost(name); err != nil {
			return nil, fmt.Errorf("setting retired: %w", err)
		}
		if _, ok := hosts[name]; ok {
			return nil, fmt.Errorf("host %q is in the settings hosts and retired; keep one", name)
		}
	}
	out, taken := map[string]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		if err := checkHost(name); err != nil {
			return nil, fmt.Errorf("setting hosts: %w", err)
		}
		address := hosts[name]
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(strings.Trim(address, "[]"), "22")
		}
		machine, port, err := net.SplitHostPort(address)
		if err != nil || machine == "" || port == "" || strings.ContainsAny(address, " \t\r\n,@/") {
			return nil, fmt.Errorf("setting hosts: the address of %q must be a name or an address, with :port where it is not 22", name)
		}
		if other, ok := taken[address]; ok {
			return nil, fmt.Errorf("setting hosts: %q and %q have the same address, so that a change of one would be a change of the other", other, name)
		}
		out[name], taken[address] = address, name
	}
	return out, nil
}
