package config_test

import (
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/internal/config"
)

func TestEachForgeHasItsOwnLoginAndNames(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef01234567"
	for name, c := range map[string]struct {
		url, forge string
		repository string // what it must be; empty: an error with want
		want       string
	}{
		"Gitea":                       {"https://git.example.com/acme/access", "{type: gitea, token: t, baseURL: https://git.example.com}", "acme/access", ""},
		"Gitea has no public server":  {"https://git.example.com/acme/access", "{type: gitea, token: t}", "", "forge.baseURL"},
		"Gitea has no apps":           {"https://git.example.com/acme/access", "{type: gitea, baseURL: https://git.example.com, appID: 1, installationID: 2, privateKeyFile: key}", "", "apps are GitHub's"},
		"GitLab with groups":          {"https://gitlab.com/acme/security/access.git", "{type: gitlab, token: t}", "acme/security/access", ""},
		"GitLab with groups, written": {"file:///srv/access.git", "{type: gitlab, token: t, repository: a/b/c}", "a/b/c", ""},
		"GitHub has no groups":        {"file:///srv/access.git", "{type: github, token: t, repository: a/b/c}", "", "must be owner/name"},
		"silent":                      {"https://github.com/acme/access", "{type: github, token: t, report: none}", "acme/access", ""},
		"half silent":                 {"https://github.com/acme/access", "{type: github, token: t, report: some}", "", "forge.report"},
	} {
		t.Run(name, func(t *testing.T) {
			text := "repository: {url: \"" + c.url + "\"}\ntrust: {from: \"" + hash + "\", group: admins}\nforge: " + c.forge + "\ntargets:\n  a: {connector: file}\n"
			cfg, err := config.Parse("reconciler.yaml", []byte(text), func(string) (string, bool) { return "", false })
			switch {
			case c.want != "":
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want one about %s", err, c.want)
				}
			case err != nil:
				t.Error(err)
			case cfg.Forge.Repository != c.repository || cfg.Forge.Report != (name != "silent"):
				t.Errorf("repository %q, report %v", cfg.Forge.Repository, cfg.Forge.Report)
			}
		})
	}
}
