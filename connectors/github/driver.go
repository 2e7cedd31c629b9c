// Package github is the connector for organisations on GitHub and GitHub Enterprise
// Server: who is in which team, who has which role in the organisation, and who has
// which permission on a repository by a grant of their own.
//
// What GitHub hands out as an invitation counts as access from the moment it is sent:
// it is shown, and a revoke withdraws it. Access by other ways (a parent team, the
// organisation's base permission, ownership) is neither shown nor changed.
package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/internal/githubapi"
	"github.com/tenure-dev/tenure/internal/webclient"
)

// Driver opens organisations. Its entitlements are {team: SLUG, role: R},
// {repository: NAME, permission: P} and {organizationRole: NAME}.
type Driver struct{}

// Name is "github".
func (Driver) Name() string { return "github" }

// Canonical returns such as role=member team=orders-leads.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	text, err := canonical(spec)
	if err != nil {
		return "", fmt.Errorf("github entitlement: %w (want such as {team: orders-leads, role: member}, {repository: orders, permission: push} or {organizationRole: security_manager})", err)
	}
	return text, nil
}

// Ways to write an account.
const (
	accountsByID    = "id"
	accountsByLogin = "login"
)

// settings is one organisation in the reconciler's configuration.
type settings struct {
	Organization   string `setting:"organization,required"`
	BaseURL        string `setting:"baseURL"` // of the API; default: api.github.com
	CA             string `setting:"ca,file"`
	Token          string `setting:"token,file"`
	AppID          int    `setting:"appID"`
	InstallationID int    `setting:"installationID"`
	PrivateKey     string `setting:"privateKey,file"`
	Accounts       string `setting:"accounts"` // id or login

	// What may be granted at most. A list that is not given allows all that is no
	// way to more than itself.
	Teams             []string `setting:"teams"`
	TeamRoles         []string `setting:"teamRoles"` // default: member
	Repositories      []string `setting:"repositories"`
	Permissions       []string `setting:"permissions"`       // default: pull, triage, push
	OrganizationRoles []string `setting:"organizationRoles"` // default: none

	InviteMembers        bool          `setting:"inviteMembers"`
	OutsideCollaborators bool          `setting:"outsideCollaborators"`
	Timeout              time.Duration `setting:"timeout"` // of one request, with the waits that GitHub asks for
}

// Open prepares the client; the first call connects.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{
		BaseURL: "https://api.github.com/", Accounts: accountsByID, Timeout: githubapi.DefaultTimeout,
		TeamRoles: []string{roleMember}, Permissions: []string{"pull", "triage", "push"}, OrganizationRoles: []string{},
	}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	if err := set.check(); err != nil {
		return nil, err
	}
	base, err := webclient.ParseBaseURL(set.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("setting %w", err)
	}
	transport, err := webclient.NewTransport(set.CA)
	if err != nil {
		return nil, err
	}
	return open(target, set, githubapi.Config{
		Base: githubapi.BaseURL(base), Token: set.Token, AppID: int64(set.AppID), InstallationID: int64(set.InstallationID),
		PrivateKey: []byte(set.PrivateKey), Timeout: set.Timeout,
	}, transport)
}

func open(target string, set settings, cfg githubapi.Config, transport *http.Transport) (*connector, error) {
	cfg.HTTPTransport = transport
	way, err := githubapi.New(cfg)
	if err != nil { // of an App's key, without what it is
		return nil, errors.New("setting privateKey is not the private key of an App in PEM form")
	}
	return &connector{target: target, set: set, way: way, transport: transport}, nil
}

// check refuses settings that cannot be meant.
func (s *settings) check() error {
	app := s.AppID != 0 || s.InstallationID != 0 || s.PrivateKey != ""
	switch {
	case !loginPattern.MatchString(s.Organization):
		return errors.New("setting organization is not the name of an organisation, as in its address")
	case s.Accounts != accountsByID && s.Accounts != accountsByLogin:
		return errors.New("setting accounts may be id or login")
	case s.Token != "" && app:
		return errors.New("give setting token, or appID, installationID and privateKey, but not both")
	case s.Token == "" && !app:
		return errors.New("setting token is missing; give it, or appID, installationID and privateKey")
	case s.Token == "" && (s.AppID <= 0 || s.InstallationID <= 0 || s.PrivateKey == ""):
		return errors.New("settings appID, installationID and privateKey go together")
	}
	for name, list := range map[string]struct {
		is     func(string) error
		values []string
	}{
		"teams": {checkSlug, s.Teams}, "teamRoles": {checkTeamRole, s.TeamRoles}, "repositories": {checkRepository, s.Repositories},
		"permissions": {checkPermission, s.Permissions}, "organizationRoles": {connectors.CheckName, s.OrganizationRoles},
	} {
		for _, v := range list.values {
			if err := list.is(v); err != nil {
				return fmt.Errorf("setting %s: %w", name, err)
			}
		}
	}
	return nil
}

// allowed refuses what the settings do not allow to grant.
func (s *settings) allowed(e entitlement) error {
	ok := func(setting string, list []string, value string) error {
		if list == nil || slices.Contains(list, value) {
			return nil
		}
		return fmt.Errorf("setting %s does not list %q", setting, value)
	}
	switch e.kind {
	case kindTeam:
		return errors.Join(ok("teams", s.Teams, e.name), ok("teamRoles", s.TeamRoles, e.level))
	case kindRepository:
		return errors.Join(ok("repositories", s.Repositories, e.name), ok("permissions", s.Permissions, e.level))
	}
	return ok("organizationRoles", s.OrganizationRoles, e.name)
}
