package github

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
	kindRole       = "organizationRole"
)

const (
	roleMember     = "member"
	roleMaintainer = "maintainer"
	// owner is the organizationRole that stands for ownership. It is no role of
	// GitHub's list of organisation roles.
	owner = "admin"
)

const (
	keyRole       = "role"
	keyPermission = "permission"
)

// builtIn are GitHub's own permissions, by the names that it takes.
var builtIn = []string{"pull", "triage", "push", "maintain", "admin"}

var (
	// slugs and names as GitHub makes them. What it would take but write otherwise is
	// refused: two spellings of one thing would be two grants.
	slugPattern       = regexp.MustCompile(`^[a-z0-9_-]{1,255}$`)
	repositoryPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
)

// entitlement is a canonical text, read.
type entitlement struct {
	kind, name string
	level      string // of a team: the role; of a repository: the permission; else empty
}

func canonical(spec connectors.Spec) (string, error) {
	keys := []string{kindRole}
	if _, ok := spec[kindTeam]; ok {
		if _, ok := spec[keyRole]; !ok {
			with := connectors.Spec{keyRole: roleMember}
			for k, v := range spec {
				with[k] = v
			}
			spec = with
		}
		keys = []string{kindTeam, keyRole}
	} else if _, ok := spec[kindRepository]; ok {
		keys = []string{kindRepository, keyPermission}
	}
	pairs, err := connectors.DecodeSpec(spec, keys...)
	if err != nil {
		return "", err
	}
	switch keys[0] {
	case kindTeam:
		err = errors.Join(checkSlug(pairs[kindTeam]), checkTeamRole(pairs[keyRole]))
	case kindRepository:
		err = errors.Join(checkRepository(pairs[kindRepository]), checkPermission(pairs[keyPermission]))
	default:
		err = checkRole(pairs[kindRole])
	}
	if err != nil {
		return "", err
	}
	return connectors.Format(pairs), nil
}

func checkSlug(s string) error {
	if !slugPattern.MatchString(s) {
		return fmt.Errorf("%+.80q is not the slug of a team: lower-case letters, digits, - and _, as in the team's address", s)
	}
	return nil
}

func checkTeamRole(s string) error {
	if s != roleMember && s != roleMaintainer {
		return fmt.Errorf("role in a team is %s or %s, not %+.80q", roleMember, roleMaintainer, s)
	}
	return nil
}

func checkRepository(s string) error {
	if !repositoryPattern.MatchString(s) || s == "." || s == ".." || strings.HasSuffix(strings.ToLower(s), ".git") {
		return fmt.Errorf("%+.80q is not the name of a repository, without its owner", s)
	}
	return nil
}

// maxName is how long the name of a role may be, in bytes.
const maxName = 100

// checkPermission takes GitHub's permissions and names of custom roles. Other names
// of its own permissions are refused: they would be the same grant twice.
func checkPermission(s string) error {
	if err := checkRole(s); err != nil {
		return err
	}
	if slices.Contains(builtIn, s) {
		return nil
	}
	folded := strings.ToLower(s)
	if slices.Contains(builtIn, folded) || slices.Contains([]string{"read", "write", "none"}, folded) {
		return fmt.Errorf("permission is one of %s or the name of a custom role, not %+.80q", strings.Join(builtIn, ", "), s)
	}
	return nil
}

func checkRole(s string) error {
	if err := connectors.CheckName(s); err != nil {
		return err
	}
	if len(s) > maxName {
		return fmt.Errorf("the name of a role must not be longer than %d bytes", maxName)
	}
	return nil
}

// read is the entitlement of a canonical text.
func read(text string) (entitlement, error) {
	pairs, err := connectors.Parse(text)
	if err != nil {
		return entitlement{}, err
	}
	spec := connectors.Spec{}
	for k, v := range pairs {
		spec[k] = v
	}
	if again, err := canonical(spec); err != nil {
		return entitlement{}, fmt.Errorf("entitlement %q: it is not of a github target: %w", text, err)
	} else if again != text {
		return entitlement{}, fmt.Errorf("entitlement %q: it is not of a github target: %s is", text, again)
	}
	for _, kind := range []string{kindTeam, kindRepository, kindRole} {
		if name, ok := pairs[kind]; ok {
			return entitlement{kind: kind, name: name, level: pairs[keyRole] + pairs[keyPermission]}, nil
		}
	}
	return entitlement{}, fmt.Errorf("entitlement %q names nothing", text)
}

// thing is what the entitlement is of, whatever the level.
func (e entitlement) thing() entitlement { return entitlement{kind: e.kind, name: e.name} }

func (e entitlement) String() string {
	text := fmt.Sprintf("%s %q", e.kind, e.name)
	if e.level != "" {
		text = e.level + " of " + text
	}
	return text
}
