// Package github speaks to GitHub and GitHub Enterprise Server over their REST
// API. It reads what package forge gathers evidence from, opens, closes and merges
// the reconciler's own pull requests, and says on others what they would do.
//
// It reports what GitHub says and decides nothing. It keeps no state but caches:
// what it forgets is asked for again.
package github

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/githubapi"
)

// DefaultTimeout bounds one request, with the waits that GitHub asks for.
const DefaultTimeout = githubapi.DefaultTimeout

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
	way         *githubapi.API

	branch string

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
	if c.Host == "" {
		c.Host = strings.TrimPrefix(base.Hostname(), "api.")
	}
	g := &Client{owner: m[1], name: m[2], base: base, host: c.Host, branch: c.Branch}
	g.pushes.lists = map[string][]pushEntry{}

	if g.way, err = githubapi.New(githubapi.Config{
		Base: base, Token: c.Token, AppID: c.AppID, InstallationID: c.InstallationID, PrivateKeyFile: c.PrivateKeyFile,
		Timeout: c.Timeout, HTTPTransport: c.HTTPTransport, Now: c.Now,
	}); err != nil {
		return nil, err
	}
	g.api = g.way.REST
	return g, nil
}

// Token returns a token for Git over HTTPS; the one of an App lasts an hour and
// is renewed before it ends.
func (g *Client) Token(ctx context.Context) (string, error) {
	t, err := g.way.Token(ctx)
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
	return githubapi.BaseURL(u), nil
}
