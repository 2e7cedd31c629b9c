package kubernetes

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	rbac "k8s.io/api/rbac/v1"

	"github.com/tenure-dev/tenure/connectors"
)

// Kinds of subjects, as the setting and (but for users) the accounts spell them.
const (
	kindUser           = "user"
	kindGroup          = "group"
	kindServiceAccount = "serviceAccount"
)

const (
	userPrefix    = kindUser + ":"
	groupPrefix   = kindGroup + ":"
	servicePrefix = kindServiceAccount + ":"
	// serviceUser is how the API server spells the user that a service account is.
	serviceUser = "system:serviceaccount:"
)

// subjectOf reads an account: a user's name, group:NAME or
// serviceAccount:NAMESPACE:NAME. A user whose name begins like one of these has
// user: before it.
func subjectOf(account string) (rbac.Subject, error) {
	if err := connectors.CheckName(account); err != nil {
		return rbac.Subject{}, err
	}
	if name, ok := strings.CutPrefix(account, groupPrefix); ok {
		return named(rbac.GroupKind, name)
	}
	if rest, ok := strings.CutPrefix(account, servicePrefix); ok {
		ns, name, _ := strings.Cut(rest, ":")
		if checkNamespace(ns) != nil || name == "" || strings.ContainsAny(name, ":/%") {
			return rbac.Subject{}, fmt.Errorf("account %+.80q: want serviceAccount:NAMESPACE:NAME", account)
		}
		return rbac.Subject{Kind: rbac.ServiceAccountKind, Namespace: ns, Name: name}, nil
	}
	name, ok := strings.CutPrefix(account, userPrefix)
	if ok && !ambiguous(name) {
		return rbac.Subject{}, fmt.Errorf("account %+.80q: write the user without user: before it", account)
	}
	return named(rbac.UserKind, name)
}

func named(kind, name string) (rbac.Subject, error) {
	if err := connectors.CheckName(name); err != nil {
		return rbac.Subject{}, err
	}
	return rbac.Subject{Kind: kind, APIGroup: rbac.GroupName, Name: name}, nil
}

func ambiguous(user string) bool {
	return slices.ContainsFunc([]string{userPrefix, groupPrefix, servicePrefix}, func(p string) bool { return strings.HasPrefix(user, p) })
}

// accountOf is the other way round. A service account has one spelling, also where a
// binding names the user that it is.
func accountOf(s rbac.Subject) string {
	switch {
	case s.Kind == rbac.GroupKind:
		return groupPrefix + s.Name
	case s.Kind == rbac.ServiceAccountKind:
		return servicePrefix + s.Namespace + ":" + s.Name
	case strings.HasPrefix(s.Name, serviceUser):
		return servicePrefix + strings.TrimPrefix(s.Name, serviceUser)
	case ambiguous(s.Name):
		return userPrefix + s.Name
	}
	return s.Name
}

// grantable refuses subjects that the settings do not allow, and Kubernetes' own.
func (c *connector) grantable(s rbac.Subject) error {
	kind := strings.ToLower(s.Kind[:1]) + s.Kind[1:]
	if !slices.Contains(c.subjects, kind) {
		return fmt.Errorf("setting subjects does not list %s", kind)
	}
	if s.Kind != rbac.ServiceAccountKind && strings.HasPrefix(s.Name, "system:") {
		return errors.New("names that begin with system: are Kubernetes' own; nothing is granted to them")
	}
	return nil
}
