package gcptest

import (
	"encoding/json"
	"strings"
	"testing"
)

// Resource makes a project, a folder or an organisation, such as projects/shop-prod, in
// another one or in none. Its policy is JSON, and may hold what no description knows.
func (s *Server) Resource(t testing.TB, name, parent, policyJSON string) {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(policyJSON), &doc); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.normalize(doc)
	s.parents[name] = parent
	s.policies[name] = &policy{doc: doc}
}

// Remove deletes a resource.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.policies, name)
}

// Role makes a role of these permissions.
func (s *Server) Role(name string, permissions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[name] = permissions
}

// Account makes principals exist, such as user:Alice@example.com.
func (s *Server) Account(members ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range members {
		s.accounts[strings.ToLower(m)] = m
	}
}

// Delete makes a principal cease to exist; where it is bound it becomes a deleted one.
func (s *Server) Delete(member string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.accounts, strings.ToLower(member))
	for _, p := range s.policies {
		for _, b := range p.bindings() {
			list, _ := b["members"].([]any)
			for i, m := range list {
				if m == member {
					list[i] = "deleted:" + member + "?uid=123456789012345678901"
				}
			}
		}
		p.changes++
	}
}

// Alias makes a principal another name of one.
func (s *Server) Alias(name, of string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aliases[strings.ToLower(name)] = of
}

// May reports whether a member has a permission on a resource right now: the server's
// own decision, conditions and its clock included.
func (s *Server) May(member, permission, resource string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.may(member, permission, resource, moment{now: s.now()})
}

// Policy is a resource's policy as JSON, with all that it has.
func (s *Server) Policy(resource string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := json.Marshal(s.policies[resource].shown(3))
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Edit changes a policy's JSON behind everybody's back.
func (s *Server) Edit(resource string, change func(doc map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.policies[resource]
	change(p.doc)
	p.doc = clone(p.doc)
	s.normalize(p.doc)
	p.changes++
}

// Refuse makes the server refuse, without saying why, policies of which a binding has
// members for which no returns true.
func (s *Server) Refuse(no func(members []string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.no = no
}
