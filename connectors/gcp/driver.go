// Package gcp is the connector for Google Cloud: who has which IAM role on a project, a
// folder or an organisation.
//
// A grant is a member of a role binding that is Tenure's own. Its condition has a title
// that marks it and an expression that ends it, so that Google itself ends the access.
// Bindings that others made are seen and never changed.
package gcp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

// Driver opens Google Cloud. Its entitlements are such as {project: ID, role: NAME}.
type Driver struct{}

// Name is "gcp".
func (Driver) Name() string { return "gcp" }

// Canonical returns such as project=shop-prod role=roles/storage.objectViewer.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	e, err := readSpec(spec)
	if err != nil {
		return "", fmt.Errorf("gcp entitlement: %w (%s)", err, wantSpec)
	}
	return e.text(), nil
}

// settings is one target in the reconciler's configuration.
type settings struct {
	Credentials   string   `setting:"credentials,file"` // JSON; default: application default credentials
	Roles         []string `setting:"roles,required"`   // the only roles that may be granted
	Projects      []string `setting:"projects"`         // the only projects, by their ids
	Folders       []string `setting:"folders"`          // the only folders, by their numbers
	Organizations []string `setting:"organizations"`    // the only organisations, by their numbers
	Principals    []string `setting:"principals"`       // default: user
	Domain        string   `setting:"domain"`           // of accounts that are written without one
	Endpoint      string   `setting:"endpoint"`         // default: Google's
}

// Open prepares the client; the first call connects.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{Principals: []string{kindUser}, Endpoint: googleEndpoint}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	if err := set.check(); err != nil {
		return nil, err
	}
	base, loopback, err := endpoint(set.Endpoint)
	if err != nil {
		return nil, err
	}
	client := newHTTP()
	source, err := newSource(set.Credentials, loopback, client)
	if err != nil {
		return nil, err
	}
	return &connector{
		target: target, title: titleOf(target), set: set,
		api: &api{base: base, http: client, tokens: newTokens(source.fetch)}, self: source.self, busy: map[resource]chan struct{}{},
	}, nil
}

// check refuses lists that could never match, so that a typing error is found at once.
func (s *settings) check() error {
	places := 0
	for _, l := range []struct {
		setting, kind string
		names         []string
	}{{"projects", kindProject, s.Projects}, {"folders", kindFolder, s.Folders}, {"organizations", kindOrganization, s.Organizations}} {
		for _, name := range l.names {
			if err := checkID(l.kind, name); err != nil {
				return fmt.Errorf("setting %s: %w", l.setting, err)
			}
			places++
		}
	}
	if places == 0 {
		return errors.New("settings projects, folders and organizations are missing or empty; list where roles may be granted")
	}
	if len(s.Roles) == 0 {
		return errors.New("setting roles is empty; list the roles that may be granted")
	}
	for _, name := range s.Roles {
		if err := checkRole(name); err != nil {
			return fmt.Errorf("setting roles: %w", err)
		}
	}
	for _, kind := range s.Principals {
		if !slices.Contains([]string{kindUser, kindGroup, kindServiceAccount}, kind) {
			return errors.New("setting principals may hold user, group and serviceAccount")
		}
	}
	if len(s.Principals) == 0 {
		return errors.New("setting principals is empty; leave it out, or list user, group or serviceAccount")
	}
	if s.Domain != "" && !isDomain(s.Domain) {
		return errors.New("setting domain must be the name of a domain in lower case, such as example.com")
	}
	return nil
}

// allowed refuses what the settings do not allow to grant. Nothing is allowed that is
// not listed.
func (s *settings) allowed(e entitlement) error {
	list, name := s.Projects, "projects"
	switch e.on.kind {
	case kindFolder:
		list, name = s.Folders, "folders"
	case kindOrganization:
		list, name = s.Organizations, "organizations"
	}
	if !slices.Contains(list, e.on.id) {
		return fmt.Errorf("setting %s does not list %q", name, e.on.id)
	}
	if !slices.Contains(s.Roles, e.role) {
		return fmt.Errorf("setting roles does not list %q", e.role)
	}
	return nil
}

// titleOf is the condition's title that marks the bindings of one target. Titles have
// room for 100 bytes.
func titleOf(target string) string {
	const prefix, room = "Tenure: ", 100
	if len(prefix)+len(target) <= room {
		return prefix + target
	}
	return prefix + strings.ToValidUTF8(target[:20], "") + "... " + digest(target)
}
