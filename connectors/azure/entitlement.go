package azure

import (
	"crypto/sha1" //nolint:gosec // a UUID of version 5 is made with it
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

const wantSpec = "want such as {subscription: ID, role: Reader}, {subscription: ID, resourceGroup: shop, role: Reader}, {managementGroup: ID, role: Reader}, {scope: /subscriptions/…, role: Reader} or {group: ID}"

// The forms of names. Azure does not tell capital letters apart in ids and in names of
// resources, so there are none.
var (
	idForm       = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	placeForm    = regexp.MustCompile(`^[a-z0-9_().-]*[a-z0-9_()-]$`)
	resourceForm = regexp.MustCompile(`^/subscriptions/([0-9a-f-]+)/resourcegroups/([a-z0-9_().-]+)/providers(/[a-z0-9_().-]+)+$`)
)

func isID(text string) bool { return idForm.MatchString(text) }

// isPlace is for the name of a resource group or the id of a management group.
func isPlace(text string) bool { return len(text) <= 90 && placeForm.MatchString(text) }

func isGroupPath(text string) bool {
	id, name, found := strings.Cut(text, "/")
	return found && isID(id) && isPlace(name)
}

// isRole is for the name of a role, of which Azure takes 512 characters. Some are left
// out that the filter of Azure's list has no clear way to say.
func isRole(text string) bool { return isText(text, 512) && !strings.ContainsAny(text, `\%#&+?*`) }

// isGroup is for the id of a group, in lower case, or its name.
func isGroup(text string) bool {
	return isID(text) || isText(text, 256) && !idForm.MatchString(strings.ToLower(text)) && !strings.ContainsRune(text, '\\')
}

func isText(text string, longest int) bool {
	return connectors.CheckName(text) == nil && utf8.RuneCountInString(text) <= longest
}

// entitlement is a role on a scope, or the membership of a group.
type entitlement struct {
	text string // canonical

	scope                                   string // as the path of an address
	subscription, resourceGroup, management string // where the scope is
	role                                    string

	group string // id or name
}

// keys are the shapes of a spec, each known by its first key.
var keys = [][]string{
	{"group"}, {"managementGroup", "role"}, {"scope", "role"}, {"resourceGroup", "subscription", "role"}, {"subscription", "role"},
}

func readSpec(spec connectors.Spec) (e entitlement, err error) {
	shape := keys[len(keys)-1]
	for _, k := range keys {
		if _, ok := spec[k[0]]; ok {
			shape = k
			break
		}
	}
	pairs, err := connectors.DecodeSpec(spec, shape...)
	if err != nil {
		return e, err
	}
	e = entitlement{
		text: connectors.Format(pairs), group: pairs["group"], role: pairs["role"],
		subscription: pairs["subscription"], resourceGroup: pairs["resourceGroup"], management: pairs["managementGroup"],
	}
	if shape[0] == "group" {
		if !isGroup(e.group) {
			return e, fmt.Errorf("%+.80q is no group: write its id in lower case, or its name", e.group)
		}
		return e, nil
	}
	if !isRole(e.role) {
		return e, fmt.Errorf("%+.80q is no name of a role", e.role)
	}
	return e, e.place(pairs["scope"])
}

// place finds the scope.
func (e *entitlement) place(scope string) error {
	if e.management != "" {
		if !isPlace(e.management) {
			return fmt.Errorf("%+.80q is no id of a management group: write it in lower case", e.management)
		}
		e.scope = "/providers/Microsoft.Management/managementGroups/" + e.management
		return nil
	}
	if scope != "" {
		m := resourceForm.FindStringSubmatch(scope)
		if m == nil || len(scope) > 1024 || strings.Contains(scope, "/.") || strings.Count(scope, "/")%2 != 0 || strings.Count(scope, "/") < 8 {
			return fmt.Errorf("%+.120q is no resource: write its whole id in lower case, such as /subscriptions/ID/resourcegroups/NAME/providers/microsoft.storage/storageaccounts/NAME", scope)
		}
		e.subscription, e.resourceGroup = m[1], m[2]
	}
	if !isID(e.subscription) {
		return fmt.Errorf("%+.80q is no id of a subscription: write it in lower case, and not its name", e.subscription)
	}
	e.scope = "/subscriptions/" + e.subscription
	if e.resourceGroup != "" {
		if !isPlace(e.resourceGroup) {
			return fmt.Errorf("%+.80q is no name of a resource group: write it in lower case", e.resourceGroup)
		}
		e.scope += "/resourceGroups/" + e.resourceGroup
	}
	if scope != "" {
		e.scope = scope
	}
	return nil
}

// readText reads a canonical text.
func readText(text string) (entitlement, error) {
	pairs, err := connectors.Parse(text)
	if err != nil {
		return entitlement{}, err
	}
	spec := connectors.Spec{}
	for k, v := range pairs {
		spec[k] = v
	}
	e, err := readSpec(spec)
	if err != nil {
		return entitlement{}, fmt.Errorf("entitlement %q: %w", text, err)
	}
	return e, nil
}

// where names what an entitlement is about, for errors.
func (e entitlement) where() string {
	if e.group != "" {
		return fmt.Sprintf("group %q", e.group)
	}
	return e.scope
}

// namespace is Tenure's own, for UUIDs of version 5 (RFC 9562).
var namespace = [16]byte{0x6e, 0x1f, 0x0c, 0x5d, 0x2b, 0x8a, 0x4d, 0x0e, 0x9d, 0x57, 0x41, 0xa3, 0x6c, 0x90, 0x1b, 0x7e}

// nameOf is the name of the role assignment that gives a grant. No other grant has it.
func nameOf(g grants.Grant) string {
	h := sha1.New() //nolint:gosec // see above
	h.Write(namespace[:])
	for _, part := range []string{g.Target, g.Account, g.Entitlement} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	u := h.Sum(nil)[:16]
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	s := hex.EncodeToString(u)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
