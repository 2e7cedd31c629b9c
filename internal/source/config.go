package source

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// DefaultTimeout bounds one poll when the configuration names no other.
const DefaultTimeout = 2 * time.Minute

// Config says what to watch and where to keep the copy.
type Config struct {
	URL     string // https://, ssh://, user@host:path, file://; http:// to this machine only
	Branch  string // without refs/heads/
	Dir     string // created if missing; belongs to one process, and is a cache
	Auth    AuthFunc
	Timeout time.Duration // of one poll; zero: DefaultTimeout
}

// AuthFunc returns the credentials for one call to the remote: the tokens of a
// GitHub App last an hour.
type AuthFunc func(ctx context.Context) (transport.AuthMethod, error)

// remote is a checked URL, without the credentials that were written into it.
type remote struct {
	url    string // what go-git is given
	name   string // what people are shown
	scheme string // "https", "http", "ssh" or "file"
	user   string // ssh only
	addr   string // ssh only: host:port
	auth   AuthFunc
	secret []string // never to be printed
}

// scpLike is git's short form of an SSH address: user@host:path.
var scpLike = regexp.MustCompile(`^([A-Za-z0-9._-]+)@([A-Za-z0-9.-]+):([^/].*|/[^/].*)$`)

func parseRemote(c Config) (remote, error) {
	if m := scpLike.FindStringSubmatch(c.URL); m != nil {
		r := remote{url: c.URL, name: m[2] + ":" + m[3], scheme: "ssh", user: m[1], addr: net.JoinHostPort(m[2], "22"), auth: c.Auth}
		return r, r.check()
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		// The parser's own error quotes the URL, with what may be a password.
		return remote{}, errors.New("repository URL cannot be parsed")
	}
	r := remote{scheme: u.Scheme, auth: c.Auth}
	switch u.Scheme {
	case "https", "http":
		if u.User != nil {
			user := u.User.Username()
			pass, _ := u.User.Password()
			r.secret = append(r.secret, u.User.String(), user, pass)
			if r.auth == nil {
				basic := &githttp.BasicAuth{Username: user, Password: pass}
				r.auth = func(context.Context) (transport.AuthMethod, error) { return basic, nil }
			}
			u.User = nil
		}
	case "ssh":
		r.user, u.User = u.User.Username(), url.User(u.User.Username())
		port := u.Port()
		if port == "" {
			port = "22"
		}
		r.addr = net.JoinHostPort(u.Hostname(), port)
	case "file":
		u.User = nil
	}
	u.RawQuery, u.Fragment = "", ""
	r.url = u.String()
	shown := *u
	shown.User = nil
	r.name = shown.String()
	return r, r.check()
}

func (r remote) check() error {
	switch r.scheme {
	case "https", "file":
		return nil
	case "http":
		u, err := url.Parse(r.url)
		if err != nil {
			return errors.New("repository URL cannot be parsed")
		}
		if !loopback(u.Hostname()) {
			return fmt.Errorf("repository %s: http is allowed to this machine only; use https", r.name)
		}
		return nil
	case "ssh":
		if r.user == "" {
			return fmt.Errorf("repository %s: an SSH address needs a user, such as git@", r.name)
		}
		if r.auth == nil {
			return fmt.Errorf("repository %s: SSH needs a key file and a known_hosts file", r.name)
		}
		return nil
	default:
		return fmt.Errorf("repository: scheme %q is not supported; use https, ssh or file", r.scheme)
	}
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// scrub removes every known secret from a text.
func (r remote) scrub(text string, more ...string) string {
	for _, s := range append(append([]string{}, r.secret...), more...) {
		if s == "" {
			continue
		}
		text = strings.ReplaceAll(text, s, "***")
		text = strings.ReplaceAll(text, url.QueryEscape(s), "***")
		text = strings.ReplaceAll(text, url.PathEscape(s), "***")
	}
	return text
}

func branchRef(name string) (plumbing.ReferenceName, error) {
	ref := plumbing.NewBranchReferenceName(name)
	if name == "" || strings.HasPrefix(name, "refs/") {
		return "", fmt.Errorf("branch %q: give its plain name, such as main", name)
	}
	if err := ref.Validate(); err != nil {
		return "", fmt.Errorf("branch %q is not a valid name: %w", name, err)
	}
	return ref, nil
}
