// Package gcptest is a stand-in for Google Cloud's Resource Manager and its token
// endpoint, for tests. Every request and every answer is held to Google's published
// description of the API; conditions are evaluated by a CEL engine; the rules of IAM
// (versions, etags, limits, rights of the caller) are written from Google's manual.
//
// It is no Google Cloud: what the manual does not say, it does not show.
package gcptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors/faulty"
)

// Server is one stand-in. What it holds outlives a Kill.
type Server struct {
	URL string

	t      testing.TB
	api    *description
	faults *faulty.Handler

	mu       sync.Mutex
	http     *http.Server
	done     chan struct{}
	policies map[string]*policy // by resource, such as projects/shop-prod
	parents  map[string]string
	roles    map[string][]string // role -> permissions
	accounts map[string]string   // member in lower case -> as Google writes it
	aliases  map[string]string   // member -> the member that it is
	robots   map[string]*robot   // by address
	tokens   map[string]token
	proofs   map[string]string // of identity, for a service account
	skew     time.Duration
	calls    map[string]int
	no       func(members []string) bool
}

// Start runs a stand-in until the test ends, which fails on every request that is not
// as described.
func Start(t testing.TB) *Server {
	t.Helper()
	d, err := load("cloudresourcemanager/v3/cloudresourcemanager-api.json")
	if err != nil {
		t.Fatalf("gcptest: %v", err)
	}
	s := &Server{
		t: t, api: d,
		policies: map[string]*policy{}, parents: map[string]string{}, roles: map[string][]string{},
		accounts: map[string]string{}, aliases: map[string]string{}, robots: map[string]*robot{}, tokens: map[string]token{}, proofs: map[string]string{}, calls: map[string]int{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("POST /sts/v1/token", s.exchange)
	mux.HandleFunc("POST /iam/v1/projects/-/serviceAccounts/{call}", s.impersonate)
	mux.HandleFunc("GET /computeMetadata/v1/", s.metadata)
	mux.HandleFunc("/v3/", s.serve)
	s.faults = &faulty.Handler{Next: mux}
	s.Restart(t)
	t.Cleanup(func() { s.Kill(t) })
	return s
}

// Restart listens again, at the same address.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	address := "127.0.0.1:0"
	if s.URL != "" {
		address = strings.TrimPrefix(s.URL, "http://")
	}
	l, err := net.Listen("tcp", address)
	for deadline := time.Now().Add(time.Minute); err != nil && time.Now().Before(deadline); l, err = net.Listen("tcp", address) {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("gcptest: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.URL = "http://" + l.Addr().String()
	s.http = &http.Server{Handler: s.faults, ReadHeaderTimeout: time.Minute}
	s.done = make(chan struct{})
	go func(h *http.Server, done chan struct{}) {
		defer close(done)
		_ = h.Serve(l)
	}(s.http, s.done)
}

// Kill cuts all connections and stops listening.
func (s *Server) Kill(testing.TB) {
	s.mu.Lock()
	h, done := s.http, s.done
	s.mu.Unlock()
	_ = h.Close()
	<-done
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

// Calls is how often a method was called, such as setIamPolicy.
func (s *Server) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// Later moves the server's clock, by which conditions go. Tokens end by the real one.
func (s *Server) Later(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew += by
}

func (s *Server) now() time.Time { return time.Now().UTC().Add(s.skew) }

// Extend lets fields appear that Google's description does not have yet, such as
// Binding.bindingId.
func (s *Server) Extend(fields ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.api.Extra = append(s.api.Extra, fields...)
}

// refused is an error answer in Google's form.
type refused struct {
	code            int
	status, message string
}

func (r *refused) Error() string { return r.message }

func refuse(code int, status, format string, args ...any) error {
	return &refused{code, status, fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "INVALID_ARGUMENT", format, args...)
}

// serve answers one call of the API.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, problems := s.api.find(r)
	var in map[string]any
	if m != nil && m.Request != nil {
		d := json.NewDecoder(bytes.NewReader(body))
		if err := d.Decode(&in); err != nil {
			problems = append(problems, "the body is no JSON object: "+err.Error())
		} else {
			problems = append(problems, s.api.check(m.Request, "request", in)...)
		}
	}
	if len(problems) > 0 {
		s.t.Errorf("gcptest: a request that is not as Google describes: %s", strings.Join(problems, "; "))
		s.answer(w, nil, nil, invalid("Invalid JSON payload received."))
		return
	}
	resource, verb, _ := cutLast(strings.TrimPrefix(r.URL.Path, "/v3/"), ":")
	s.calls[verb]++
	caller, err := s.caller(r, m)
	if err != nil {
		s.answer(w, m, nil, err)
		return
	}
	var out map[string]any
	switch verb {
	case "getIamPolicy":
		out, err = s.get(caller, resource, in)
	case "setIamPolicy":
		out, err = s.set(caller, resource, in)
	case "testIamPermissions":
		out, err = s.test(caller, resource, in)
	default:
		s.t.Errorf("gcptest: %s is not there", m.ID)
		err = refuse(http.StatusNotImplemented, "UNIMPLEMENTED", "not there")
	}
	s.answer(w, m, out, err)
}

func (s *Server) answer(w http.ResponseWriter, m *method, out map[string]any, err error) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Date", s.now().Format(http.TimeFormat))
	var no *refused
	if errors.As(err, &no) {
		w.WriteHeader(no.code)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": no.code, "message": no.message, "status": no.status}})
		return
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	var back any
	if err := json.Unmarshal(text, &back); err != nil {
		panic(err)
	}
	if problems := s.api.check(m.Response, "answer", back); len(problems) > 0 {
		s.t.Errorf("gcptest: an answer that is not as Google describes: %s", strings.Join(problems, "; "))
	}
	_, _ = w.Write(text)
}

// caller is the member that a request's token stands for.
func (s *Server) caller(r *http.Request, m *method) (string, error) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	k, known := s.tokens[text]
	if !ok || !known || !time.Now().Before(k.until) {
		return "", refuse(http.StatusUnauthorized, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
	}
	if !slices.ContainsFunc(m.Scopes, func(scope string) bool { return slices.Contains(k.scopes, scope) }) {
		return "", refuse(http.StatusForbidden, "PERMISSION_DENIED", "Request had insufficient authentication scopes.")
	}
	return k.member, nil
}
