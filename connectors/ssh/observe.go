package ssh

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tenure-dev/tenure/grants"
)

// held is one line of who has what.
type held struct {
	account string
	entitlement
}

// Observe asks every host in scope at the same time. One host that does not answer is
// an error: the caller who does not want that asks by Parts.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	work := map[*host][]entitlement{}
	for _, text := range scope {
		e, err := readText(text)
		if err != nil {
			return nil, fmt.Errorf("%s: observe: %w", c.target, err)
		}
		h, err := c.find(e.host)
		if err != nil {
			return nil, fmt.Errorf("%s: observe: %w", c.target, err)
		}
		if h != nil && !slices.Contains(work[h], e) {
			work[h] = append(work[h], e)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: observe: %w", c.target, err)
	}
	found, err := c.look(ctx, work)
	if err != nil {
		return nil, fmt.Errorf("%s: observe: %w", c.target, err)
	}
	var out []grants.Grant
	for x := range found {
		out = append(out, grants.Grant{Target: c.target, Account: x.account, Entitlement: x.text()})
	}
	slices.SortFunc(out, grants.Grant.Compare)
	return out, nil
}

// look returns everybody who has something of these, on all of the hosts or an error.
func (c *connector) look(ctx context.Context, work map[*host][]entitlement) (map[held]bool, error) {
	keys, err := c.keyOwners(work)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	all := map[held]bool{}
	err = each(work, func(h *host, list []entitlement) error {
		found, errs := c.lookAt(ctx, h, list, keys)
		mu.Lock()
		defer mu.Unlock()
		maps.Copy(all, found)
		return errors.Join(errs...)
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// lookAt returns what a host shows of these, and an error for each that it does not show.
func (c *connector) lookAt(ctx context.Context, h *host, list []entitlement, keys map[string]string) (map[held]bool, []error) {
	r := &request{}
	lines := make([]int, len(list))
	for i, e := range list {
		lines[i] = r.add("look", e.kind, e.name)
	}
	a, err := c.run(ctx, h, r)
	if err != nil {
		return nil, []error{err}
	}
	found := map[held]bool{}
	var errs []error
	for i, e := range list {
		reply := a.line(lines[i])
		if err := reply.err(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", h.name, e, err))
			continue
		}
		var by []string
		switch e.kind {
		case group:
			by = reply.see
		case sudo:
			by = c.sudoers(reply.see, c.rules[e.name], a.now)
		case login:
			by = keyHolders(reply.see, keys, a)
		}
		for _, account := range by {
			found[held{account, e}] = true
		}
	}
	return found, errs
}

// keyOwners returns whose every key is, if there is a login to look at.
func (c *connector) keyOwners(work map[*host][]entitlement) (map[string]string, error) {
	out := map[string]string{}
	logins := false
	for _, list := range work {
		logins = logins || slices.ContainsFunc(list, func(e entitlement) bool { return e.kind == login })
	}
	if c.keys == nil || !logins {
		return out, nil
	}
	keys, err := c.keys.read()
	for account, list := range keys {
		for _, k := range list {
			out[string(k.Marshal())] = account
		}
	}
	return out, err
}

var (
	sudoUsers = regexp.MustCompile(`^([a-z_][a-z0-9_-]*(?: ?, ?[a-z_][a-z0-9_-]*)*) (\S.*)$`)
	notAfter  = regexp.MustCompile(`NOTAFTER=([0-9]{14}Z)`)
)

// sudoers returns who has a set of rules: by a line of ours that has not ended, or by
// somebody's line with the same rule.
func (c *connector) sudoers(lines []string, rule string, now time.Time) (accounts []string) {
	before := ""
	for _, line := range lines {
		kind, line, _ := strings.Cut(line, " ")
		line = before + line
		before = ""
		if joined, more := strings.CutSuffix(line, `\`); more {
			before = joined + " "
			continue
		}
		line, _, _ = strings.Cut(line, "#")
		line = strings.Join(strings.Fields(line), " ")
		if line == "" {
			continue
		}
		if kind == "own" {
			if m := notAfter.FindStringSubmatch(line); m != nil && over(m[1], time.UTC, now) {
				continue
			}
			account, _, _ := strings.Cut(line, " ")
			accounts = append(accounts, account)
			continue
		}
		if m := sudoUsers.FindStringSubmatch(line); m != nil && m[2] == rule {
			for _, account := range strings.Split(m[1], ",") {
				accounts = append(accounts, strings.TrimSpace(account))
			}
		}
	}
	return accounts
}

// keyHolders returns whose keys a user's files let in: by the marks of our own lines,
// and by the keys in all others.
func keyHolders(lines []string, accounts map[string]string, a *answer) (out []string) {
	for _, line := range lines {
		kind, line, _ := strings.Cut(line, " ")
		if words := strings.Fields(line); kind == "own" && len(words) > 0 {
			mark := strings.Split(words[len(words)-1], ":")
			if len(mark) == 3 && mark[0] == "tenure" {
				if !over(mark[2], time.UTC, a.now) {
					out = append(out, mark[1])
				}
				continue
			}
		}
		key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			continue // a comment, or what sshd cannot read either
		}
		account, known := accounts[string(key.Marshal())]
		for _, o := range options {
			name, value, _ := strings.Cut(o, "=")
			if strings.EqualFold(name, "cert-authority") || strings.EqualFold(name, "expiry-time") && over(strings.Trim(value, `"`), a.zone, a.now) {
				known = false
			}
		}
		if known {
			out = append(out, account)
		}
	}
	return out
}

// over reports whether a time of sshd or sudo has passed. What cannot be read has not.
func over(stamp string, zone *time.Location, now time.Time) bool {
	text, utc := strings.CutSuffix(stamp, "Z")
	if utc {
		zone = time.UTC
	}
	for _, layout := range []string{"20060102150405", "200601021504", "20060102"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return now.After(t)
		}
	}
	return false
}
