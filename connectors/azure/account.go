package azure

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kinds of principals, as the setting spells them.
const (
	kindUser             = "user"
	kindGroup            = "group"
	kindServicePrincipal = "servicePrincipal"
)

// How users are written, as the setting spells it.
const (
	byName = "userPrincipalName"
	byID   = "objectId"
)

var (
	// localForm is what Entra takes before the @ of a user's name.
	localForm = regexp.MustCompile(`^[A-Za-z0-9'_!#^~-]([A-Za-z0-9'._!#^~-]*[A-Za-z0-9'_!#^~-])?$`)
	labelForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)
)

// isDomain is for a domain in lower case.
func isDomain(text string) bool { return text == strings.ToLower(text) && isAnyDomain(text) }

// isAnyDomain wants at least two labels, of which the last begins with a letter.
func isAnyDomain(text string) bool {
	labels := strings.Split(text, ".")
	last := labels[len(labels)-1]
	return len(labels) > 1 && len(last) > 1 && last[0] >= 'A' && !slices.ContainsFunc(labels, func(l string) bool { return len(l) > 63 || !labelForm.MatchString(l) })
}

// principal is who a role is given to.
type principal struct {
	kind string
	id   string // in lower case; empty: not looked up
	name string // of a user that is known by name
}

// principalOf returns the principal that an account stands for. Every principal has one
// spelling.
func (s *settings) principalOf(account string) (principal, error) {
	for _, kind := range []string{kindGroup, kindServicePrincipal} {
		if id, ok := strings.CutPrefix(account, kind+":"); ok {
			if !isID(id) {
				return principal{}, fmt.Errorf("account %+.80q: want %s: and the object id in lower case", account, kind)
			}
			return principal{kind: kind, id: id}, nil
		}
	}
	if s.Accounts == byID {
		if !isID(account) {
			return principal{}, fmt.Errorf("account %+.80q: want an object id in lower case, because setting accounts is objectId", account)
		}
		return principal{kind: kindUser, id: account}, nil
	}
	local, domain, full := strings.Cut(account, "@")
	switch {
	case !full && s.Domain == "":
		return principal{}, fmt.Errorf("account %+.80q: want a user's name such as alice@example.com", account)
	case full && s.Domain != "" && strings.EqualFold(domain, s.Domain):
		return principal{}, fmt.Errorf("account %+.80q: write %q, because setting domain is %q", account, local, s.Domain)
	case !full:
		domain = s.Domain
	}
	if len(local) > 64 || len(domain) > 48 || !localForm.MatchString(local) || strings.Contains(local, "..") || !isAnyDomain(domain) {
		return principal{}, fmt.Errorf("account %+.80q: want a user's name as Entra takes it, such as alice@example.com, group:ID or servicePrincipal:ID", account)
	}
	return principal{kind: kindUser, name: local + "@" + domain}, nil
}

// accountOf is the other way round for a user.
func (s *settings) accountOf(u user) string {
	if s.Accounts == byID {
		return u.ID
	}
	if local, domain, _ := strings.Cut(u.Name, "@"); s.Domain != "" && strings.EqualFold(domain, s.Domain) {
		return local
	}
	return u.Name
}

// otherAccount is the account of what is no user: its kind, as Azure spells it but for
// the first letter, and its id.
func otherAccount(kind, id string) string {
	if kind == "" {
		kind = "Unknown"
	}
	return strings.ToLower(kind[:1]) + kind[1:] + ":" + strings.ToLower(id)
}

// grantable refuses principals that the settings do not allow, and the reconciler's own.
func (c *connector) grantable(p principal, e entitlement) error {
	if !slices.Contains(c.set.Principals, p.kind) {
		return fmt.Errorf("setting principals does not list %s", p.kind)
	}
	if e.group != "" && p.kind != kindUser {
		return errors.New("only users become members of groups")
	}
	if p.kind == kindServicePrincipal && p.id == c.cred.self() {
		return errors.New("this is the reconciler's own account; nothing is granted to it")
	}
	return nil
}
