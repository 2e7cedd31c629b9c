package main

import (
	"bytes"
	"testing"
)

func TestATokenGoesOnlyToTheHostThatItIsFor(t *testing.T) {
	t.Parallel()
	public := map[string]string{"GITHUB_TOKEN": "public"}
	both := map[string]string{"GH_TOKEN": "first", "GITHUB_TOKEN": "second", "GH_ENTERPRISE_TOKEN": "enterprise"}
	for _, c := range []struct {
		remote, forgeURL string
		env              map[string]string
		host, token      string
	}{
		{"git@github.com:acme/access.git", "", public, "github.com", "public"},
		{"git@github.com:acme/access.git", "", both, "github.com", "first"},
		{"https://acme.ghe.com/acme/access", "", public, "acme.ghe.com", "public"},
		{"https://github.example.com/acme/access.git", "", public, "github.example.com", ""},
		{"https://github.example.com/acme/access.git", "", both, "github.example.com", "enterprise"},
		{"https://github.com.example.com/acme/access.git", "", public, "github.com.example.com", ""},
		{"https://notghe.com/acme/access.git", "", public, "notghe.com", ""},
		{"https://github.example.com/acme/access.git", "https://github.example.com", public, "github.example.com", "public"},
		{"ssh://git@alias/acme/access.git", "https://github.example.com/", public, "github.example.com", "public"},
		{"/srv/access.git", "https://github.example.com/acme/access", public, "github.example.com", "public"},
	} {
		a := testApp(&bytes.Buffer{}, &bytes.Buffer{})
		a.env = func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }
		place, known, err := forgePlace(c.forgeURL, c.remote)
		if err != nil || !known || place.Host != c.host || place.Repo != "acme/access" {
			t.Errorf("%s: %+v, %v, %v", c.remote, place, known, err)
			continue
		}
		if got := a.forgeToken(place.Host, c.forgeURL != ""); got != c.token {
			t.Errorf("%s %s: token %q, want %q", c.remote, c.forgeURL, got, c.token)
		}
	}
}

func TestAForgeThatCannotBeMeantIsAnError(t *testing.T) {
	t.Parallel()
	for forgeURL, remote := range map[string]string{
		"github.example.com":                         "git@github.com:acme/access.git",
		"http://github.example.com":                  "git@github.com:acme/access.git",
		"https://alice:hunter2@github.example.com/a": "git@github.com:acme/access.git",
		"https://github.example.com":                 "/srv/access.git",
		"ftp://github.example.com/acme/access":       "/srv/access.git",
	} {
		if place, _, err := forgePlace(forgeURL, remote); err == nil {
			t.Errorf("%s: %+v", forgeURL, place)
		}
	}
	if _, known, err := forgePlace("", "/srv/access.git"); known || err != nil {
		t.Errorf("a directory is a forge: %v, %v", known, err)
	}
}

func TestTheAPIOfAPlace(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"git@github.com:acme/access":             "",
		"git@acme.ghe.com:acme/access":           "https://api.acme.ghe.com/",
		"https://github.example.com/acme/access": "https://github.example.com",
	} {
		place, _, err := forgePlace("", remote)
		if err != nil {
			t.Fatal(err)
		}
		if got := apiOf(place); got != want {
			t.Errorf("%s: %q, want %q", remote, got, want)
		}
	}
}
