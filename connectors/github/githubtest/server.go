// Package githubtest is a stand-in for an organisation on GitHub: teams, roles,
// collaborators, and invitations that somebody accepts, over the REST and GraphQL
// calls that the connector makes. All its traffic is held to GitHub's published
// OpenAPI description and GraphQL schema.
//
// Accounts, Apps and their tokens are those of package minihub. It is for tests only.
package githubtest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/minihub"
	"github.com/tenure-dev/tenure/internal/minihub/hubcheck"
)

// Org is the name of the organisation.
const Org = "acme"

// Server is one organisation that belongs to one test.
type Server struct {
	URL string // without a slash at the end; the API is at /api/v3

	t       testing.TB
	hub     *minihub.Hub
	users   http.Handler // of the hub
	handler http.Handler
	check   *hubcheck.Checker
	address string

	running sync.Mutex
	server  *http.Server
	served  chan struct{}

	mu      sync.Mutex
	nextID  int64
	members map[int64]string // number -> role in the organisation
	invites map[int64]*invite
	teams   map[string]*team
	repos   map[string]*repo
	moved   map[string]string // a repository's name of before -> of now
	roles   []*role
	tokens  map[string]*token
	fault   Fault
	count   map[string]int
}

// Fault may answer a request itself, and then returns true. It is asked before
// anything else, and from many goroutines. The rest of the server is next.
type Fault func(w http.ResponseWriter, r *http.Request, next http.Handler) bool

// token is somebody's: of a person, with scopes, or of an App's installation.
type token struct {
	user    *minihub.User
	classic bool
	scopes  []string
	app     map[string]string // permissions
}

// invite is an open or failed invitation to the organisation.
type invite struct {
	id, who int64
	role    string // admin or direct_member
	by      string // login
	teams   map[string]string
	failed  bool
}

type team struct {
	id      int64
	parent  string
	members map[int64]string // number -> role
	synced  bool             // managed by an identity provider
}

type repo struct {
	id        int64
	direct    map[int64]string // number -> role
	elsewhere map[int64]string // by a team or the organisation
	invites   []*repoInvite
}

type repoInvite struct {
	id, who int64
	role    string
	by      string
	expired bool
}

type role struct {
	id    int64
	name  string
	users map[int64]string // number -> assignment
}

// Start starts a server with one owner, root, and ends it with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	hub, err := minihub.New(minihub.Options{Dir: t.TempDir(), RateLimit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		t: t, hub: hub, users: hub.Handler(), check: hubcheck.NewOrganizations(t), address: "127.0.0.1:0",
		nextID: 1000, members: map[int64]string{}, invites: map[int64]*invite{}, teams: map[string]*team{}, repos: map[string]*repo{},
		moved: map[string]string{}, tokens: map[string]*token{}, count: map[string]int{},
	}
	s.handler = s.faulty(hubcheck.GraphQL(t, s.check.Handler(s.routes())))
	s.Member("root", "admin")
	s.Restart(t)
	t.Cleanup(func() {
		s.Kill(t)
		_ = hub.Close()
	})
	return s
}

// Kill cuts all connections and stops listening. What a request under way does may
// still happen.
func (s *Server) Kill(testing.TB) {
	s.running.Lock()
	defer s.running.Unlock()
	if s.server == nil {
		return
	}
	_ = s.server.Close()
	<-s.served
	s.server = nil
}

// Restart listens again, on the same data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.running.Lock()
	defer s.running.Unlock()
	var l net.Listener
	var err error
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if l, err = net.Listen("tcp", s.address); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if s.URL == "" { // later it is the same, and a handler may still read it
		s.address = l.Addr().String()
		s.URL = "http://" + s.address
	}
	s.server, s.served = &http.Server{Handler: s.handler, ReadHeaderTimeout: time.Minute}, make(chan struct{})
	go func(srv *http.Server, done chan struct{}) {
		defer close(done)
		_ = srv.Serve(l)
	}(s.server, s.served)
}

// Fail asks f about every request; nil ends it.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

func (s *Server) faulty(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		f := s.fault
		s.count[r.Method]++
		s.mu.Unlock()
		if f == nil || !f(w, r, next) {
			next.ServeHTTP(w, r)
		}
	})
}

// Requests is how many requests of a method there were, and forgets them.
func (s *Server) Requests(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer delete(s.count, method)
	return s.count[method]
}

// Seen returns how often each call of the description was answered with success.
func (s *Server) Seen() (calls []string, seen map[string]int) {
	return s.check.Operations(), s.check.Seen()
}

// ask passes a request on to the hub and returns what it says.
func (s *Server) ask(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	s.users.ServeHTTP(rec, r)
	return rec
}
