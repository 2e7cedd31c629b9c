package minihub

import (
	"fmt"
	"strings"
	"time"
)

// User is an account as the Go side sees it.
type User struct {
	ID    int64
	Login string
	Type  string // "User", "Bot" or "Organization"
	Token string // a personal access token; empty for organizations
}

// user is what everything points to: a rename or a deletion is seen everywhere.
type user struct {
	id        int64
	login     string
	kind      string
	email     string
	token     string
	deleted   bool
	createdAt time.Time
}

func (u *user) public() User { return User{ID: u.id, Login: u.login, Type: u.kind, Token: u.token} }

// credential is what a token stands for.
type credential struct {
	user    *user
	expires time.Time // zero: never; compared with Options.AuthNow
	app     *app      // set for tokens of an installation
}

// AddUser registers a person's account with a new number and a token. A login
// that is taken is replaced by a deleted one first (DeleteUser), as GitHub only
// hands out free logins; so it panics on a duplicate, which is a mistake in a test.
func (h *Hub) AddUser(login string) User { return h.addUser(login, "User", 0) }

// AddUserID is AddUser with a number of the caller's choice.
func (h *Hub) AddUserID(login string, id int64) User { return h.addUser(login, "User", id) }

// AddBot registers a bot account; its login usually ends in "[bot]".
func (h *Hub) AddBot(login string) User { return h.addUser(login, "Bot", 0) }

// AddOrganization registers an organization, which can own repositories only.
func (h *Hub) AddOrganization(login string) User { return h.addUser(login, "Organization", 0) }

func (h *Hub) addUser(login, kind string, id int64) User {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.userByLogin(login) != nil {
		panic(fmt.Sprintf("minihub: login %q is taken", login))
	}
	return h.newUser(login, kind, id).public()
}

func (h *Hub) newUser(login, kind string, id int64) *user {
	if id == 0 {
		id = h.id()
	}
	u := &user{id: id, login: login, kind: kind, createdAt: h.now()}
	u.email = fmt.Sprintf("%d+%s@users.noreply.example.com", id, login)
	h.users = append(h.users, u)
	if kind != "Organization" {
		u.token = fmt.Sprintf("ghp_test%d", id)
		h.tokens[u.token] = &credential{user: u}
	}
	return u
}

// RenameUser gives an account another login; its number stays.
func (h *Hub) RenameUser(login, to string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	u := h.userByLogin(login)
	if u == nil {
		return fmt.Errorf("minihub: no user %q", login)
	}
	if other := h.userByLogin(to); other != nil && other != u {
		return fmt.Errorf("minihub: login %q is taken", to)
	}
	u.login = to
	return nil
}

// DeleteUser removes an account: what it did stays, by a ghost; its login becomes
// free; its tokens stop working.
func (h *Hub) DeleteUser(login string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	u := h.userByLogin(login)
	if u == nil {
		return fmt.Errorf("minihub: no user %q", login)
	}
	u.deleted = true
	for token, c := range h.tokens {
		if c.user == u {
			delete(h.tokens, token)
		}
	}
	for _, r := range h.repos {
		delete(r.collaborators, u)
	}
	return nil
}

// RevokeToken makes a token invalid.
func (h *Hub) RevokeToken(token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tokens, token)
}

// User returns the account that has a login now.
func (h *Hub) User(login string) (User, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if u := h.userByLogin(login); u != nil {
		return u.public(), true
	}
	return User{}, false
}

// Logins lists the accounts of people, in order of registration.
func (h *Hub) Logins() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, u := range h.users {
		if u.kind == "User" && !u.deleted {
			out = append(out, u.login)
		}
	}
	return out
}

// userByLogin compares as GitHub does: without regard to case.
func (h *Hub) userByLogin(login string) *user {
	for _, u := range h.users {
		if !u.deleted && strings.EqualFold(u.login, login) {
			return u
		}
	}
	return nil
}

func (h *Hub) userByID(id int64) *user {
	for _, u := range h.users {
		if !u.deleted && u.id == id {
			return u
		}
	}
	return nil
}

// mustUser is for Go-side calls that name an actor.
func (h *Hub) mustUser(login string) (*user, error) {
	if u := h.userByLogin(login); u != nil {
		return u, nil
	}
	return nil, fmt.Errorf("minihub: no user %q; call AddUser first", login)
}
