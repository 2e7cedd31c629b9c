// Package scim is the connector for identity providers that speak SCIM 2.0 (RFC 7643 and
// RFC 7644): who is a direct member of which group.
//
// It changes members of groups and nothing else. It makes no users and no groups, and
// takes nobody for a member whom the server does not show as one.
package scim

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/rest"
)

// Driver opens SCIM servers. Its entitlements are {group: NAME} and {groupId: ID}.
type Driver struct{}

// Name is "scim".
func (Driver) Name() string { return "scim" }

// Canonical returns group=NAME or groupId=ID.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	e, err := rules().Spec(spec)
	if err != nil {
		return "", fmt.Errorf("scim entitlement: %w (want {group: NAME} or {groupId: ID})", err)
	}
	return e.Canonical(), nil
}

// settings is one target in the reconciler's configuration.
type settings struct {
	URL          string   `setting:"url,required"` // of the SCIM service, such as https://id.example.com/scim/v2
	Token        string   `setting:"token,file"`   // bearer token
	User         string   `setting:"user"`         // HTTP basic, instead of a token
	Password     string   `setting:"password,file"`
	TokenURL     string   `setting:"tokenURL"` // OAuth client credentials, instead of a token
	ClientID     string   `setting:"clientID"`
	ClientSecret string   `setting:"clientSecret,file"`
	Scopes       []string `setting:"scopes"`
	CA           string   `setting:"ca,file"` // PEM; default: the system's
	Groups       []string `setting:"groups"`  // the only groups, by name or id, that may be granted
}

// Open prepares a client; the first call connects, so that a server that is down does
// not keep the reconciler from starting.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	var set settings
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	for _, g := range set.Groups {
		if err := rules().CheckName(g); err != nil {
			return nil, fmt.Errorf("setting groups: %w", err)
		}
	}
	auth, err := set.auth()
	if err != nil {
		return nil, err
	}
	client, err := rest.New(rest.Config{URL: set.URL, CA: set.CA, Auth: auth, Accept: "application/scim+json"})
	if err != nil {
		return nil, err
	}
	return &connector{target: target, rest: client, groups: slices.Clone(set.Groups)}, nil
}

// auth is the one way to log in that the settings give.
func (s settings) auth() (rest.Auth, error) {
	basic := s.User != "" || s.Password != ""
	oauth := s.TokenURL != "" || s.ClientID != "" || s.ClientSecret != "" || len(s.Scopes) > 0
	switch {
	case s.Token != "" && !basic && !oauth:
		return rest.Token{Scheme: "Bearer", Value: s.Token}, nil
	case basic && s.Token == "" && !oauth:
		if s.User == "" || s.Password == "" {
			return nil, errors.New("settings user and password go together")
		}
		return rest.Basic{User: s.User, Password: s.Password}, nil
	case oauth && s.Token == "" && !basic:
		if s.TokenURL == "" || s.ClientID == "" || s.ClientSecret == "" {
			return nil, errors.New("settings tokenURL, clientID and clientSecret go together")
		}
		if _, err := rest.Address("tokenURL", s.TokenURL); err != nil {
			return nil, err
		}
		return &rest.OAuth{TokenURL: s.TokenURL, ID: s.ClientID, Secret: s.ClientSecret, Scopes: slices.Clone(s.Scopes)}, nil
	}
	return nil, errors.New("give exactly one of the settings token, user with password, and tokenURL with clientID and clientSecret")
}
