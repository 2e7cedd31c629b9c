// Package gitlab speaks to GitLab over its REST API. It reads what package forge
// gathers evidence from, and opens, closes and merges the reconciler's own merge
// requests. A merge request is a pull request here, its iid the number.
//
// It reports what GitLab says and decides nothing; what GitLab does not say
// soundly is reported so that it proves nothing. It is a preview: it was built
// from GitLab's published documentation and source, and tested against a
// stand-in, not yet against a real GitLab.
package gitlab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// DefaultTimeout bounds one request, with the waits that GitLab asks for.
const DefaultTimeout = 30 * time.Second

// DefaultBaseURL is GitLab's own service.
const DefaultBaseURL = "https://gitlab.com"

// Config says which project, and who asks.
type Config struct {
	Repo          string            // full path of the project, such as group/subgroup/access
	Branch        string            // that is watched; empty: the default branch
	BaseURL       string            // of the GitLab; empty: DefaultBaseURL
	Host          string            // of identities; empty: from BaseURL
	Token         string            // personal, group or project access token with the scope api
	Timeout       time.Duration     // of one request; zero: DefaultTimeout
	HTTPTransport http.RoundTripper // nil: http.DefaultTransport
	Now           func() time.Time  // nil: time.Now
}

// Client is a forge.Client. It is safe for concurrent use.
type Client struct {
	api    *gl.Client
	repo   string
	branch string
	base   *url.URL
	host   string
	token  string

	people people
	record eventCache
	merges mergeCache

	mu      sync.Mutex
	me      int64  // numeric id of the account that asks; 0: not read yet
	project int64  // numeric id of the project; 0: not read yet
	deflt   string // default branch of the project
}

var _ forge.Client = (*Client)(nil)

// projectPath is the form of a project's full path. GitLab takes more characters
// than ASCII in names, but not in paths.
var projectPath = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+$`)

// New checks the configuration. It sends nothing.
func New(c Config) (*Client, error) {
	if !projectPath.MatchString(c.Repo) {
		return nil, fmt.Errorf("gitlab: repository %q is not of the form group/project", c.Repo)
	}
	base, err := baseURL(c.BaseURL)
	if err != nil {
		return nil, err
	}
	if c.Token == "" {
		return nil, errors.New("gitlab: no credentials are given; set a token with the scope api")
	}
	if strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("gitlab: the token holds a character that no token has; check how it is given")
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
		c.Host = base.Hostname()
	}
	g := &Client{repo: c.Repo, branch: c.Branch, base: base, host: c.Host, token: c.Token}
	g.people.bots = map[int64]bool{}
	g.record.projects = map[string]*eventList{}
	g.merges.own = map[int64]bool{}

	// What every request passes through, from the wire up: the target is ours,
	// then GitLab's wish to slow down, then the limits of time and size.
	wire := &onlyTo{base: base, next: c.HTTPTransport}
	polite := &patient{next: wire, now: c.Now, wait: wait}
	g.api, err = gl.NewClient(c.Token,
		gl.WithBaseURL(base.String()),
		gl.WithHTTPClient(&http.Client{Transport: &bounded{timeout: c.Timeout, next: polite}, CheckRedirect: stay}),
		gl.WithoutRetries(), // patient does it, within the limits
		gl.WithCustomLimiter(unlimited{}),
		gl.WithURLWarningLogger(slog.New(slog.DiscardHandler)),
		gl.WithUserAgent("tenure"),
	)
	if err != nil {
		return nil, errors.New("gitlab: baseURL cannot be used")
	}
	return g, nil
}

// Preview says what must be known before this forge is relied on. Commands that
// check the configuration print it.
func (g *Client) Preview() string {
	return "GitLab support is a preview: it was tested against a stand-in that follows GitLab's documentation, not against a real GitLab"
}

// Token returns the token, which is also the password for Git over HTTPS.
func (g *Client) Token(context.Context) (string, error) { return g.token, nil }

// GitURL returns the address of the repository for Git over HTTPS.
func (g *Client) GitURL() string { return g.base.String() + "/" + g.repo + ".git" }

// Host returns the host of the identities that this forge names.
func (g *Client) Host() string { return g.host }

func baseURL(s string) (*url.URL, error) {
	if s == "" {
		s = DefaultBaseURL
	}
	u, err := forge.ServerURL(s)
	if err != nil {
		return nil, fmt.Errorf("gitlab: %w", err)
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/api/v4")
	u.RawPath = ""
	return u, nil
}
