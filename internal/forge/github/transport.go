package github

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

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
