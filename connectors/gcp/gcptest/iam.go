package gcptest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
)

// policy is a resource's allow policy, as JSON: what is not known here is kept.
type policy struct {
	changes int
	doc     map[string]any
}

func (p *policy) etag() string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "etag-%04d", p.changes))
}

func (p *policy) bindings() (out []map[string]any) { return bindingsOf(p.doc) }

func bindingsOf(doc map[string]any) (out []map[string]any) {
	list, _ := doc["bindings"].([]any)
	for _, b := range list {
		out = append(out, b.(map[string]any))
	}
	return out
}

func members(b map[string]any) (out []string) {
	list, _ := b["members"].([]any)
	for _, m := range list {
		out = append(out, m.(string))
	}
	return out
}

func condition(b map[string]any) (title, description, expression string, ok bool) {
	c, ok := b["condition"].(map[string]any)
	title, _ = c["title"].(string)
	description, _ = c["description"].(string)
	expression, _ = c["expression"].(string)
	return title, description, expression, ok
}

func conditional(doc map[string]any) bool {
	return slices.ContainsFunc(bindingsOf(doc), func(b map[string]any) bool { _, _, _, ok := condition(b); return ok })
}

// may reports whether a member has a permission on a resource or on what it is in, by
// the policies and their conditions.
func (s *Server) may(member, permission, resource string, m moment) bool {
	for on := resource; on != ""; on = s.parents[on] {
		p := s.policies[on]
		if p == nil {
			continue
		}
		for _, b := range p.bindings() {
			role, _ := b["role"].(string)
			_, _, expression, some := condition(b)
			if slices.Contains(s.roles[role], permission) && slices.ContainsFunc(members(b), func(x string) bool { return strings.EqualFold(x, member) }) &&
				(!some || m.holds(expression, resource)) {
				return true
			}
		}
	}
	return false
}

// need is an error when the caller lacks a permission. Google does not tell whether the
// resource exists.
func (s *Server) need(caller, permission, resource string, m moment) error {
	if s.policies[resource] == nil || !s.may(caller, permission, resource, m) {
		return refuse(http.StatusForbidden, "PERMISSION_DENIED", "The caller does not have permission")
	}
	return nil
}

func permission(resource, verb string) string {
	kind, _, _ := strings.Cut(resource, "/")
	return "resourcemanager." + kind + "." + verb
}

func (s *Server) get(caller, resource string, in map[string]any) (map[string]any, error) {
	if err := s.need(caller, permission(resource, "getIamPolicy"), resource, moment{now: s.now()}); err != nil {
		return nil, err
	}
	options, _ := in["options"].(map[string]any)
	v, _ := options["requestedPolicyVersion"].(float64)
	if v != 0 && v != 1 && v != 3 {
		return nil, invalid("Invalid policy version.")
	}
	return s.policies[resource].shown(v), nil
}

// shown is the policy as a reader sees it. Whoever does not ask for version 3 sees no
// conditions, and roles by another name.
func (p *policy) shown(v float64) map[string]any {
	out := clone(p.doc)
	out["etag"] = p.etag()
	out["version"] = 1
	for _, b := range bindingsOf(out) {
		_, _, expression, ok := condition(b)
		switch {
		case ok && v == 3:
			out["version"] = 3
		case ok:
			sum := sha256.Sum256([]byte(expression))
			b["role"] = fmt.Sprintf("%s_withcond_%s", b["role"], hex.EncodeToString(sum[:10]))
			delete(b, "condition")
		}
	}
	return out
}

