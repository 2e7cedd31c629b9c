// Package gitea speaks to Gitea (1.26 and later) over its REST API. It reads what
// package forge gathers evidence from, and opens, closes and merges the
// reconciler's own pull requests.
//
// It reports what Gitea says and decides nothing. What Gitea does not record is
// not made up: docs/forges.md says from where each thing is read.
package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/giteaapi"
)

// DefaultTimeout bounds one request with its repetitions.
const DefaultTimeout = giteaapi.DefaultTimeout

// Config says which repository, and who asks.
type Config struct {
	BaseURL       string // of the server, such as https://git.example.com
	Repo          string // owner/name
	Branch        string // that is watched; empty: the default branch
	Host          string // of identities; empty: from BaseURL
	Token         string
	Timeout       time.Duration     // of one request; zero: DefaultTimeout
	HTTPTransport http.RoundTripper // nil: http.DefaultTransport
	Now           func() time.Time  // nil: time.Now
}

// Client is a forge.Client. It is safe for concurrent use.
type Client struct {
	base        *url.URL // without a slash at the end
	owner, name string
	branch      string
	host        string
	token       string
	way         *giteaapi.API
	http        *http.Client // of way

	records recordCache
	merged  mergedIndex

	mu sync.Mutex
	me int64 // numeric id of the account that asks; 0: not read yet
}

var repoName = regexp.MustCompile(`^([A-Za-z0-9._-]+)/([A-Za-z0-9._-]+)$`)

// New checks the configuration. It sends nothing.
func New(c Config) (*Client, error) {
	owner, name, ok := splitRepo(c.Repo)
	if !ok {
		return nil, fmt.Errorf("gitea: repository %q is not of the form owner/name", c.Repo)
	}
	base, err := baseURL(c.BaseURL)
	if err != nil {
		return nil, err
	}
	if c.Token == "" {
		return nil, errors.New("gitea: no token is given; set one with the scopes that docs/forges.md names")
	}
	if c.Host == "" {
		c.Host = base.Hostname()
	}
	g := &Client{base: base, owner: owner, name: name, branch: c.Branch, host: c.Host, token: c.Token}
	g.records.lists = map[string]*record{}
	g.way = giteaapi.New(giteaapi.Config{Base: base, Token: c.Token, Timeout: c.Timeout, HTTPTransport: c.HTTPTransport, Now: c.Now})
	g.http = g.way.HTTP
	return g, nil
}

func splitRepo(s string) (owner, name string, ok bool) {
	m := repoName.FindStringSubmatch(s)
	if m == nil || m[1] == "." || m[1] == ".." || m[2] == "." || m[2] == ".." {
		return "", "", false
	}
	return m[1], m[2], true
}

func baseURL(s string) (*url.URL, error) {
	u, err := forge.ServerURL(s)
	if err != nil {
		return nil, fmt.Errorf("gitea: %w", err)
	}
	return giteaapi.BaseURL(u), nil
}

// api is a client for the calls of one context.
func (g *Client) api(ctx context.Context) *sdk.Client { return g.way.SDK(ctx) }

// Token returns the password for Git over HTTPS.
func (g *Client) Token(context.Context) (string, error) { return g.token, nil }

// Host returns the host of the identities that this forge names.
func (g *Client) Host() string { return g.host }

// GitURL returns the address of the repository for Git over HTTPS.
func (g *Client) GitURL() string { return g.base.String() + "/" + g.owner + "/" + g.name + ".git" }
