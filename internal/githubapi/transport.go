package githubapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// MaxAnswer is how large an answer may be, in bytes.
const MaxAnswer = 32 << 20

// bounded limits the time of a request and the size of its answer. It reads the
// answer whole: go-github leaves the body of an error open, and with a timeout of
// http.Client that would hold a goroutine until the timeout.
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
	if _, err := slurp(r, resp); err != nil {
		return nil, err
	}
	return resp, nil
}

// answerLimit is the key of a tighter limit in the context of a request, which is
// all that go-github hands on to here.
type answerLimit struct{}

// LimitAnswer bounds the answers to requests, in bytes. Errors are not bound by it.
func LimitAnswer(ctx context.Context, limit int64) context.Context {
	return context.WithValue(ctx, answerLimit{}, limit)
}

// TooLarge is the error of an answer that was not read to its end.
type TooLarge struct{ Limit int64 }

func (e *TooLarge) Error() string { return fmt.Sprintf("answer is larger than %d bytes", e.Limit) }

// slurp reads the body of the answer to a request and puts a copy in its place. Of
// one that is too large it reads no more than shows that.
func slurp(r *http.Request, resp *http.Response) ([]byte, error) {
	limit := int64(MaxAnswer)
	if n, ok := r.Context().Value(answerLimit{}).(int64); ok && resp.StatusCode == http.StatusOK {
		limit = min(limit, n)
	}
	if resp.ContentLength > limit {
		_ = resp.Body.Close()
		return nil, &TooLarge{Limit: limit}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, &TooLarge{Limit: limit}
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return body, nil
}

// onlyTo refuses requests to any other server than the configured one, so that
// no answer can send the credentials elsewhere.
type onlyTo struct {
	base *url.URL
	sent *secrets
	next http.RoundTripper
}

// secrets remembers the last tokens that were sent, so that they can be taken out
// of errors: an App's come and go.
type secrets struct {
	mu   sync.Mutex
	last []string
}

const maxSecrets = 8

func (s *secrets) add(authorization string) {
	_, token, ok := strings.Cut(authorization, " ")
	if !ok || token == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.last, token) {
		return
	}
	s.last = append(s.last, token)
	if len(s.last) > maxSecrets {
		s.last = s.last[1:]
	}
}

func (s *secrets) scrub(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, token := range s.last {
		text = strings.ReplaceAll(text, token, "***")
	}
	return text
}

func (t *onlyTo) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != t.base.Scheme || r.URL.Host != t.base.Host {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, fmt.Errorf("refused to leave %s for %s", t.base.Host, r.URL.Host)
	}
	t.sent.add(r.Header.Get("Authorization"))
	return t.next.RoundTrip(r)
}

// sameHost follows the redirects of a renamed repository, for reading only: a
// write that turned into a read would look as if it had been done.
func sameHost(base *url.URL) func(*http.Request, []*http.Request) error {
	return func(r *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("too many redirects")
		}
		if r.URL.Scheme != base.Scheme || r.URL.Host != base.Host {
			return fmt.Errorf("refused to leave %s for %s", base.Host, r.URL.Host)
		}
		if via[0].Method != http.MethodGet {
			return http.ErrUseLastResponse
		}
		return nil
	}
}

// rewind gives every attempt its own copy of the body: a request that is sent
// again after a rate limit has read it once already.
type rewind struct{ next http.RoundTripper }

func (t *rewind) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = body
	}
	return t.next.RoundTrip(r)
}

// bearer adds a token.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (t *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+t.token)
	return t.next.RoundTrip(r)
}
