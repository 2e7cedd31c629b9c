package githubtest

// RenameTeam gives a team another slug, and frees the old one.
func (s *Server) RenameTeam(slug, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.teams[to] = s.teams[slug]
	delete(s.teams, slug)
	for _, i := range s.invites {
		if role := i.teams[slug]; role != "" {
			i.teams[to] = role
			delete(i.teams, slug)
		}
	}
}

// DropTeam deletes a team.
func (s *Server) DropTeam(slug string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.teams, slug)
}

// DropRepo deletes a repository.
func (s *Server) DropRepo(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.repos, name)
}

// RenameOrgRole gives a role of the organisation another name.
func (s *Server) RenameOrgRole(name, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.roles {
		if r.name == name {
			r.name = to
		}
	}
}