func clone(doc map[string]any) (out map[string]any) {
	text, err := json.Marshal(doc)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

func (s *Server) test(caller, resource string, in map[string]any) (map[string]any, error) {
	if s.policies[resource] == nil {
		return nil, refuse(http.StatusForbidden, "PERMISSION_DENIED", "The caller does not have permission")
	}
	have := []any{}
	list, _ := in["permissions"].([]any)
	for _, p := range list {
		if strings.Contains(p.(string), "*") {
			return nil, invalid("Permissions with wildcards are not allowed.")
		}
		if s.may(caller, p.(string), resource, moment{now: s.now()}) {
			have = append(have, p)
		}
	}
	if len(have) == 0 {
		return map[string]any{}, nil
	}
	return map[string]any{"permissions": have}, nil
}

// set is setIamPolicy. To write without an etag, or conditions away, is what Google
// lets one do and what this stand-in takes for a failure of the test.
func (s *Server) set(caller, resource string, in map[string]any) (map[string]any, error) {
	p := s.policies[resource]
	given, _ := in["policy"].(map[string]any)
	mask := "bindings,etag"
	if text, ok := in["updateMask"].(string); ok {
		mask = text
	}
	fields := strings.Split(mask, ",")
	if p != nil {
		if err := s.need(caller, permission(resource, "setIamPolicy"), resource, moment{s.now(), modified(p.doc, given)}); err != nil {
			return nil, err
		}
	} else if err := s.need(caller, permission(resource, "setIamPolicy"), resource, moment{now: s.now()}); err != nil {
		return nil, err
	}
	etag, _ := given["etag"].(string)
	if etag == "" {
		s.t.Errorf("gcptest: a policy was written without its etag")
	}
	if etag != "" && etag != p.etag() {
		return nil, refuse(http.StatusConflict, "ABORTED", "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.")
	}
	if v, _ := given["version"].(float64); v != 3 && (conditional(given) || conditional(p.doc)) {
		if !conditional(given) {
			s.t.Errorf("gcptest: a policy with conditions was written in version %v, which loses them", v)
		}
		return nil, invalid("Policies with conditional role bindings must specify version 3.")
	}
	if err := s.valid(p.doc, given); err != nil {
		return nil, err
	}
	next := clone(p.doc)
	for name, v := range given {
		if slices.Contains(fields, name) {
			next[name] = v
		}
	}
	if slices.Contains(fields, "auditConfigs") && given["auditConfigs"] == nil {
		delete(next, "auditConfigs")
	}
	delete(next, "etag")
	delete(next, "version")
	s.normalize(next)
	p.doc = next
	p.changes++
	return p.shown(3), nil
}

// modified are the roles whose members or conditions a change touches.
func modified(before, after map[string]any) (roles []string) {
	lines := func(doc map[string]any) map[string]string {
		out := map[string][]string{}
		for _, b := range bindingsOf(doc) {
			role := b["role"].(string)
			title, _, expression, _ := condition(b)
			for _, m := range members(b) {
				out[role] = append(out[role], strings.ToLower(m)+" "+title+" "+expression)
			}
		}
		flat := map[string]string{}
		for role, l := range out {
			sort.Strings(l)
			flat[role] = strings.Join(slices.Compact(l), "\n")
		}
		return flat
	}
	a, b := lines(before), lines(after)
	for role := range a {
		if a[role] != b[role] {
			roles = append(roles, role)
		}
	}
	for role := range b {
		if _, known := a[role]; !known {
			roles = append(roles, role)
		}
	}
	sort.Strings(roles)
	return roles
}

// normalize writes a policy the way Google does: accounts as they are called, bindings
// of one role and condition as one, no empty ones, in order.
func (s *Server) normalize(doc map[string]any) {
	type key struct{ role, title, description, expression string }
	at := map[key]map[string]any{}
	var out []map[string]any
	for _, b := range bindingsOf(doc) {
		var k key
		k.role, _ = b["role"].(string)
		k.title, k.description, k.expression, _ = condition(b)
		list := members(b)
		if into := at[k]; into != nil {
			list = append(members(into), list...)
		} else {
			at[k] = b
			out = append(out, b)
		}
		for i, m := range list {
			if to, ok := s.aliases[strings.ToLower(m)]; ok {
				m = to
			}
			if name, ok := s.accounts[strings.ToLower(m)]; ok {
				m = name
			}
			list[i] = m
		}
		sort.Strings(list)
		list = slices.Compact(list)
		set := make([]any, len(list))
		for i, m := range list {
			set[i] = m
		}
		at[k]["members"] = set
	}
	out = slices.DeleteFunc(out, func(b map[string]any) bool { return len(members(b)) == 0 })
	sort.SliceStable(out, func(i, j int) bool { return out[i]["role"].(string) < out[j]["role"].(string) })
	list := make([]any, len(out))
	for i, b := range out {
		list[i] = b
	}
	doc["bindings"] = list
}
