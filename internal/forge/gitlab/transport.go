package gitlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// maxAnswer is how large an answer may be, in bytes.
const maxAnswer = 32 << 20

// Waits that GitLab asks for.
const (
	maxTries    = 4               // of one request
	defaultWait = 5 * time.Second // where GitLab does not say how long
)

// answerLimit is the key of a smaller limit of an answer's size in a context.
type answerLimit struct{}

// tooLarge is the error of an answer that is larger than its limit.
type tooLarge struct{ limit int64 }

func (e *tooLarge) Error() string { return fmt.Sprintf("answer is larger than %d bytes", e.limit) }

// bounded limits the time of a request and the size of its answer, which it reads
// whole.
type bounded struct {
	timeout time.Duration
	next    http.RoundTripper
}

func (t *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), t.timeout)
	defer cancel()
	resp, err := t.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	limit := int64(maxAnswer)
	if l, ok := ctx.Value(answerLimit{}).(int64); ok {
		limit = min(limit, l)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, &tooLarge{limit: limit}
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// patient sends a request again when GitLab refused to look at it (429), or could
// not (502 to 504, for reading only). It waits as long as GitLab says, but never
// past the request's deadline: then it fails at once, and so does every other
// request until the wait is over.
type patient struct {
	next http.RoundTripper
	now  func() time.Time
	wait func(context.Context, time.Duration) error

	mu    sync.Mutex
	until time.Time // no request before; zero: none
}

// limited is the error of a request that was not sent.
type limited struct{ until time.Time }

func (e *limited) Error() string {
	return "rate limit; GitLab asks to wait until " + e.until.UTC().Format(time.RFC3339)
}

func (t *patient) RoundTrip(r *http.Request) (*http.Response, error) {
	for try := 1; ; try++ {
		t.mu.Lock()
		until := t.until
		t.mu.Unlock()
		if err := t.rest(r.Context(), until); err != nil {
			return nil, err
		}
		again, err := rewound(r)
		if err != nil {
			return nil, err
		}
		resp, err := t.next.RoundTrip(again)
		if err != nil {
			return nil, err
		}
		if !worthwhile(r.Method, resp.StatusCode) || try == maxTries {
			return resp, nil
		}
		pause := t.pause(resp.Header)
		if resp.StatusCode == http.StatusTooManyRequests {
			t.mu.Lock()
			t.until = t.now().Add(pause)
			t.mu.Unlock()
		} else if err := t.rest(r.Context(), t.now().Add(pause)); err != nil {
			return resp, nil
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
		_ = resp.Body.Close()
	}
}

// rest waits until an instant, if the deadline allows.
func (t *patient) rest(ctx context.Context, until time.Time) error {
	d := until.Sub(t.now())
	if d <= 0 {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok && d >= time.Until(deadline) {
		return &limited{until: until}
	}
	return t.wait(ctx, d)
}

func worthwhile(method string, status int) bool {
	switch status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return method == http.MethodGet || method == http.MethodHead
	}
	return false
}

// pause is what an answer asks for: in seconds, or until a date.
func (t *patient) pause(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil && s >= 0 {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(t.now()))
	}
	return defaultWait
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rewound gives every attempt its own copy of the body.
func rewound(r *http.Request) (*http.Request, error) {
	if r.GetBody == nil {
		return r, nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	again := r.Clone(r.Context())
	again.Body = body
	return again, nil
}

// onlyTo refuses requests to any other server than the configured one, so that
// no answer can send the credentials elsewhere.
type onlyTo struct {
	base *url.URL
	next http.RoundTripper
}

func (t *onlyTo) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != t.base.Scheme || r.URL.Host != t.base.Host {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, fmt.Errorf("refused to leave %s for %s", t.base.Host, r.URL.Host)
	}
	return t.next.RoundTrip(r)
}

// stay follows no redirect: a project that has moved must be configured anew.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// unlimited keeps the client library from holding requests back without a word;
// GitLab says itself when to wait.
type unlimited struct{}

func (unlimited) Wait(context.Context) error { return nil }
