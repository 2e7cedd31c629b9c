// Package azuretest is a stand-in for the Azure Resource Manager, Microsoft Graph and the
// token endpoint of Entra, for tests. Requests to the Resource Manager are read, and its
// answers written, by the server code that Microsoft generates from its published
// description of the API. Graph and the token endpoint are written from their manuals and
// take nothing that is not in them. The rules of both (rights, paging, conflicts) are
// from the manuals, too.
//
// It is no Azure: what the manuals do not say, it does not show.
package azuretest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors/faulty"
)

// Server is one stand-in. What it holds outlives a Kill.
type Server struct {
	ARM, Graph string // their addresses; tokens come from ARM's

	t      testing.TB
	faults *faulty.Handler

	mu          sync.Mutex
	servers     []*http.Server
	done        []chan struct{}
	apps        map[string]*app // by the id of the application
	tokens      map[string]token
	scopes      map[string]string // what exists, in lower case -> the scope above
	roles       []*role
	assignments []*assignment
	young       map[string]int // principal -> how often it is not known yet
	users       map[string]*user
	groups      map[string]*group
	others      map[string]string // id -> kind of object
	pageSize    int
	calls       map[string]int
}

// Start runs a stand-in until the test ends, which fails on every request that is not
// as described.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		t: t, apps: map[string]*app{}, tokens: map[string]token{}, scopes: map[string]string{}, young: map[string]int{},
		users: map[string]*user{}, groups: map[string]*group{}, others: map[string]string{}, pageSize: 100, calls: map[string]int{},
	}
	s.faults = &faulty.Handler{Next: http.HandlerFunc(s.serve)}
	s.Restart(t)
	t.Cleanup(func() { s.Kill(t) })
	return s
}

// Restart listens again, at the same addresses.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	for _, at := range []*string{&s.ARM, &s.Graph} {
		address := "127.0.0.1:0"
		if *at != "" {
			address = strings.TrimPrefix(*at, "http://")
		}
		l, err := net.Listen("tcp", address)
		for deadline := time.Now().Add(time.Minute); err != nil && time.Now().Before(deadline); l, err = net.Listen("tcp", address) {
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			t.Fatalf("azuretest: %v", err)
		}
		h, done := &http.Server{Handler: s.faults, ReadHeaderTimeout: time.Minute}, make(chan struct{})
		s.mu.Lock()
		*at = "http://" + l.Addr().String()
		s.servers, s.done = append(s.servers, h), append(s.done, done)
		s.mu.Unlock()
		go func() {
			defer close(done)
			_ = h.Serve(l)
		}()
	}
}

// Kill cuts all connections and stops listening.
func (s *Server) Kill(testing.TB) {
	s.mu.Lock()
	servers, done := s.servers, s.done
	s.servers, s.done = nil, nil
	s.mu.Unlock()
	for i, h := range servers {
		_ = h.Close()
		<-done[i]
	}
}

// Fault and Answer are what goes wrong.
type (
	Fault  = faulty.Fault
	Answer = faulty.Answer
)

// Fail lets something go wrong.
func (s *Server) Fail(f Fault) { s.faults.Add(f) }

// Unused is for how many requests faults are still there.
func (s *Server) Unused() int { return s.faults.Left() }

// Pages sets how many entries are on a page of a list.
func (s *Server) Pages(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pageSize = size
}

// Calls is how often something was asked for, such as "PUT roleAssignments".
func (s *Server) Calls(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[what]
}

// refused is an error answer in the form of the Resource Manager and of Graph.
type refused struct {
	status        int
	code, message string
}

func (r *refused) Error() string { return r.message }

func refuse(status int, code, format string, args ...any) error {
	return &refused{status, code, fmt.Sprintf(format, args...)}
}

// strange is a request that is not as described.
func (s *Server) strange(r *http.Request, why string) error {
	s.t.Errorf("azuretest: a request that is not as described: %s %s: %s", r.Method, r.URL, why)
	return refuse(http.StatusBadRequest, "BadRequest", "not as described")
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := "http://" + r.Host
	var err error
	switch {
	case at == s.ARM && strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token"):
		s.token(w, r)
		return
	case at == s.ARM:
		err = s.arm(w, r)
	case at == s.Graph && strings.HasPrefix(r.URL.Path, "/v1.0/"):
		err = s.graph(w, r)
	default:
		err = s.strange(r, "no such address")
	}
	if err == nil {
		return
	}
	var no *refused
	if !errors.As(err, &no) {
		s.t.Errorf("azuretest: %s %s: %v", r.Method, r.URL, err)
		no = &refused{http.StatusInternalServerError, "InternalServerError", "the stand-in failed"}
	}
	answer(w, no.status, map[string]any{"error": map[string]any{"code": no.code, "message": no.message}})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if v != nil {
		_ = json.NewEncoder(w).Encode(v)
	}
}

// only demands that a query has these parameters and no others.
func (s *Server) only(r *http.Request, needed []string, optional ...string) error {
	q := r.URL.Query()
	n := 0
	for _, k := range needed {
		if len(q[k]) != 1 {
			return s.strange(r, "want one "+k)
		}
		n++
	}
	for _, k := range optional {
		if len(q[k]) == 1 {
			n++
		}
	}
	if n != len(q) {
		return s.strange(r, "parameters that are not in the description")
	}
	return nil
}
