// Package rest is a small client for JSON over HTTP that connectors share: it adds the
// credential, bounds every call and answer, and tries again what another try can mend.
//
// It follows no redirect, so that a credential reaches no other place than the one in
// the settings, and its errors hold neither a credential nor a query.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxBody is the largest answer that is read, in bytes.
	maxBody = 64 << 20
	// callTimeout bounds one try of one request, besides the caller's context.
	callTimeout = 30 * time.Second
)

// Config says where to and how. URL is checked by [New].
type Config struct {
	URL  string // https, or http on loopback; it may have a path, no query
	CA   string // PEM; instead of the system's certificates
	Auth Auth   // nil: none
	// Accept is the media type of requests and answers; default: application/json.
	Accept string
	// MaxWait bounds how long one call waits because the server asks it to. Zero: 30 seconds.
	MaxWait time.Duration
	// RetryAfter reads from an answer of status 429 or 503 how long to wait. Nil: the
	// header Retry-After.
	RetryAfter func(http.Header) (time.Duration, bool)
}

// Client speaks to one server. It is safe for concurrent use.
type Client struct {
	base *url.URL
	http *http.Client
	cfg  Config
}

// New checks the address and prepares a client; the first call connects.
func New(cfg Config) (*Client, error) {
	base, err := Address("url", cfg.URL)
	if err != nil {
		return nil, err
	}
	transport, err := transport(cfg.CA)
	if err != nil {
		return nil, err
	}
	if cfg.Accept == "" {
		cfg.Accept = "application/json"
	}
	if cfg.MaxWait == 0 {
		cfg.MaxWait = 30 * time.Second
	}
	if cfg.RetryAfter == nil {
		cfg.RetryAfter = retryAfter
	}
	return &Client{base: base, cfg: cfg, http: httpClient(transport)}, nil
}

// Close closes the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request is one call. Everything that is sent may be sent twice.
type Request struct {
	Method string   // default: GET
	Path   []string // segments below the address; each is escaped
	Query  url.Values
	Header http.Header
	Body   any // as JSON; nil: none
	// Link is an address that the server itself gave, such as that of the next page,
	// instead of Path and Query. It must be on the same server.
	Link string
}

// Answer is what came back with a status of 2xx.
type Answer struct {
	Status int
	Header http.Header
}

// Do sends the request and reads the answer's JSON into out, unless out is nil. A
// status other than 2xx is an [Error].
func (c *Client) Do(ctx context.Context, r Request, out any) (Answer, error) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	to, err := c.address(r)
	if err != nil {
		return Answer{}, err
	}
	var body []byte
	if r.Body != nil {
		if body, err = json.Marshal(r.Body); err != nil {
			return Answer{}, err
		}
	}
	renewed := false
	return c.retry(ctx, func() (Answer, error) {
		a, err := c.once(ctx, r, to, body, out)
		if o, ok := c.cfg.Auth.(*OAuth); ok && !renewed && Status(err) == http.StatusUnauthorized {
			renewed = true // it may have been taken back before its end
			o.Drop()
			return c.once(ctx, r, to, body, out)
		}
		return a, err
	})
}

// address is where the request goes to.
func (c *Client) address(r Request) (*url.URL, error) {
	if r.Link == "" {
		segments := make([]string, len(r.Path))
		for i, s := range r.Path {
			if s == "" || s == "." || s == ".." {
				return nil, fmt.Errorf("%q cannot be part of an address", s)
			}
			segments[i] = url.PathEscape(s)
		}
		to := *c.base
		to.RawPath = strings.TrimSuffix(to.EscapedPath(), "/") + "/" + strings.Join(segments, "/")
		to.Path, _ = url.PathUnescape(to.RawPath)
		to.RawQuery = r.Query.Encode()
		return &to, nil
	}
	to, err := c.base.Parse(r.Link)
	if err != nil || to.Scheme != c.base.Scheme || to.Host != c.base.Host || to.User != nil {
		return nil, errors.New("the server names an address of another server as its next page; it is not followed")
	}
	return to, nil
}

// once is one try.
func (c *Client) once(ctx context.Context, r Request, to *url.URL, body []byte, out any) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, to.String(), bytes.NewReader(body))
	if err != nil {
		return Answer{}, errors.New("the request cannot be made; look at setting url")
	}
	for k, v := range r.Header {
		req.Header[k] = v
	}
	req.Header.Set("Accept", c.cfg.Accept)
	if body != nil {
		req.Header.Set("Content-Type", c.cfg.Accept)
	}
	req.Header.Set("User-Agent", "tenure")
	if c.cfg.Auth != nil {
		if err := c.cfg.Auth.Add(ctx, req, c.http); err != nil {
			return Answer{}, err
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, c.unreached(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return Answer{}, fmt.Errorf("%s %s: the answer breaks off: %w", r.Method, to.Path, c.unreached(err))
	case len(text) > maxBody:
		return Answer{}, fmt.Errorf("%s %s: the answer is larger than %d bytes", r.Method, to.Path, maxBody)
	case resp.StatusCode/100 != 2:
		return Answer{}, c.failure(r.Method, to.Path, resp, text)
	}
	answer := Answer{Status: resp.StatusCode, Header: resp.Header}
	if out == nil {
		return answer, nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return Answer{}, fmt.Errorf("%s %s: the answer is not the JSON that was expected", r.Method, to.Path)
	}
	return answer, nil
}

// unreached is an error of the connection, without the address, which has the query.
func (c *Client) unreached(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err
}
