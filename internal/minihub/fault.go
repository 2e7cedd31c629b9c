package minihub

import (
	"net/http"
	"strconv"
	"time"
)

// Failure is a way for a request to go wrong. The zero value of Status with none
// of the flags set is no failure.
type Failure struct {
	Status     int           // answer with this status instead
	Message    string        // of the JSON body; a default fits the status
	Header     http.Header   // added to the answer
	RetryAfter time.Duration // sent as whole seconds
	Drop       bool          // cut the connection without an answer
	Hang       bool          // answer nothing until the client gives up
	Late       bool          // do the work first, then fail: a lost response
}

// Fail asks f about every request, REST and Git; what it returns happens. A nil f,
// and a nil Failure, let requests through. f is called from many goroutines.
func (h *Hub) Fail(f func(*http.Request) *Failure) {
	h.faultMu.Lock()
	defer h.faultMu.Unlock()
	h.fault = f
}

func (h *Hub) failureFor(r *http.Request) *Failure {
	h.faultMu.Lock()
	f := h.fault
	h.faultMu.Unlock()
	if f == nil {
		return nil
	}
	return f(r)
}

// RateLimited is GitHub's answer when the requests of an hour are used up.
func RateLimited(reset time.Time) *Failure {
	return &Failure{
		Status:  http.StatusForbidden,
		Message: "API rate limit exceeded for user.",
		Header: http.Header{
			"X-Ratelimit-Remaining": {"0"},
			"X-Ratelimit-Reset":     {strconv.FormatInt(reset.Unix(), 10)},
		},
	}
}

// SecondaryLimited is GitHub's answer to too many requests at once.
func SecondaryLimited(retryAfter time.Duration) *Failure {
	return &Failure{
		Status:     http.StatusForbidden,
		Message:    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
		RetryAfter: retryAfter,
	}
}

// inject makes a failure happen; it does not return for dropped connections.
func (f *Failure) inject(w http.ResponseWriter, r *http.Request) {
	switch {
	case f.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.Drop:
		panic(http.ErrAbortHandler)
	}
	for k, vs := range f.Header {
		for _, v := range vs {
			w.Header().Add(k, v)
		}
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
	msg := f.Message
	if msg == "" {
		msg = http.StatusText(f.Status)
	}
	writeJSON(w, f.Status, errorBody(&Refusal{Status: f.Status, Message: msg}))
}
