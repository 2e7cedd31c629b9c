package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/tenure-dev/tenure/internal/forge/github"
	"github.com/tenure-dev/tenure/internal/propose"
)

// publicHost is where everybody's token of GH_TOKEN and GITHUB_TOKEN belongs.
const publicHost = "github.com"

// openPull opens the pull request, or says where to do it by hand.
func (a *app) openPull(ctx context.Context, p proposing, w *workspace, out *proposed) error {
	place, known, err := forgePlace(p.forgeURL, w.git.URL)
	if err != nil {
		return err
	}
	if !known {
		return nil
	}
	out.OpenAt = place.CompareURL(p.branch, p.name)
	if p.noPull {
		return nil
	}
	token := a.forgeToken(place.Host, p.forgeURL != "")
	if token == "" {
		return nil
	}
	client, err := github.New(github.Config{Repo: place.Repo, BaseURL: apiOf(place), Token: token})
	if err != nil {
		return err
	}
	number, address, err := client.Propose(ctx, p.name, p.branch, out.title, out.body)
	if err != nil {
		return notFine{fmt.Errorf("the branch is there, but the pull request is not: %w; run the command again, or open it at %s", err, out.OpenAt)}
	}
	out.Pull, out.OpenAt = &opened{Number: number, URL: address}, ""
	return nil
}

// forgePlace is where the pull request belongs: what --forge-url says, else what the
// remote's address tells. --forge-url may name the repository, too.
func forgePlace(forgeURL, remote string) (place propose.Place, known bool, err error) {
	place, known = propose.PlaceOf(remote)
	if forgeURL == "" {
		return place, known, nil
	}
	u, err := url.Parse(forgeURL)
	if err != nil || u.Host == "" || u.User != nil {
		return place, false, errors.New("--forge-url is not an address such as https://github.example.com")
	}
	named, ok := propose.PlaceOf(u.Scheme + "://" + u.Host + "/" + strings.Trim(u.Path, "/"))
	if !ok { // only the host is named
		if named, ok = propose.PlaceOf(u.Scheme + "://" + u.Host + "/" + place.Repo); !ok {
			return place, false, errors.New("--forge-url must begin with https://, and name the repository where the remote does not: https://github.example.com/acme/access")
		}
	}
	return named, true, nil
}

// apiOf is the base of the API, as package github wants it.
func apiOf(p propose.Place) string {
	switch {
	case p.Host == publicHost:
		return ""
	case strings.HasSuffix(p.Host, ".ghe.com"):
		return "https://api." + p.Host + "/"
	}
	return p.Web
}

// forgeToken returns the token for a host. The tokens of github.com go nowhere else,
// unless the host was named by hand: a checkout could be of anywhere.
func (a *app) forgeToken(host string, named bool) string {
	names := []string{"GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"}
	if host == publicHost || strings.HasSuffix(host, ".ghe.com") || named {
		names = []string{"GH_TOKEN", "GITHUB_TOKEN"}
	}
	for _, n := range names {
		if v, _ := a.env(n); v != "" {
			return v
		}
	}
	return ""
}
