package gcptest

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of one policy, from https://cloud.google.com/iam/quotas.
const (
	maxPrincipals = 1500
	maxGroups     = 250
	maxConditions = 20
	maxTitle      = 100
	maxText       = 256
)

// generic is what Google says when it does not say what is wrong.
const generic = "Request contains an invalid argument."

// valid holds a policy that is to be written to the rules of IAM.
func (s *Server) valid(before, given map[string]any) error {
	had := map[string]bool{}
	for _, b := range bindingsOf(before) {
		for _, m := range members(b) {
			had[strings.ToLower(m)] = true
		}
	}
	spelled := map[string]string{}
	principals, groups, same := 0, 0, map[[2]string]int{}
	for _, b := range bindingsOf(given) {
		role, _ := b["role"].(string)
		if _, ok := s.roles[role]; !ok {
			return invalid("Role %s is not supported for this resource.", role)
		}
		title, description, expression, some := condition(b)
		if some {
			if err := validCondition(role, title, description, expression); err != nil {
				return err
			}
		}
		if s.no != nil && s.no(members(b)) {
			return invalid(generic)
		}
		for _, m := range members(b) {
			low := strings.ToLower(m)
			if other, ok := spelled[low]; ok && other != m {
				return invalid(generic) // two spellings of one account
			}
			spelled[low] = m
			if err := s.validMember(m, had[low]); err != nil {
				return err
			}
			principals++
			if strings.HasPrefix(m, "group:") {
				groups++
			}
			same[[2]string{role, low}]++
			if same[[2]string{role, low}] > maxConditions {
				return invalid("The number of bindings with the same role and member but different conditions is more than %d.", maxConditions)
			}
		}
	}
	if principals > maxPrincipals || groups > maxGroups {
		return invalid("The number of members in the policy (%d, of them %d groups) is larger than the maximum allowed size.", principals, groups)
	}
	return nil
}

func validCondition(role, title, description, expression string) error {
	if slices.Contains([]string{"roles/owner", "roles/editor", "roles/viewer"}, role) {
		return invalid("Conditions can't be used with the basic role %s.", role)
	}
	if title == "" || len(title) > maxTitle || len(description) > maxText || !utf8.ValidString(title) {
		return invalid("Condition title or description is not valid.")
	}
	if _, err := compile(expression); err != nil {
		return invalid("Condition expression compilation failed: %v", err)
	}
	return nil
}

// validMember refuses principals that do not exist, unless the policy had them already.
func (s *Server) validMember(m string, had bool) error {
	kind, name, _ := strings.Cut(m, ":")
	words := map[string]string{"user": "User", "group": "Group", "serviceAccount": "Service account"}
	switch {
	case m == "allUsers" || m == "allAuthenticatedUsers":
		return invalid("%s is not supported for this resource.", m)
	case had || kind == "deleted" || kind == "domain" || strings.HasPrefix(kind, "principal"):
		return nil
	case words[kind] == "":
		return invalid(generic)
	}
	if _, ok := s.accounts[strings.ToLower(m)]; ok {
		return nil
	}
	if _, ok := s.aliases[strings.ToLower(m)]; ok {
		return nil
	}
	return invalid("%s %s does not exist.", words[kind], name)
}
