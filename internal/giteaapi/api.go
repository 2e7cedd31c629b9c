// Package giteaapi is the way to Gitea's API that everything here shares: the token
// goes to the configured server alone, a request has a time and an answer a size, and
// what only reads is sent again after an answer that may be better the next time.
//
// It knows no call of the API.
package giteaapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	sdk "code.gitea.io/sdk/gitea"
)

// DefaultTimeout bounds one request with its repetitions.
const DefaultTimeout = 30 * time.Second

// Config says where Gitea is, and who asks.
type Config struct {
	Base          *url.URL // see [BaseURL]
	Token         string
	Timeout       time.Duration     // of one request; zero: DefaultTimeout
	HTTPTransport http.RoundTripper // nil: http.DefaultTransport
	Now           func() time.Time  // nil: time.Now
}

// API is a way to one Gitea as one account. It is safe for concurrent use.
type API struct {
	HTTP *http.Client

	base  *url.URL
	token string
}

// New sends nothing.
func New(c Config) *API {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.HTTPTransport == nil {
		c.HTTPTransport = http.DefaultTransport
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	wire := &repeat{now: c.Now, next: &onlyTo{base: c.Base, token: c.Token, next: c.HTTPTransport}}
	return &API{base: c.Base, token: c.Token, HTTP: &http.Client{
		Transport:     &bounded{timeout: c.Timeout, next: wire},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// SDK is a client for the calls of one context. Making one costs nothing: it sends
// no request by itself.
func (a *API) SDK(ctx context.Context) *sdk.Client {
	c, err := sdk.NewClient(a.base.String(), sdk.SetHTTPClient(a.HTTP), sdk.SetContext(ctx), sdk.SetUserAgent("tenure"), sdk.SetGiteaVersion(""))
	if err != nil { // only an option can fail, and none of these does
		panic(err)
	}
	return c
}

// Short is what Gitea said, on one line and without the token.
func (a *API) Short(said string) string {
	text := strings.ReplaceAll(strings.Join(strings.Fields(said), " "), a.token, "***")
	if r := []rune(text); len(r) > 300 {
		text = string(r[:300]) + "…"
	}
	return text
}

// BaseURL returns the address of a server, checked already, without a slash at its
// end and without the path of the API.
func BaseURL(u *url.URL) *url.URL {
	u.Path = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/api/v1"), "/")
	return u
}
