package giteaapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// MaxAnswer is how large an answer may be, in bytes.
	MaxAnswer = 32 << 20
	// Attempts is how often a request that only reads is sent.
	Attempts = 3
	// firstPause is how long to wait before the second attempt; it doubles.
	firstPause = 200 * time.Millisecond
)

// bounded limits the time of a request, repetitions included, and the size of its
// answer, which it reads whole.
type bounded struct {
	timeout time.Duration
	next    http.RoundTripper
}

func (t *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), t.timeout)
	defer cancel()
	return t.next.RoundTrip(r.WithContext(ctx))
}

// repeat sends what only reads again after an answer that may be better the next
// time. A write is sent once: whether it was done is found out by looking.
type repeat struct {
	now  func() time.Time
	next http.RoundTripper
}

func (t *repeat) RoundTrip(r *http.Request) (*http.Response, error) {
	pause := firstPause
	for n := 1; ; n++ {
		resp, err := t.next.RoundTrip(r)
		if err == nil {
			err = slurp(resp)
		}
		if r.Method != http.MethodGet || n == Attempts || r.Context().Err() != nil || !passing(resp, err) {
			if err != nil {
				return nil, err
			}
			return resp, nil
		}
		wait := pause
		if err == nil {
			wait = max(wait, retryAfter(resp.Header, t.now()))
		}
		if deadline, ok := r.Context().Deadline(); ok && wait >= time.Until(deadline) {
			return resp, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-r.Context().Done():
			timer.Stop()
			return nil, r.Context().Err()
		}
		pause *= 2
	}
}

// passing reports whether an answer may be another one soon.
func passing(resp *http.Response, err error) bool {
	if err != nil {
		return !errors.Is(err, ErrLeave) && !errors.Is(err, ErrLarge)
	}
	return resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500
}

// retryAfter is how long the server asks to wait, in seconds or until a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return at.Sub(now)
	}
	return 0
}

var (
	ErrLarge = fmt.Errorf("answer is larger than %d bytes", MaxAnswer)
	ErrLeave = errors.New("refused to leave the configured server")
)

// slurp reads the body of an answer and puts a copy in its place.
func slurp(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if len(body) > MaxAnswer {
		return ErrLarge
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// onlyTo adds the token, and refuses requests to any other server than the
// configured one, so that no answer can send it elsewhere.
type onlyTo struct {
	base  *url.URL
	token string
	next  http.RoundTripper
}

func (t *onlyTo) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != t.base.Scheme || r.URL.Host != t.base.Host || !strings.HasPrefix(r.URL.Path, t.base.Path+"/api/v1/") {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, ErrLeave
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "token "+t.token)
	return t.next.RoundTrip(r)
}
