package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/tenure-dev/tenure/grants"
	"github.com/tenure-dev/tenure/schema"
)

// NarrowEmergency says why a running use of break-glass must end now, because the
// present state does not allow it any more: its person left or is no emergency
// requester any more, a role is gone, has lost its emergency terms or what it brought,
// or allows less time, a target or an account is gone. Empty: it goes on. A use is granted whole,
// so what takes away a part of it ends it. It needs neither Git nor the forge: the
// decision and the trees are enough. A nil branch says the same as trusted; without
// a trusted state nothing ends.
func NarrowEmergency(d grants.Decision, trusted, branch *schema.Tree, canonical Canonical) (why string) {
	if trusted == nil {
		return ""
	}
	for _, state := range presentOf(trusted, branch, canonical).states {
		now := presentOf(state, nil, canonical)
		for _, it := range d.Allowed() {
			doc := &schema.AccessRequest{Emergency: true, Subjects: []string{it.Subject}, Roles: usesOf(state.Roles[it.Role])}
			if why := now.lost(doc, now.subjects(doc), it); why != "" {
				return why
			}
			if terms, ok := termsFor(doc, state.Roles[it.Role]); ok && len(d.Terms) > 0 {
				if w := d.Terms[0].Span; w.Until.Sub(w.From) > terms.longest {
					return fmt.Sprintf("it lasts %s, and role %s allows %s in an emergency now", length(w.Until.Sub(w.From)), it.Role, length(terms.longest))
				}
			}
		}
	}
	return ""
}

// usesOf returns every way to ask for a role that makes a difference to one of its
// entitlements; a decision does not say with which parameters it was asked for.
func usesOf(role *schema.Role) []schema.RoleUse {
	if role == nil {
		return nil
	}
	rest := map[string]string{}
	for k, p := range role.Params {
		if len(p.Enum) > 0 {
			rest[k] = p.Enum[0]
		}
	}
	var out []schema.RoleUse
	for _, e := range role.Entitlements {
		text, _ := json.Marshal(e.Spec) // a spec that has no JSON cannot be granted
		used := &schema.Role{Params: map[string]schema.Param{}}
		for k, p := range role.Params {
			if strings.Contains(string(text), "${"+k+"}") {
				used.Params[k] = p
			}
		}
		for _, params := range combinations(used) {
			all := maps.Clone(rest)
			maps.Copy(all, params)
			out = append(out, schema.RoleUse{Role: role.Name, Params: all})
		}
	}
	if len(out) == 0 { // it brings nothing, however it is asked for
		out = []schema.RoleUse{{Role: role.Name, Params: rest}}
	}
	return out
}
