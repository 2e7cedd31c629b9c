package gitea

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

// Kinds of entitlements: the key that names the thing.
const (
	kindTeam       = "team"
	kindRepository = "repository"
	keyPermission  = "permission"
)

// permissions are those of collaborators, from the least.
var permissions = []string{"read", "write", "admin"}

// namePattern is Gitea's AlphaDashDot, for teams, repositories, users and
// organisations alike.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,255}$`)

// entitlement names a thing.
type entitlement struct{ kind, name string }

func (e entitlement) String() string { return fmt.Sprintf("%s %q", e.kind, e.name) }

func canonical(spec connectors.Spec) (string, error) {
	keys := []string{kindTeam}
	if _, ok := spec[kindRepository]; ok {
		keys = []string{kindRepository, keyPermission}
	}
	pairs, err := connectors.DecodeSpec(spec, keys...)
	if err != nil {
		return "", err
	}
	if err := checkName(pairs[keys[0]]); err != nil {
		return "", err
	}
	if p, ok := pairs[keyPermission]; ok {
		if err := checkPermission(p); err != nil {
			return "", err
		}
	}
	return connectors.Format(pairs), nil
}

func checkName(s string) error {
	if !namePattern.MatchString(s) || s == "." || s == ".." {
		return fmt.Errorf("%+.80q is not a name that Gitea allows: use letters, digits and - _ . only", s)
	}
	return nil
}

func checkPermission(s string) error {
	if !slices.Contains(permissions, s) {
		return fmt.Errorf("permission is one of %s, not %+.80q", strings.Join(permissions, ", "), s)
	}
	return nil
}

// read divides a canonical text into thing and permission.
func read(text string) (entitlement, string, error) {
	pairs, err := connectors.Parse(text)
	if err != nil {
		return entitlement{}, "", err
	}
	spec := connectors.Spec{}
	for k, v := range pairs {
		spec[k] = v
	}
	if _, err := canonical(spec); err != nil {
		return entitlement{}, "", fmt.Errorf("entitlement %q: %w", text, err)
	}
	for _, kind := range []string{kindTeam, kindRepository} {
		if name, ok := pairs[kind]; ok {
			return entitlement{kind, name}, pairs[keyPermission], nil
		}
	}
	return entitlement{}, "", errors.New("entitlement names nothing")
}
