package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	gh "github.com/google/go-github/v60/github"
)

// held is one account's hold on a thing, as GitHub has it.
type held struct {
	person
	level string // of the entitlement
	// invitation is the number of an invitation that is still to be accepted, or
	// zero. The invitee can accept it at any moment, so it counts as access.
	invitation int64
	// expired: the invitation can no longer be accepted. It is no access, but stands
	// in the way of a new one.
	expired bool
	ours    bool   // we sent the invitation
	alone   bool   // it is for this thing only
	in      string // the team or repository, as it is called now
	// owner: GitHub calls an owner of the organisation a maintainer of every team that
	// they are in, whatever they are there of their own.
	owner   bool
	account string
}

func (h held) Account() string { return h.account }
func (h held) Level() string   { return h.level }
func (h held) Dead() bool      { return h.expired }

// Has reports whether the hold is of a level, or may be.
func (h held) Has(level string) bool {
	return h.level == level || h.owner && level == roleMember
}

// thing is a team, a repository, a role or ownership.
type thing interface {
	// look returns everybody who holds the thing directly, or an error. A thing that
	// is certainly not there has nobody.
	look(ctx context.Context) ([]held, error)
	// missing is an error if what was looked at does not exist under this very name.
	missing() error
	// grant gives the thing to a person who has nothing of it.
	grant(ctx context.Context, p person, at standing, level string) error
	// revoke takes it away; it is no error when it is gone.
	revoke(ctx context.Context, h held) error
}

func (c *connector) thing(e entitlement) thing {
	switch {
	case e.kind == kindTeam:
		return &team{c: c, slug: e.name}
	case e.kind == kindRepository:
		return &repository{c: c, name: e.name}
	case e.name == owner:
		return &ownership{c: c}
	}
	return &role{c: c, name: e.name}
}

func (c *connector) org() string { return "orgs/" + url.PathEscape(c.set.Organization) }

// errUnseen is of a thing that GitHub does not show. If it cannot be told whether it
// is gone or hidden from these credentials, its holders cannot be told either.
func errUnseen(what, name, why string) error {
	return fmt.Errorf("%s %q is not there, or hidden from these credentials: %s", what, name, why)
}

// seesTeams is an error unless a team that is not shown is not there.
func (c *connector) seesTeams(o *about, slug string) error {
	if c.way.IsApp() {
		p, err := c.way.App().Permissions()
		if err != nil {
			return err
		}
		if p.GetMembers() == "" {
			return errUnseen(kindTeam, slug, "the App lacks the permission members")
		}
		return nil
	}
	if !o.CanAdmin {
		return errUnseen(kindTeam, slug, "the account of the token is no owner of the organisation")
	}
	return nil
}

// seesRepositories is the same for repositories.
func (c *connector) seesRepositories(ctx context.Context, o *about, head http.Header, name string) error {
	if c.way.IsApp() {
		in, _, err := c.way.AsApp.Apps.GetInstallation(ctx, int64(c.set.InstallationID))
		if err != nil {
			return err
		}
		if in.GetRepositorySelection() != "all" {
			return errUnseen(kindRepository, name, "the App is installed on selected repositories")
		}
		return nil
	}
	scopes, classic := scopesOf(head)
	switch {
	case !o.CanAdmin:
		return errUnseen(kindRepository, name, "the account of the token is no owner of the organisation")
	case !classic:
		return errUnseen(kindRepository, name, "a fine-grained token does not show repositories that are not selected for it")
	case !slices.Contains(scopes, "repo"):
		return errUnseen(kindRepository, name, "the token lacks the scope repo")
	}
	return nil
}

// scopesOf returns the scopes of a classic token, which every answer to one names.
func scopesOf(h http.Header) (scopes []string, classic bool) {
	if _, classic = h[http.CanonicalHeaderKey("X-OAuth-Scopes")]; !classic {
		return nil, false
	}
	for s := range strings.SplitSeq(h.Get("X-OAuth-Scopes"), ",") {
		if s = strings.TrimSpace(s); s != "" {
			scopes = append(scopes, s)
		}
	}
	return scopes, true
}

// invitation is one to an organisation. GitHub names the invitee by login only, and
// not at all if it was sent to an address.
type invitation struct {
	ID        int64    `json:"id"`
	Login     string   `json:"login"`
	Role      string   `json:"role"`
	TeamCount int      `json:"team_count"`
	Inviter   *gh.User `json:"inviter"`
}

func invitationKey(i invitation) string { return fmt.Sprint(i.ID) }

// personOf is who has a login now; false: nobody has it any more.
func (c *connector) personOf(ctx context.Context, login string) (person, bool, error) {
	var u *gh.User
	err := c.reading(ctx, func() (err error) { u, _, err = c.way.REST.Users.Get(ctx, login); return err })
	if status(err) == http.StatusNotFound {
		return person{}, false, nil
	}
	if err != nil {
		return person{}, false, err
	}
	if u.GetID() == 0 || u.GetLogin() == "" {
		return person{}, false, errors.New("GitHub describes a user without a number or login")
	}
	return person{id: u.GetID(), login: u.GetLogin()}, true, nil
}

// mergeHeld puts active holders over invitations of the same account: who accepted
// while the lists were read is in both.
func mergeHeld(active, invited []held) []held {
	out := slices.Clone(active)
	for _, h := range invited {
		if !slices.ContainsFunc(active, func(a held) bool { return a.id == h.id }) {
			out = append(out, h)
		}
	}
	return out
}
