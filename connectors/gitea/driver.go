// Package gitea is the connector for an organisation on Gitea: who is in which team,
// and who is a collaborator of which repository.
//
// Teams and repositories are read whole and changed one account at a time. What
// somebody has by another way (a team's repositories, being an administrator of the
// server) is not changed.
package gitea

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/internal/giteaapi"
	"github.com/tenure-dev/tenure/internal/webclient"
)

// Driver opens organisations. Its entitlements are {team: NAME} and
// {repository: NAME, permission: P}.
type Driver struct{}

// Name is "gitea".
func (Driver) Name() string { return "gitea" }

// Canonical returns such as team=developers.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	text, err := canonical(spec)
	if err != nil {
		return "", fmt.Errorf("gitea entitlement: %w (want such as {team: developers} or {repository: orders, permission: write})", err)
	}
	return text, nil
}

// settings is one organisation in the reconciler's configuration.
type settings struct {
	BaseURL      string        `setting:"baseURL,required"`
	Organization string        `setting:"organization,required"`
	CA           string        `setting:"ca,file"`
	Token        string        `setting:"token,file,required"`
	Teams        []string      `setting:"teams"`        // default: all without rights to administer
	Repositories []string      `setting:"repositories"` // default: all
	Permissions  []string      `setting:"permissions"`  // default: read and write
	Timeout      time.Duration `setting:"timeout"`      // of one request with its repetitions
}

// Open prepares the client; the first call connects.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{Permissions: []string{"read", "write"}, Timeout: giteaapi.DefaultTimeout}
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
	way := giteaapi.New(giteaapi.Config{Base: giteaapi.BaseURL(base), Token: set.Token, Timeout: set.Timeout, HTTPTransport: transport})
	return &connector{target: target, set: set, way: way, transport: transport}, nil
}

// check refuses settings that cannot be meant.
func (s *settings) check() error {
	if checkName(s.Organization) != nil {
		return errors.New("setting organization is not the name of an organisation")
	}
	if strings.ContainsFunc(s.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("setting token is not a token: it has spaces or letters that none has")
	}
	for name, values := range map[string][]string{"teams": s.Teams, "repositories": s.Repositories} {
		for _, v := range values {
			if err := checkName(v); err != nil {
				return fmt.Errorf("setting %s: %w", name, err)
			}
		}
	}
	for _, v := range s.Permissions {
		if err := checkPermission(v); err != nil {
			return fmt.Errorf("setting permissions: %w", err)
		}
	}
	return nil
}

// owners is the team whose members own the organisation.
const owners = "Owners"

// allowed refuses what the settings do not allow to grant, as far as names tell.
func (s *settings) allowed(e entitlement, level string) error {
	listed := func(setting string, list []string, value string) error {
		if slices.Contains(list, value) {
			return nil
		}
		return fmt.Errorf("setting %s does not list %q", setting, value)
	}
	switch {
	case e.kind == kindTeam && (s.Teams != nil || strings.EqualFold(e.name, owners)):
		return listed("teams", s.Teams, e.name)
	case e.kind == kindTeam:
		return nil
	case s.Repositories != nil:
		return errors.Join(listed("repositories", s.Repositories, e.name), listed("permissions", s.Permissions, level))
	}
	return listed("permissions", s.Permissions, level)
}
