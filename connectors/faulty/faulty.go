// Package faulty lets things go wrong between a client and a server that stands in for a
// real one in tests. It knows nothing of either.
package faulty

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
)

// Fault is something that goes wrong with the next requests whose path ends with Path.
type Fault struct {
	Path  string // end of the path; empty: any
	Times int    // of how many requests; 0: of one

	// Exactly one of these happens.
	Answer   *Answer // this answer instead of the server's
	Cut      bool    // the connection is cut before the request is served
	Lose     bool    // the request is served, and the answer is lost with the connection
	Half     bool    // the request is served, and half of the answer arrives
	Hang     bool    // no answer, until the client gives up
	Meantime func()  // something happens first; then the request is served
}

// Answer is a made-up answer.
type Answer struct {
	Code   int
	Header map[string]string
	Body   string
}

// Handler is in front of another one.
type Handler struct {
	Next http.Handler

	mu   sync.Mutex
	list []*Fault
}

// Add lets something go wrong.
func (f *Handler) Add(x Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x.Times = max(x.Times, 1)
	f.list = append(f.list, &x)
}

// take returns the first fault that is for a request.
func (f *Handler) take(r *http.Request) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, x := range f.list {
		if strings.HasSuffix(r.URL.Path, x.Path) {
			if x.Times--; x.Times == 0 {
				f.list = append(f.list[:i:i], f.list[i+1:]...)
			}
			return x
		}
	}
	return nil
}

// Left is for how many requests faults are still there.
func (f *Handler) Left() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.list {
		n += x.Times
	}
	return n
}

// ServeHTTP meets a fault, or passes the request on.
func (f *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := f.take(r)
	switch {
	case x == nil:
		f.Next.ServeHTTP(w, r)
	case x.Answer != nil:
		for k, v := range x.Answer.Header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(x.Answer.Code)
		_, _ = w.Write([]byte(x.Answer.Body))
	case x.Cut:
		panic(http.ErrAbortHandler)
	case x.Lose, x.Half:
		rec := httptest.NewRecorder()
		f.Next.ServeHTTP(rec, r)
		if x.Half {
			body := rec.Body.Bytes()
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(rec.Code)
			_, _ = w.Write(body[:len(body)/2])
		}
		panic(http.ErrAbortHandler)
	case x.Hang:
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client is gone
		<-r.Context().Done()
	case x.Meantime != nil:
		x.Meantime()
		f.Next.ServeHTTP(w, r)
	}
}
