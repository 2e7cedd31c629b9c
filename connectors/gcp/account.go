package gcp

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kinds of principals, as the setting and Google spell them.
const (
	kindUser           = "user"
	kindGroup          = "group"
	kindServiceAccount = "serviceAccount"
)

var (
	localForm = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_.+'-]*[a-z0-9_+'-])?$`)
	labelForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
)

func isLocal(text string) bool {
	return len(text) <= 64 && localForm.MatchString(text) && !strings.Contains(text, "..")
}

// isDomain wants at least two labels, of which the last begins with a letter.
func isDomain(text string) bool {
	labels := strings.Split(text, ".")
	last := labels[len(labels)-1]
	return len(labels) > 1 && len(last) > 1 && last[0] >= 'a' && !slices.ContainsFunc(labels, func(l string) bool { return len(l) > 63 || !labelForm.MatchString(l) })
}

// memberOf returns the principal that an account stands for: an address is a user's,
// group: and serviceAccount: before it say otherwise, and a name without an @ is in the
// domain of the settings. Every principal has one spelling. Google does not tell capital
// letters apart, so there are none.
func (s *settings) memberOf(account string) (string, error) {
	kind, address := kindUser, account
	for _, k := range []string{kindGroup, kindServiceAccount} {
		if rest, ok := strings.CutPrefix(account, k+":"); ok {
			kind, address = k, rest
		}
	}
	local, domain, full := strings.Cut(address, "@")
	switch {
	case !full && (s.Domain == "" || kind == kindServiceAccount):
		return "", fmt.Errorf("account %+.80q: want an address such as alice@example.com", account)
	case full && s.Domain != "" && domain == s.Domain && kind != kindServiceAccount:
		return "", fmt.Errorf("account %+.80q: write %q, because setting domain is %q", account, strings.TrimSuffix(account, "@"+domain), s.Domain)
	case !full:
		domain = s.Domain
	}
	if !isLocal(local) || !isDomain(domain) || len(address) > 254 {
		return "", fmt.Errorf("account %+.80q: want an address in lower-case letters, digits and ._+'-, such as alice@example.com, group:team@example.com or serviceAccount:robot@shop-prod.iam.gserviceaccount.com", account)
	}
	if kind == kindUser && strings.HasSuffix(domain, ".gserviceaccount.com") {
		return "", fmt.Errorf("account %+.80q: write serviceAccount: before the address of a service account", account)
	}
	return kind + ":" + local + "@" + domain, nil
}

// accountOf is the other way round. What Google has that is no account of ours (all
// users, a domain, a principal of a pool) keeps Google's spelling. A deleted principal
// is nobody: false.
func (s *settings) accountOf(member string) (account string, ok bool) {
	if strings.HasPrefix(member, "deleted:") {
		return "", false
	}
	kind, address, _ := strings.Cut(member, ":")
	if !slices.Contains([]string{kindUser, kindGroup, kindServiceAccount}, kind) {
		return member, true
	}
	address = strings.ToLower(address)
	if s.Domain != "" && kind != kindServiceAccount {
		address = strings.TrimSuffix(address, "@"+s.Domain)
	}
	if kind == kindUser {
		return address, true
	}
	return kind + ":" + address, true
}

// formerOf is the account that a deleted principal was; empty: it is none.
func (s *settings) formerOf(member string) string {
	rest, ok := strings.CutPrefix(member, "deleted:")
	if !ok {
		return ""
	}
	was, _, _ := strings.Cut(rest, "?")
	account, _ := s.accountOf(was)
	return account
}

// sameNow is an account as the settings of now write it. It may have been granted
// something while setting domain was another one; if the settings do not say which
// domain that was, its revoke would find nothing and is an error.
func (s *settings) sameNow(account string) (string, error) {
	local := account
	if rest, ok := strings.CutPrefix(account, kindGroup+":"); ok {
		local = rest
	}
	switch {
	case s.Domain != "" && !strings.HasPrefix(account, kindServiceAccount+":"):
		return strings.TrimSuffix(account, "@"+s.Domain), nil
	case s.Domain == "" && isLocal(local):
		return "", fmt.Errorf("account %+.80q has no domain, and setting domain is missing; set it as it was until what the account holds has ended", account)
	}
	return account, nil
}

// grantable refuses principals that the settings do not allow, and the reconciler's own.
func (c *connector) grantable(member string) error {
	kind, address, _ := strings.Cut(member, ":")
	if !slices.Contains(c.set.Principals, kind) {
		return fmt.Errorf("setting principals does not list %s", kind)
	}
	if kind == kindServiceAccount && c.self != "" && address == c.self {
		return errors.New("this is the reconciler's own account; nothing is granted to it")
	}
	return nil
}
