package gcp

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

// Kinds of resources, as entitlements spell them.
const (
	kindProject      = "project"
	kindFolder       = "folder"
	kindOrganization = "organization"
)

const wantSpec = "want such as {project: shop-prod, role: roles/storage.objectViewer}, {folder: \"123456\", role: …} or {organization: \"123456\", role: …}"

// The forms of names; lengths are checked beside them, because counted repetitions cost
// memory in every process that has this package.
var (
	// projectForm is a project's id, which Google never gives to another project. Old
	// ones have a domain before a colon. Numbers are refused: they would be a second
	// spelling.
	projectForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?:)?[a-z][a-z0-9-]*[a-z0-9]$`)
	numberForm  = regexp.MustCompile(`^[1-9][0-9]*$`)
	// roleForm is a predefined role, or one of a project or an organisation.
	roleForm = regexp.MustCompile(`^(projects/[a-z0-9.:-]+/|organizations/[1-9][0-9]*/)?roles/([A-Za-z0-9_.]+)$`)
)

// basic are the roles to which Google allows no condition: they could be neither
// marked nor ended, and they are too wide to be handed out.
var basic = []string{"roles/owner", "roles/editor", "roles/viewer"}

// resource is what a policy belongs to.
type resource struct{ kind, id string }

func (r resource) path() string   { return r.kind + "s/" + r.id }
func (r resource) String() string { return fmt.Sprintf("%s %q", r.kind, r.id) }

// entitlement is a role on a resource.
type entitlement struct {
	on   resource
	role string
}

func (e entitlement) text() string {
	return connectors.Format(map[string]string{e.on.kind: e.on.id, "role": e.role})
}

func readSpec(spec connectors.Spec) (entitlement, error) {
	kind := kindProject
	for _, k := range []string{kindFolder, kindOrganization} {
		if _, ok := spec[k]; ok {
			kind = k
		}
	}
	pairs, err := connectors.DecodeSpec(spec, kind, "role")
	if err != nil {
		return entitlement{}, err
	}
	e := entitlement{resource{kind, pairs[kind]}, pairs["role"]}
	if err := checkID(kind, e.on.id); err != nil {
		return entitlement{}, err
	}
	if err := checkRole(e.role); err != nil {
		return entitlement{}, err
	}
	return e, e.checkReach()
}

// readText reads a canonical text.
func readText(text string) (entitlement, error) { return connectors.ReadText(text, readSpec) }

func checkID(kind, id string) error {
	switch {
	case kind == kindProject && !isProject(id):
		return fmt.Errorf("%+.80q is no id of a project: 6 to 30 lower-case letters, digits and hyphens, and not its number or name", id)
	case kind != kindProject && !isNumber(id):
		article := "a"
		if kind == kindOrganization {
			article = "an"
		}
		return fmt.Errorf("%+.80q is no number of %s %s; write it as text, such as \"123456\"", id, article, kind)
	}
	return nil
}

func isProject(id string) bool {
	name := id[strings.LastIndexByte(id, ':')+1:]
	return projectForm.MatchString(id) && len(name) >= 6 && len(name) <= 30
}

func isNumber(text string) bool { return len(text) <= 19 && numberForm.MatchString(text) }

// isRole knows that a predefined role has a name of at most 128 characters here, and a
// custom one of 3 to 64 at Google.
func isRole(name string) bool {
	m := roleForm.FindStringSubmatch(name)
	if m == nil {
		return false
	}
	owner, id, custom := strings.TrimSuffix(m[1], "/"), len(m[2]), m[1] != ""
	if number, ok := strings.CutPrefix(owner, "organizations/"); ok && !isNumber(number) {
		return false
	}
	if project, ok := strings.CutPrefix(owner, "projects/"); ok && (len(project) < 6 || len(project) > 128) {
		return false
	}
	return custom && id >= 3 && id <= 64 || !custom && id <= 128
}

func checkRole(name string) error {
	switch {
	case slices.Contains(basic, name):
		return fmt.Errorf("%s is a basic role: Google takes no condition with it, so it would not end; use a predefined or custom role", name)
	case isRole(name):
		return nil
	}
	return fmt.Errorf("%+.80q is no role: want roles/NAME, projects/ID/roles/NAME or organizations/NUMBER/roles/NAME", name)
}

// checkReach refuses custom roles where Google does not take them: a project's is for
// that project, an organisation's for that organisation and what is in it.
func (e entitlement) checkReach() error {
	owner, _, _ := strings.Cut(e.role, "/roles/")
	switch {
	case strings.HasPrefix(owner, "projects/") && owner != e.on.path():
		return fmt.Errorf("role %s exists in its own project only", e.role)
	case strings.HasPrefix(owner, "organizations/") && e.on.kind == kindOrganization && owner != e.on.path():
		return fmt.Errorf("role %s belongs to another organization", e.role)
	}
	return nil
}

// digest is a short name for a long one.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:20])
}
