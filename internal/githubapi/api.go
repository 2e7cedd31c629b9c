// Package githubapi is the way to GitHub's API that everything here shares: who asks
// (a token, or a GitHub App), that no answer leads elsewhere, how long a request may
// take and how large an answer may be, what is known already, and GitHub's limits.
//
// It knows no call of the API.
package githubapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	gh "github.com/google/go-github/v60/github"
)

// DefaultTimeout bounds one request, with the waits that GitHub asks for.
const DefaultTimeout = 30 * time.Second

// Config says where GitHub is, and who asks: a token, or a GitHub App.
type Config struct {
	Base           *url.URL // of the API; see [BaseURL]
	Token          string
	AppID          int64
	InstallationID int64
	PrivateKeyFile string
	PrivateKey     []byte            // instead of PrivateKeyFile
	Timeout        time.Duration     // of one request; zero: DefaultTimeout
	HTTPTransport  http.RoundTripper // nil: http.DefaultTransport
	Now            func() time.Time  // nil: time.Now
}

// API is a way to one GitHub as one account. It is safe for concurrent use.
type API struct {
	REST  *gh.Client
	AsApp *gh.Client // signs with the App's key; nil with a token

	base    *url.URL
	timeout time.Duration
	secrets secrets
	token   string                    // static; empty with an App
	app     *ghinstallation.Transport // nil with a token
}

// New checks the configuration and reads the private key. It sends nothing.
func New(c Config) (*API, error) {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.HTTPTransport == nil {
		c.HTTPTransport = http.DefaultTransport
	}
	a := &API{base: c.Base, timeout: c.Timeout}

	// What every request passes through, from the wire up: the target is ours,
	// then who asks, then what is known already, then the limits.
	wire := http.RoundTripper(&onlyTo{base: c.Base, sent: &a.secrets, next: &rewind{next: c.HTTPTransport}})
	if err := a.signIn(c, wire, &wire); err != nil {
		return nil, err
	}
	limited := newLimits(newETags(wire), c.Now)
	a.REST = a.client(limited)
	return a, nil
}

func (a *API) client(t http.RoundTripper) *gh.Client {
	c := gh.NewClient(a.http(t))
	c.BaseURL = a.base
	c.UserAgent = "tenure"
	return c
}

// signIn puts the credentials on the way; for an App it also makes a client that
// speaks as the App itself.
func (a *API) signIn(c Config, wire http.RoundTripper, out *http.RoundTripper) error {
	key := c.PrivateKeyFile != "" || len(c.PrivateKey) > 0
	switch {
	case c.Token != "" && (c.AppID != 0 || c.InstallationID != 0 || key):
		return errors.New("github: give a token or an App, not both")
	case c.Token != "":
		a.token = c.Token
		*out = &bearer{token: c.Token, next: wire}
		return nil
	case c.AppID == 0 && c.InstallationID == 0 && !key:
		return errors.New("github: no credentials are given; set a token, or appID, installationID and privateKeyFile")
	case c.AppID <= 0 || c.InstallationID <= 0 || !key:
		return errors.New("github: an App needs appID, installationID and privateKeyFile")
	}
	name := c.PrivateKeyFile
	if len(c.PrivateKey) == 0 {
		var err error
		if c.PrivateKey, err = os.ReadFile(c.PrivateKeyFile); err != nil {
			return fmt.Errorf("github: private key of the App: %w", err)
		}
	} else {
		name = "what is given"
	}
	apps, err := ghinstallation.NewAppsTransport(wire, c.AppID, c.PrivateKey)
	if err != nil {
		return fmt.Errorf("github: %s is not the private key of an App in PEM form", name)
	}
	apps.BaseURL = strings.TrimSuffix(a.base.String(), "/")
	a.app = ghinstallation.NewFromAppsTransport(apps, c.InstallationID)
	a.app.Client = a.http(wire)
	a.app.InstallationTokenOptions = blank(a.app.InstallationTokenOptions) // nil would be sent as null
	*out = a.app
	a.AsApp = a.client(apps)
	return nil
}

func (a *API) http(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: &bounded{timeout: a.timeout, next: t}, CheckRedirect: sameHost(a.base)}
}

// blank returns a new value of a type that only another version of go-github has.
func blank[T any](*T) *T { return new(T) }

// IsApp reports whether a GitHub App asks.
func (a *API) IsApp() bool { return a.app != nil }

// App is the App's installation; nil with a token.
func (a *API) App() *ghinstallation.Transport { return a.app }

// Token returns a token; the one of an App lasts an hour and is renewed before it ends.
func (a *API) Token(ctx context.Context) (string, error) {
	if a.app == nil {
		return a.token, nil
	}
	limit, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	return a.app.Token(limit)
}

// Scrub takes the tokens that were sent out of a text.
func (a *API) Scrub(text string) string { return a.secrets.scrub(text) }

// BaseURL completes the address of a server, checked already, to that of its API.
func BaseURL(u *url.URL) *url.URL {
	u.Path = strings.TrimSuffix(u.Path, "/") + "/"
	if u.Path == "/" && !strings.HasPrefix(u.Host, "api.") {
		u.Path = "/api/v3/" // GitHub Enterprise Server
	}
	return u
}
