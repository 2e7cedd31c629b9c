// Package minilab is a small GitLab in this process: projects with real Git
// repositories, merge requests, approvals, notes and events, served over Git's
// HTTP and the part of GitLab's REST API that package gitlab uses. It is for tests
// only. Its answers have the shapes of GitLab's published documentation, and the
// few things that the documentation leaves open follow GitLab's source. It is no
// proof of what a real GitLab does.
package minilab

import (
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"
)

// Lab is a GitLab with its people and projects. It is safe for concurrent use.
type Lab struct {
	dir  string
	now  func() time.Time
	git  runner
	next http.Handler

	mu       sync.Mutex
	lastID   int64
	users    []*user
	projects []*project
	noteLag  time.Duration
	before   func(http.ResponseWriter, *http.Request) bool
}

// Options of a Lab.
type Options struct {
	Dir string // for the repositories; must exist
	Now func() time.Time
}

// New makes an empty lab.
func New(o Options) (*Lab, error) {
	backend, err := findBackend()
	if err != nil {
		return nil, err
	}
	home := o.Dir + "/home"
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	l := &Lab{dir: o.Dir, now: o.Now, git: runner{home: home, backend: backend}}
	l.next = l.routes()
	return l, nil
}

// Handler serves the API below /api/v4 and Git everywhere else.
func (l *Lab) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", l.now().UTC().Format(http.TimeFormat))
		l.mu.Lock()
		before := l.before
		l.mu.Unlock()
		if before != nil && before(w, r) {
			return
		}
		l.next.ServeHTTP(w, r)
	})
}

// Before lets a test answer requests in the lab's stead: what it returns true for
// is answered.
func (l *Lab) Before(f func(http.ResponseWriter, *http.Request) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = f
}

// NoteLag makes the notes of approvals so much later than the approvals, as when
// GitLab's background workers are busy.
func (l *Lab) NoteLag(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noteLag = d
}

func (l *Lab) id() int64 { l.lastID++; return l.lastID }

// with runs a function on a project and the account of a person.
func (l *Lab) with(path, login string, f func(*project, *user) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, u := l.projectAt(path), l.userCalled(login)
	if p == nil || u == nil {
		return fmt.Errorf("minilab: no project %s, or no user %s", path, login)
	}
	return f(p, u)
}

// User is an account.
type User struct {
	ID    int64
	Login string
	Token string // for the API and, as the password, for Git
}

type user struct {
	User
	name  string
	bot   bool
	state string
}

// AddUser makes a person's account, or returns the one there is.
func (l *Lab) AddUser(login string) User { return l.addUser(login, false) }

// AddBot makes a bot's account, or returns the one there is.
func (l *Lab) AddBot(login string) User { return l.addUser(login, true) }

func (l *Lab) addUser(login string, bot bool) User {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u := l.userCalled(login); u != nil {
		return u.User
	}
	id := l.id()
	u := &user{User: User{ID: id, Login: login, Token: fmt.Sprintf("glpat-%s-%d", login, id)}, name: login, bot: bot, state: "active"}
	l.users = append(l.users, u)
	return u.User
}

// SetState blocks an account, or makes it active again.
func (l *Lab) SetState(login, state string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.userCalled(login).state = state
}

// Delete removes an account; what it did is the ghost's from then on.
func (l *Lab) Delete(login string) {
	l.addUser("ghost", false)
	l.mu.Lock()
	defer l.mu.Unlock()
	gone, ghost := l.userCalled(login), l.userCalled("ghost")
	gone.ID, gone.Login, gone.Token = ghost.ID, ghost.Login, ""
}

func (l *Lab) userCalled(login string) *user {
	for _, u := range l.users {
		if u.Login == login {
			return u
		}
	}
	return nil
}

func (l *Lab) userWithToken(token string) *user {
	for _, u := range l.users {
		if token != "" && u.Token == token {
			return u
		}
	}
	return nil
}
