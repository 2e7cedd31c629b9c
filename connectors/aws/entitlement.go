package aws

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/tenure-dev/tenure/connectors"
)

// The kinds of entitlements, by the key that tells them apart.
const (
	inSet     = "permissionSet"
	inStore   = "identityGroup"
	inGroup   = "group"
	byPolicy  = "policy"
	byManaged = "managedPolicy"
	byRole    = "role"
)

// entitlement is a canonical text, read.
type entitlement struct {
	text    string
	kind    string
	name    string // of the permission set, group, policy or role; the ARN of a managed policy
	account string // of a permission set
}

// Patterns of names, from the API references of IAM and IAM Identity Center.
var (
	accountPattern   = regexp.MustCompile(`^[0-9]{12}$`)
	setPattern       = regexp.MustCompile(`^[\w+=,.@-]{1,32}$`)
	namePattern      = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`)
	principalPattern = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`) // users and roles
	policyARNPattern = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):iam::(aws|[0-9]{12}):policy/[\w+=,.@/-]{1,512}$`)
)

// maxDisplay is the longest display name of a group of the identity store, in characters.
const maxDisplay = 1024

func canonical(spec connectors.Spec) (string, error) {
	keys := []string{byPolicy}
	for _, k := range []string{inSet, inStore, inGroup, byManaged, byRole} {
		if _, ok := spec[k]; ok {
			keys = []string{k}
		}
	}
	if _, ok := spec["account"]; ok || keys[0] == inSet {
		keys = []string{"account", inSet}
	}
	pairs, err := connectors.DecodeSpec(spec, keys...)
	if err != nil {
		return "", err
	}
	kind := keys[len(keys)-1]
	name := pairs[kind]
	patterns := map[string]*regexp.Regexp{inSet: setPattern, inGroup: namePattern, byPolicy: namePattern, byManaged: policyARNPattern, byRole: principalPattern}
	switch {
	case kind == inSet && !accountPattern.MatchString(pairs["account"]):
		return "", fmt.Errorf("account must be twelve digits, in quotes")
	case kind == inStore:
		err = checkGroup(name)
	case !patterns[kind].MatchString(name):
		err = fmt.Errorf("%+.80q is no %s of AWS (%s)", name, kind, patterns[kind])
	}
	if err != nil {
		return "", err
	}
	return connectors.Format(pairs), nil
}

// checkGroup checks the display name of a group of the identity store.
func checkGroup(name string) error {
	if err := connectors.CheckName(name); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(name); n > maxDisplay {
		return fmt.Errorf("the name of a group has at most %d characters, not %d", maxDisplay, n)
	}
	return nil
}

// read reads a canonical text.
func read(text string) (entitlement, error) {
	pairs, err := connectors.Parse(text)
	if err != nil {
		return entitlement{}, err
	}
	spec := connectors.Spec{}
	for k, v := range pairs {
		spec[k] = v
	}
	if _, err := canonical(spec); err != nil {
		return entitlement{}, fmt.Errorf("entitlement %q: %w", text, err)
	}
	e := entitlement{text: text, account: pairs["account"]}
	for k, v := range pairs {
		if k != "account" {
			e.kind, e.name = k, v
		}
	}
	return e, nil
}

// readAll reads a scope by a target's own reading. Each text comes once.
func readAll(scope []string, read func(string) (entitlement, error)) ([]entitlement, error) {
	seen := make(map[string]bool, len(scope))
	out := make([]entitlement, 0, len(scope))
	for _, text := range scope {
		if seen[text] {
			continue
		}
		seen[text] = true
		e, err := read(text)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// Names of the inline policies that are Tenure's own. Nobody writes one by accident.
const (
	grantPrefix = "TenureGrant-" // on a user or role: what was granted
	endPrefix   = "TenureEnd-"   // on a role: when one person's sessions of it end
)

// grantName names the inline policy that gives an entitlement to whom it is on.
func grantName(target, entitlement string) string {
	return grantPrefix + digest(target, entitlement)
}

// endName names the inline policy on a role that ends the sessions of one account.
func endName(target, account, entitlement string) string {
	return endPrefix + digest(target, account, entitlement)
}

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%q", parts)))
	return hex.EncodeToString(sum[:20])
}
