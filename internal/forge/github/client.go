// Package github speaks to GitHub and GitHub Enterprise Server over their REST
// API. It reads what package forge gathers evidence from, opens, closes and merges
// the reconciler's own pull requests, and says on others what they would do.
//
// It reports what GitHub says and decides nothing. It keeps no state but caches:
// what it forgets is asked for again.
package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/internal/forge"
)

// DefaultTimeout bounds one request, with the waits that GitHub asks for.
const DefaultTimeout = 30 * time.Second

// Config says which repository, and who asks: a token, or a GitHub App.
type Config struct {
	Repo           string // owner/name
	Branch         string // that is watched; empty: the default branch
	BaseURL        string // of the API; empty: https://api.github.com
	Host           string // of identities; empty: from BaseURL
	Token          string
	AppID          int64
	InstallationID int64
	PrivateKeyFile string
	Timeout        time.Duration     // of one request; zero: DefaultTimeout
	HTTPTransport  http.RoundTripper // nil: http.DefaultTransport
	Now            func() time.Time  // nil: time.Now
}

// Client is a forge.Client. It is safe for concurrent use.
type Client struct {
	api         *gh.Client
	owner, name string
	base        *url.URL
	host        string
	timeout     time.Duration

	branch  string
	secrets secrets
	token   string                    // static; empty with an App
	app     *ghinstallation.Transport // nil with a token
	asApp   *gh.Client                // signs with the App's key; nil with a token

	pushes pushCache

	mu sync.Mutex
	me int64 // numeric id of the account that asks; 0: not read yet
}

var repoName = regexp.MustCompile(`^([A-Za-z0-9-]+)/([A-Za-z0-9._-]+)$`)

// New checks the configuration and reads the private key. It sends nothing.
func New(c Config) (*Client, error) {
	m := repoName.FindStringSubmatch(c.Repo)
	if m == nil || m[2] == "." || m[2] == ".." {
		return nil, fmt.Errorf("github: repository %q is not of the form owner/name", c.Repo)
	}
	base, err := baseURL(c.BaseURL)
	if err != nil {
		return nil, err
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.HTTPTransport == nil {
		c.HTTPTransport = http.DefaultTransport
	}
	if c.Host == "" {
		c.Host = strings.TrimPrefix(base.Hostname(), "api.")
	}
	g := &Client{owner: m[1], name: m[2], base: base, host: c.Host, timeout: c.Timeout, branch: c.Branch}
	g.pushes.lists = map[string][]pushEntry{}

	// What every request passes through, from the wire up: the target is ours,
	// then who asks, then what is known already, then the limits.
	wire := http.RoundTripper(&onlyTo{base: base, sent: &g.secrets, next: &rewind{next: c.HTTPTransport}})
	if g.asApp, err = g.signIn(c, wire, &wire); err != nil {
		return nil, err
	}
	limited := newLimits(newETags(wire), c.Now)
	g.api = gh.NewClient(g.http(c, limited))
	g.api.BaseURL = base
	g.api.UserAgent = "tenure"
	return g, nil
}

// signIn puts the credentials on the way; for an App it also returns a client
// that speaks as the App itself.
func (g *Client) signIn(c Config, wire http.RoundTripper, out *http.RoundTripper) (*gh.Client, error) {
	switch {
	case c.Token != "" && (c.AppID != 0 || c.InstallationID != 0 || c.PrivateKeyFile != ""):
		return nil, errors.New("github: give a token or an App, not both")
	case c.Token != "":
		g.token = c.Token
		*out = &bearer{token: c.Token, next: wire}
		return nil, nil
	case c.AppID == 0 && c.InstallationID == 0 && c.PrivateKeyFile == "":
		return nil, errors.New("github: no credentials are given; set a token, or appID, installationID and privateKeyFile")
	case c.AppID <= 0 || c.InstallationID <= 0 || c.PrivateKeyFile == "":
		return nil, errors.New("github: an App needs appID, installationID and privateKeyFile")
	}
	key, err := os.ReadFile(c.PrivateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("github: private key of the App: %w", err)
	}
	apps, err := ghinstallation.NewAppsTransport(wire, c.AppID, key)
	if err != nil {
		return nil, fmt.Errorf("github: %s is not the private key of an App in PEM form", c.PrivateKeyFile)
	}
	apps.BaseURL = strings.TrimSuffix(g.base.String(), "/")
	g.app = ghinstallation.NewFromAppsTransport(apps, c.InstallationID)
	g.app.Client = g.http(c, wire)
	g.app.InstallationTokenOptions = blank(g.app.InstallationTokenOptions) // nil would be sent as null
	*out = g.app
	asApp := gh.NewClient(g.http(c, apps))
	asApp.BaseURL = g.base
	return asApp, nil
}

func (g *Client) http(c Config, t http.RoundTripper) *http.Client {
	return &http.Client{Transport: &bounded{timeout: c.Timeout, next: t}, CheckRedirect: sameHost(g.base)}
}

// blank returns a new value of a type that only another version of go-github has.
func blank[T any](*T) *T { return new(T) }

// Token returns a token for Git over HTTPS; the one of an App lasts an hour and
// is renewed before it ends.
func (g *Client) Token(ctx context.Context) (string, error) {
	if g.app == nil {
		return g.token, nil
	}
	limit, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	t, err := g.app.Token(limit)
	if err != nil {
		return "", g.failed(ctx, "sign in as the App", err)
	}
	return t, nil
}

// GitURL returns the address of the repository for Git over HTTPS.
func (g *Client) GitURL() string {
	u := url.URL{Scheme: g.base.Scheme, Host: strings.TrimPrefix(g.base.Host, "api."), Path: "/" + g.owner + "/" + g.name + ".git"}
	return u.String()
}

// Host returns the host of the identities that this forge names.
func (g *Client) Host() string { return g.host }

func baseURL(s string) (*url.URL, error) {
	if s == "" {
		s = "https://api.github.com/"
	}
	u, err := forge.ServerURL(s)
	if err != nil {
		return nil, fmt.Errorf("github: %w", err)
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/"
	if u.Path == "/" && !strings.HasPrefix(u.Host, "api.") {
		u.Path = "/api/v3/" // GitHub Enterprise Server
	}
	return u, nil
}
