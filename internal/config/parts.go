package config

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

var (
	fullHash = regexp.MustCompile(`^[0-9a-f]{40}$`)
	scpLike  = regexp.MustCompile(`^[A-Za-z0-9._-]+@([A-Za-z0-9.-]+):([^/].*)$`)
	fullName = regexp.MustCompile(`^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$`)
	// groupedName is how GitLab names a project, in groups that may be nested.
	groupedName = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$`)
)

func (l *loader) repository(c *Config, top *section) {
	top.need("repository")
	s := top.sub("repository", "url", "branch")
	if top.has("repository") {
		s.need("url")
	}
	c.Repository.Branch = s.word("branch", DefaultBranch)
	if strings.HasPrefix(c.Repository.Branch, "refs/") || strings.ContainsAny(c.Repository.Branch, " \t\n~^:?*[\\") {
		s.wrong("branch", "must be the name of a branch, without refs/heads/")
	}
	c.Repository.URL = s.word("url", "")
	if c.Repository.URL == "" {
		return
	}
	host, _, problem := remote(c.Repository.URL)
	if problem != "" {
		s.wrong("url", problem)
		c.Repository.URL = "" // so that nothing is derived from it
		return
	}
	c.Repository.Host = host
	// A local path is left as it is written, unless it is relative.
	if host == "" && !strings.Contains(c.Repository.URL, "://") {
		c.Repository.URL = l.resolve(c.Repository.URL)
	}
}

// remote takes a repository's address apart: its host and the path on it. Whoever
// could change bytes on the way could forge approvals, so plain HTTP is for this
// machine only.
func remote(address string) (host, repo, problem string) {
	if m := scpLike.FindStringSubmatch(address); m != nil {
		return m[1], m[2], ""
	}
	if !strings.Contains(address, "://") {
		if strings.Contains(address, "@") && strings.Contains(address, ":") {
			return "", "", "is not an address that can be understood; write ssh://USER@HOST/PATH"
		}
		return "", address, ""
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", "", "is not a valid URL" // the error would print the value
	}
	if _, has := u.User.Password(); has || (u.User != nil && u.Scheme != "ssh") {
		return "", "", "must not carry a login; use git.token, git.tokenFile or ssh.keyFile"
	}
	switch u.Scheme {
	case "file":
		return "", u.Path, ""
	case "https", "ssh", "http":
	default:
		return "", "", "must be https://, ssh://, USER@HOST:PATH or a local path"
	}
	if u.Host == "" {
		return "", "", "names no host"
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return "", "", "plain http is for loopback addresses only; use https"
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return "", "", "must not have a query or a fragment"
	}
	return u.Host, strings.TrimPrefix(u.Path, "/"), ""
}

func overSSH(address string) bool {
	return strings.HasPrefix(address, "ssh://") || scpLike.MatchString(address)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func (l *loader) trust(c *Config, top *section) {
	top.need("trust")
	s := top.sub("trust", "from", "group", "count", "approvalsValid")
	if top.has("trust") {
		s.need("from", "group")
	}
	// A hash of digits alone, or with one e, reads as a number in YAML.
	if n := s.values["from"]; n != nil && (n.Tag == "!!int" || n.Tag == "!!float") {
		n.Tag = "!!str"
	}
	c.Trust.From = s.word("from", "")
	if c.Trust.From != "" && !fullHash.MatchString(c.Trust.From) {
		s.wrong("from", "must be a full commit hash: 40 lower-case hex digits, as git rev-parse prints it")
	}
	c.Trust.Group = s.word("group", "")
	c.Trust.Count = int(s.number("count", DefaultTrustCount, 1))
	c.Trust.ApprovalsValid = s.duration("approvalsValid", DefaultApprovalsValid)
}

func (l *loader) forge(c *Config, top *section) {
	top.need("forge")
	s := top.sub("forge", "type", "appID", "installationID", "privateKeyFile", "token", "tokenFile", "baseURL", "repository", "report")
	if !top.has("forge") {
		return
	}
	s.need("type")
	c.Forge.Type = s.oneOf("type", GitHub, GitHub, Gitea, GitLab)
	c.Forge.Report = s.oneOf("report", ReportAll, ReportAll, ReportNone) == ReportAll
	c.Forge.AppID = s.number("appID", 0, 1)
	c.Forge.InstallationID = s.number("installationID", 0, 1)
	c.Forge.PrivateKeyFile = s.filePath("privateKeyFile", "")
	if c.Forge.PrivateKeyFile != "" {
		l.readable(s.values["privateKeyFile"], "forge.privateKeyFile", c.Forge.PrivateKeyFile)
	}
	c.Forge.Token = s.secret("token")
	l.login(s, c.Forge.Type)

	c.Forge.BaseURL = s.word("baseURL", "")
	if c.Forge.Type == Gitea {
		s.need("baseURL")
	}
	if c.Forge.BaseURL != "" {
		if problem := httpURL(c.Forge.BaseURL); problem != "" {
			s.wrong("baseURL", problem)
		}
	}
	c.Forge.Repository = s.word("repository", "")
	switch {
	case c.Forge.Repository != "":
		if c.Forge.Type == GitLab && groupedName.MatchString(c.Forge.Repository) {
			return
		}
		if !fullName.MatchString(c.Forge.Repository) {
			s.wrong("repository", "must be owner/name")
		}
	case c.Repository.URL != "":
		_, repo, _ := remote(c.Repository.URL)
		repo = strings.TrimSuffix(strings.Trim(repo, "/"), ".git")
		if c.Forge.Type == GitLab && c.Repository.Host != "" && groupedName.MatchString(repo) {
			c.Forge.Repository = repo
			return
		}
		if name := path.Join(path.Base(path.Dir(repo)), path.Base(repo)); c.Repository.Host != "" && fullName.MatchString(name) {
			c.Forge.Repository = name
			return
		}
		s.l.problem(s.node, "forge.repository: is required, as owner/name: it does not follow from repository.url")
	}
}

// login checks that there is exactly one way to log in to the forge.
func (l *loader) login(s *section, forge string) {
	app := s.has("appID") || s.has("installationID") || s.has("privateKeyFile")
	token := s.has("token") || s.has("tokenFile")
	switch {
	case app && forge != GitHub:
		l.problem(s.node, "forge: apps are GitHub's; give "+forge+" a token or tokenFile")
	case app && token:
		l.problem(s.node, "forge: give either an app (appID, installationID, privateKeyFile) or a token, not both")
	case app:
		s.need("appID", "installationID", "privateKeyFile")
	case !token:
		l.problem(s.node, "forge: needs a login: appID with installationID and privateKeyFile, or token, or tokenFile")
	}
}

func httpURL(text string) (problem string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return "must be an https:// URL"
	case u.User != nil:
		return "must not carry a login"
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "plain http is for loopback addresses only; use https"
	}
	return ""
}

// access reads the logins that only some set-ups need.
func (l *loader) access(c *Config, top *section) {
	s := top.sub("git", "token", "tokenFile")
	c.Git.Token = s.secret("token")

	s = top.sub("ssh", "keyFile", "knownHostsFile")
	for key, into := range map[string]*string{"keyFile": &c.SSH.KeyFile, "knownHostsFile": &c.SSH.KnownHostsFile} {
		if *into = s.filePath(key, ""); *into != "" {
			l.readable(s.values[key], "ssh."+key, *into)
		}
	}
	if s.has("keyFile") {
		s.need("knownHostsFile")
	} else if overSSH(c.Repository.URL) {
		l.problem(top.place("repository"), "ssh.keyFile: is required, with ssh.knownHostsFile, because repository.url is an SSH address")
	}

	s = top.sub("notify", "url", "urlFile")
	c.Notify.URL = s.secret("url")
	if !c.Notify.URL.IsZero() {
		key := "url"
		if s.has("urlFile") {
			key = "urlFile"
		}
		if problem := httpURL(c.Notify.URL.Reveal()); problem != "" {
			s.wrong(key, problem)
		}
	}

	s = top.sub("webhook", "secret", "secretFile")
	c.Webhook.Secret = s.secret("secret")
	if n := len(c.Webhook.Secret.Reveal()); n > 0 && n < 16 {
		l.warn(top.place("webhook"), "webhook: the secret is short; use at least 16 characters")
	}
}

func (l *loader) ledger(c *Config, top *section) {
	text := top.word("ledger", DefaultLedger)
	u, err := url.Parse(text)
	if err != nil {
		top.wrong("ledger", "is not a valid URL")
		return
	}
	switch u.Scheme {
	case "sqlite":
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.Path == "/" || u.RawQuery != "" {
			top.wrong("ledger", "must be sqlite:/// and an absolute path, with three slashes and no query")
			return
		}
		c.Ledger = Ledger{Kind: SQLite, Path: path.Clean(u.Path)}
	case "postgres", "postgresql":
		if u.Host == "" && u.Query().Get("host") == "" {
			top.wrong("ledger", "names no host")
			return
		}
		c.Ledger = Ledger{Kind: Postgres, URL: NewSecret(text)}
	default:
		top.wrong("ledger", "must be sqlite:///PATH or postgres://…")
	}
}

func (l *loader) listener(c *Config, top *section) {
	c.Listen = DefaultListen
	if v, ok := top.text("listen"); ok {
		c.Listen = v
	}
	if c.Listen == "" {
		return
	}
	host, port, err := net.SplitHostPort(c.Listen)
	_, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil {
		top.wrong("listen", `must be HOST:PORT, such as 127.0.0.1:8080, or "" for no listener`)
		return
	}
	if !loopback(host) {
		l.warn(top.place("listen"), "listen: metrics and health have no login; keep this address inside a trusted network")
	}
}
