package githubtest

import (
	"crypto/rsa"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/tenure-dev/tenure/internal/minihub"
)

// What other hands do: owners in their browsers, people who accept, GitHub itself.

// User returns an account, made at the first call.
func (s *Server) User(login string) minihub.User {
	if u, ok := s.hub.User(login); ok {
		return u
	}
	return s.hub.AddUser(login)
}

// ID is the number of an account.
func (s *Server) ID(login string) int64 { return s.User(login).ID }

// Member makes an account a member of the organisation with a role.
func (s *Server) Member(login, role string) {
	id := s.ID(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members[id] = role
}

// Role is an account's role in the organisation; empty: none.
func (s *Server) Role(login string) string {
	id := s.ID(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.members[id]
}

// Rename gives an account another login, and frees the old one.
func (s *Server) Rename(login, to string) {
	s.t.Helper()
	if err := s.hub.RenameUser(login, to); err != nil {
		s.t.Fatal(err)
	}
}

// Token makes a classic token of an account with these scopes.
func (s *Server) Token(login string, scopes ...string) string {
	u := s.User(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	text := fmt.Sprintf("ghp_secret%d", s.nextID)
	s.tokens[text] = &token{user: &u, classic: true, scopes: scopes}
	return text
}

// FineGrained makes a token of which GitHub names no scopes.
func (s *Server) FineGrained(login string) string {
	text := s.Token(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[text].classic = false
	return text
}

// App registers a GitHub App and its installation in the organisation.
func (s *Server) App(id, installation int64, key *rsa.PublicKey, permissions map[string]string) {
	s.t.Helper()
	s.hub.AddApp(id, "tenure", key)
	if _, err := s.hub.CreateRepo(Org + "/any"); err != nil {
		s.t.Fatal(err)
	}
	if err := s.hub.InstallApp(id, installation, Org+"/any", minihub.Read); err != nil {
		s.t.Fatal(err)
	}
	if err := s.hub.PermitApp(id, permissions); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens["app"] = &token{app: maps.Clone(permissions)}
}

// Team makes a team, below another one if that is named.
func (s *Server) Team(slug, parent string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	s.teams[slug] = &team{id: s.nextID, parent: parent, members: map[int64]string{}}
}

// Sync hands a team to an identity provider.
func (s *Server) Sync(slug string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.teams[slug].synced = true
}

// Join gives an account a role in a team; an empty one ends it, with what a pending
// invitation says of the team.
func (s *Server) Join(slug, login, role string) {
	id := s.ID(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	if role == "" {
		delete(s.teams[slug].members, id)
		if i := s.inviteOf(id); i != nil {
			delete(i.teams, slug)
		}
		return
	}
	s.teams[slug].members[id] = role
}

// InTeam is an account's role in a team; empty: none.
func (s *Server) InTeam(slug, login string) string {
	id := s.ID(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.teams[slug].members[id]
}

// Repo makes a repository of the organisation; false: GitHub refuses the name.
func (s *Server) Repo(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !repoName.MatchString(name) || name == "." || name == ".." || strings.HasSuffix(strings.ToLower(name), ".git") {
		return false
	}
	for other := range s.repos {
		if strings.EqualFold(other, name) {
			return false
		}
	}
	s.nextID++
	delete(s.moved, name) // it leads to the other one no more
	s.repos[name] = &repo{id: s.nextID, direct: map[int64]string{}, elsewhere: map[int64]string{}}
	return true
}

// RenameRepo gives a repository another name; the old one leads to it.
func (s *Server) RenameRepo(name, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repos[to] = s.repos[name]
	delete(s.repos, name)
	s.moved[name] = to
}

// Direct gives an account a role on a repository; an empty one ends it.
func (s *Server) Direct(name, login, role string) {
	id := s.ID(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	if role == "" {
		delete(s.repos[name].direct, id)
		return
	}
	s.repos[name].direct[id] = role
}

// Elsewhere gives an account a role on a repository by a team or the organisation.
func (s *Server) Elsewhere(name, login, role string) {
	id := s.ID(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repos[name].elsewhere[id] = role
}

// OnRepo is the role that an account has on a repository of its own; empty: none.
func (s *Server) OnRepo(name, login string) string {
	id := s.ID(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.repos[name].direct[id]
}

// OrgRole makes a role of the organisation.
func (s *Server) OrgRole(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	s.roles = append(s.roles, &role{id: s.nextID, name: name, users: map[int64]string{}})
}

// Assign gives an account a role of the organisation: direct, indirect or mixed;
// empty ends it.
func (s *Server) Assign(name, login, assignment string) {
	id := s.ID(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.roles {
		if r.name == name {
			delete(r.users, id)
			if assignment != "" {
				r.users[id] = assignment
			}
		}
	}
}

// Invite sends an invitation to the organisation by a hand, with teams and the role in
// each.
func (s *Server) Invite(by, login, role string, teams map[string]string) {
	id := s.ID(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	if teams == nil {
		teams = map[string]string{}
	}
	s.invites[s.nextID] = &invite{id: s.nextID, who: id, role: role, by: by, teams: teams}
}

// Invited reports whether an account has an open invitation to the organisation.
func (s *Server) Invited(login string) bool {
	id := s.ID(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inviteOf(id) != nil
}

// Accept accepts all that an account is invited to.
func (s *Server) Accept(login string) {
	id := s.ID(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accept(id)
}

func (s *Server) accept(id int64) {
	if i := s.inviteOf(id); i != nil {
		s.members[id] = map[string]string{"admin": "admin"}[i.role]
		if s.members[id] == "" {
			s.members[id] = "member"
		}
		for slug, role := range i.teams {
			s.teams[slug].members[id] = role
		}
		delete(s.invites, i.id)
	}
	for _, r := range s.repos {
		for k := len(r.invites) - 1; k >= 0; k-- {
			if i := r.invites[k]; i.who == id && !i.expired {
				r.direct[id] = i.role
				r.invites = append(r.invites[:k], r.invites[k+1:]...)
			}
		}
	}
}

// Expire ends all invitations of an account as GitHub does after seven days.
func (s *Server) Expire(login string) {
	id := s.ID(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.invites {
		if i.who == id {
			i.failed = true
		}
	}
	for _, r := range s.repos {
		for _, i := range r.invites {
			if i.who == id {
				i.expired = true
			}
		}
	}
}

// Invitations is how many invitations there are of an account, open or not: to the
// organisation and to repositories.
func (s *Server) Invitations(login string) (org, repos int) {
	id := s.ID(login)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.invites {
		if i.who == id {
			org++
		}
	}
	for _, r := range s.repos {
		for _, i := range r.invites {
			if i.who == id {
				repos++
			}
		}
	}
	return org, repos
}

func (s *Server) inviteOf(id int64) *invite {
	for _, i := range s.invites {
		if i.who == id && !i.failed {
			return i
		}
	}
	return nil
}

// Has reports whether a login is taken, in this spelling.
func (s *Server) Has(login string) bool {
	u, ok := s.hub.User(login)
	return ok && u.Login == login
}

// Login is the login of an account by its number, in decimal.
func (s *Server) Login(id string) string {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return id
	}
	o, ok := s.user(n)
	if !ok {
		return id
	}
	return o["login"].(string)
}

// Organization registers another organisation.
func (s *Server) Organization(login string) { s.hub.AddOrganization(login) }
