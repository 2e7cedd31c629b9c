package awstest

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Front is a server between the connector and moto. Moto keeps all its state in memory, so
// killing it would lose what a crash of AWS does not; what a client sees of AWS going
// away is that its connections break and new ones are refused, and that is what Kill does.
type Front struct {
	t       testing.TB
	address string
	proxy   http.Handler

	mu        sync.Mutex
	server    *http.Server
	calls     []Call
	intercept func(Call, http.ResponseWriter) bool
}

// Call is one request as it passed.
type Call struct {
	Action string     // such as iam:PutUserPolicy
	Form   url.Values // of the query protocol
	Body   string     // of the JSON protocol
	User   string     // the caller's access key
}

// NewFront starts a front to a server at an address; with none, Intercept answers all.
func NewFront(t testing.TB, moto string) *Front {
	f := &Front{t: t}
	f.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: moto})
			r.Out.Host = r.In.Host // it is signed
		},
		Transport:    &http.Transport{MaxIdleConnsPerHost: 16},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	f.listen("127.0.0.1:0")
	t.Cleanup(func() {
		f.Kill()
		f.proxy.(*httputil.ReverseProxy).Transport.(*http.Transport).CloseIdleConnections()
	})
	return f
}

// Endpoint is its URL.
func (f *Front) Endpoint() string { return "http://" + f.address }

func (f *Front) listen(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.address = l.Addr().String()
	s := &http.Server{Handler: http.HandlerFunc(f.serve), ErrorLog: log.New(io.Discard, "", 0)}
	f.mu.Lock()
	f.server = s
	f.mu.Unlock()
	go func() { _ = s.Serve(l) }()
}

// Kill breaks all connections and refuses new ones.
func (f *Front) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server != nil {
		_ = f.server.Close()
		f.server = nil
	}
}

// Restart takes connections again, at the same address.
func (f *Front) Restart() { f.listen(f.address) }

// Intercept lets do answer calls itself, where it returns true. Nil ends it.
func (f *Front) Intercept(do func(Call, http.ResponseWriter) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.intercept = do
}

// Calls returns what passed since it was asked last.
func (f *Front) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.calls
	f.calls = nil
	return c
}

func (f *Front) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c := read(r, string(body))
	f.mu.Lock()
	f.calls = append(f.calls, c)
	do := f.intercept
	f.mu.Unlock()
	if do == nil || !do(c, w) {
		f.proxy.ServeHTTP(w, r)
	}
}

func read(r *http.Request, body string) Call {
	c := Call{Body: body}
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	parts := strings.Split(scope, "/") // key/date/region/service/aws4_request
	if len(parts) < 4 {
		return c
	}
	c.User = parts[0]
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		c.Action = parts[3] + target[strings.LastIndex(target, "."):]
		c.Action = strings.Replace(c.Action, ".", ":", 1)
		return c
	}
	c.Form, _ = url.ParseQuery(body)
	c.Action = parts[3] + ":" + c.Form.Get("Action")
	return c
}
