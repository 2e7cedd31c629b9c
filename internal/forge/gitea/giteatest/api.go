package giteatest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// User is an account with a token that may do everything the account may.
type User struct {
	ID    int64
	Login string
	Token string
}

// Remote is the address of a repository (owner/name) for Git as this account.
func (s *Server) Remote(repo string, u User) string {
	host := strings.TrimPrefix(s.URL, "http://")
	return "http://" + url.UserPassword(u.Login, u.Token).String() + "@" + host + "/" + repo + ".git"
}

// User returns an account, made at the first call.
func (s *Server) User(t testing.TB, login string) User {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if u, ok := s.users[login]; ok {
		return u
	}
	u := User{Login: login}
	var made struct {
		ID int64 `json:"id"`
	}
	s.Admin(t, "POST", "/admin/users", map[string]any{
		"username": login, "email": login + "@example.com", "password": password, "must_change_password": false,
	}, &made)
	u.ID, u.Token = made.ID, s.Token(t, login, "all")
	s.users[login] = u
	return u
}

// Token makes an access token with these scopes.
func (s *Server) Token(t testing.TB, login string, scopes ...string) string {
	t.Helper()
	var made struct {
		SHA1 string `json:"sha1"`
	}
	basic := func(r *http.Request) { r.SetBasicAuth(login, password) }
	s.do(t, basic, "POST", "/users/"+login+"/tokens", map[string]any{"name": "test-" + secret()[:8], "scopes": scopes}, &made)
	return made.SHA1
}

// Repo makes a repository with one commit on main, and with these collaborators,
// who may write. It returns owner/name.
func (s *Server) Repo(t testing.TB, collaborators ...string) string {
	t.Helper()
	owner := s.User(t, "acme")
	s.mu.Lock()
	s.repos++
	name := fmt.Sprintf("access-%d", s.repos)
	s.mu.Unlock()
	s.As(t, owner, "POST", "/user/repos", map[string]any{"name": name, "auto_init": true, "default_branch": "main"}, nil)
	repo := "acme/" + name
	for _, login := range collaborators {
		s.Collaborator(t, repo, login)
	}
	return repo
}

// Collaborator lets an account write to a repository.
func (s *Server) Collaborator(t testing.TB, repo, login string) {
	t.Helper()
	s.Admin(t, "PUT", "/repos/"+repo+"/collaborators/"+login, map[string]any{"permission": "write"}, nil)
}

// Admin sends a request as an administrator; anything but success ends the test.
func (s *Server) Admin(t testing.TB, method, path string, in, out any) {
	t.Helper()
	s.do(t, func(r *http.Request) { r.Header.Set("Authorization", "token "+s.admin) }, method, path, in, out)
}

// As sends a request as an account; anything but success ends the test.
func (s *Server) As(t testing.TB, u User, method, path string, in, out any) {
	t.Helper()
	s.do(t, func(r *http.Request) { r.Header.Set("Authorization", "token "+u.Token) }, method, path, in, out)
}

// Try is As for a request that may be refused; it returns the status and the text
// of the answer.
func (s *Server) Try(t testing.TB, u User, method, path string, in, out any) (int, string) {
	t.Helper()
	return s.send(t, func(r *http.Request) { r.Header.Set("Authorization", "token "+u.Token) }, s.URL+"/api/v1"+path, method, in, out)
}

func (s *Server) do(t testing.TB, sign func(*http.Request), method, path string, in, out any) {
	t.Helper()
	if status, text := s.send(t, sign, s.URL+"/api/v1"+path, method, in, out); status/100 != 2 {
		t.Fatalf("giteatest: %s %s: HTTP %d: %s", method, path, status, text)
	}
}

func (s *Server) send(t testing.TB, sign func(*http.Request), address, method string, in, out any) (int, string) {
	t.Helper()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	// Not the test's context: cleaning up comes after it.
	r, err := http.NewRequest(method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	sign(r)
	resp, err := s.http.Do(r)
	if err != nil {
		t.Fatalf("giteatest: %s %s: %v", method, address, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if out != nil && resp.StatusCode/100 == 2 {
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatalf("giteatest: %s %s: %v: %s", method, address, err, text)
		}
	}
	return resp.StatusCode, string(text)
}

// Flush waits until the server has done what it put off: the activity of a push is
// written by a queue.
func (s *Server) Flush(t testing.TB) {
	t.Helper()
	sign := func(r *http.Request) { r.Header.Set("X-Gitea-Internal-Auth", "Bearer "+s.internal) }
	status, text := s.send(t, sign, s.URL+"/api/internal/manager/flush-queues", "POST", map[string]any{"Timeout": waitTimeout, "NonBlocking": false}, nil)
	if status/100 != 2 {
		t.Fatalf("giteatest: flush the queues: HTTP %d: %s", status, text)
	}
}

// Until polls until something is so.
func (s *Server) Until(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.NewTimer(waitTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("giteatest: waited %s in vain until %s", waitTimeout, what)
		}
	}
}

// Account makes an account without a token; false: the server refuses its name.
func (s *Server) Account(t testing.TB, login string) bool {
	t.Helper()
	sign := func(r *http.Request) { r.Header.Set("Authorization", "token "+s.admin) }
	status, _ := s.send(t, sign, s.URL+"/api/v1/admin/users", "POST", map[string]any{
		"username": login, "email": secret()[:12] + "@example.com", "password": password, "must_change_password": false,
	}, nil)
	return status == http.StatusCreated
}

// AdminToken makes an access token of the server's administrator.
func (s *Server) AdminToken(t testing.TB, scopes ...string) string {
	t.Helper()
	return s.Token(t, admin, scopes...)
}
