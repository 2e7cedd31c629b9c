package schema

import (
	"fmt"
	"regexp"
	"strings"
)

// Names are exact: lower case, ASCII, no look-alikes.
var (
	nameForm  = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)
	paramForm = regexp.MustCompile(`^[a-z][A-Za-z0-9_]{0,62}$`)
	specForm  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,62}$`)
	labelForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$`)
)

// wrongName says what is wrong with the name of a document, or "".
func wrongName(s string) string {
	if nameForm.MatchString(s) {
		return ""
	}
	const allowed = "; a name has 1 to 64 characters of a-z, 0-9, '.', '_' and '-', and begins and ends with a letter or digit"
	if len(s) > maxNameBytes {
		return fmt.Sprintf("has %d characters%s", len(s), allowed)
	}
	for _, r := range s {
		if r > 0x7F {
			return fmt.Sprintf("contains %U, which is not one of a-z, however it looks%s", r, allowed)
		}
	}
	if low := strings.ToLower(strings.TrimSpace(s)); nameForm.MatchString(low) {
		return "is not a name" + allowed + `; did you mean "` + low + `"?`
	}
	return "is not a name" + allowed
}

// wrongApprover is wrongName for the members of an approval's from.
func wrongApprover(s string) string {
	if s == SubjectManager {
		return ""
	}
	return wrongName(s)
}

// wrongOwnName is wrongName for the name that a person or group gives itself.
func wrongOwnName(s string) string {
	if s == SubjectManager {
		return "is reserved: in approvals it means the subject's manager; choose another name"
	}
	return wrongName(s)
}

func wrongParam(s string) string {
	if paramForm.MatchString(s) {
		return ""
	}
	return "is not the name of a parameter; it begins with a-z and goes on with letters, digits and '_', 63 characters at most"
}

func wrongSpecKey(s string) string {
	if specForm.MatchString(s) {
		return ""
	}
	return "is not a key of an entitlement; it begins with a letter and goes on with letters, digits, '.', '_' and '-', 63 characters at most"
}

func wrongLabelKey(s string) string {
	if labelForm.MatchString(s) {
		return ""
	}
	return "is not the key of a label; it has 1 to 63 letters, digits, '.', '_', '/' and '-', and begins and ends with a letter or digit"
}
