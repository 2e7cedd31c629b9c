package propose

import (
	"net"
	"net/url"
	"regexp"
	"strings"
)

// Place is a repository on a forge, as people see it.
type Place struct {
	Web  string // such as https://github.com
	Host string // of Web, with its port
	Repo string // owner/name
}

var (
	scpLike  = regexp.MustCompile(`^(?:[A-Za-z0-9._-]+@)?([A-Za-z0-9.-]+):([^/].*)$`)
	fullName = regexp.MustCompile(`^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$`)
)

// PlaceOf derives the place from the address of a remote, over HTTPS or SSH. It
// reports false for what is on no forge, such as a directory.
func PlaceOf(remote string) (Place, bool) {
	scheme, host, path := "https", "", ""
	if u, err := url.Parse(remote); err == nil && strings.Contains(remote, "://") {
		switch u.Scheme {
		case "https":
			host = u.Host
		case "http":
			if !loopback(u.Hostname()) {
				return Place{}, false
			}
			scheme, host = "http", u.Host
		case "ssh", "git+ssh":
			host = u.Hostname() // the port is that of SSH
		default:
			return Place{}, false
		}
		path = u.Path
	} else if m := scpLike.FindStringSubmatch(remote); m != nil && !strings.Contains(remote, "://") {
		host, path = m[1], m[2]
	}
	if host == "ssh.github.com" { // SSH on the port of HTTPS
		host = "github.com"
	}
	repo := strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	if host == "" || !fullName.MatchString(repo) {
		return Place{}, false
	}
	return Place{Web: scheme + "://" + host, Host: host, Repo: repo}, true
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// CompareURL is the page on which a pull request is opened by hand.
func (p Place) CompareURL(base, branch string) string {
	return p.Web + "/" + p.Repo + "/compare/" + escape(base) + "..." + escape(branch) + "?expand=1"
}

func escape(branch string) string {
	parts := strings.Split(branch, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}
