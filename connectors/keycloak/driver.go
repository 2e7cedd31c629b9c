// Package keycloak is the connector for Keycloak: who is a direct member of which group
// of a realm, and who has which role of the realm or of a client.
//
// It uses the admin API as a client of that realm. It makes no users, groups and roles,
// and hands out no right to administer the realm unless a setting lists it.
package keycloak

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/rest"
)

// Driver opens realms. Its entitlements are {group: /PATH}, {realmRole: NAME} and
// {client: ID, role: NAME}.
type Driver struct{}

// Name is "keycloak".
func (Driver) Name() string { return "keycloak" }

// Canonical returns group=/PATH, realmRole=NAME or client=ID role=NAME.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	e, err := readSpec(spec)
	if err != nil {
		return "", fmt.Errorf("keycloak entitlement: %w (want {group: /PATH}, {realmRole: NAME} or {client: ID, role: NAME})", err)
	}
	return e.text(), nil
}

// settings is one target in the reconciler's configuration.
type settings struct {
	URL          string   `setting:"url,required"`               // of the server, such as https://id.example.com
	Realm        string   `setting:"realm,required"`             // not master
	ClientID     string   `setting:"clientID,required"`          // a client of the realm with a service account
	ClientSecret string   `setting:"clientSecret,file,required"` // its secret
	CA           string   `setting:"ca,file"`                    // PEM; default: the system's
	Groups       []string `setting:"groups"`                     // the only groups, by path, that may be granted
	RealmRoles   []string `setting:"realmRoles"`                 // the only roles of the realm that may be granted
	ClientRoles  []string `setting:"clientRoles"`                // the only roles of clients, as CLIENT/ROLE, that may be granted
}

// Open prepares a client; the first call connects, so that a server that is down does
// not keep the reconciler from starting.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	var set settings
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	base, err := rest.Address("url", set.URL)
	if err != nil {
		return nil, err
	}
	if err := checkName(set.Realm); err != nil || strings.Trim(set.Realm, ".") == "" {
		return nil, errors.New("setting realm is no name of a realm")
	}
	if set.Realm == "master" {
		return nil, errors.New("setting realm must not be master: whoever is in it may come to administer the whole server")
	}
	for _, path := range set.Groups {
		if _, err := splitPath(path); err != nil {
			return nil, fmt.Errorf("setting groups: %w", err)
		}
	}
	for _, name := range slices.Concat(set.RealmRoles, set.ClientRoles) {
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("settings realmRoles and clientRoles: %w", err)
		}
	}
	client, err := rest.New(rest.Config{URL: set.URL, CA: set.CA, Auth: &rest.OAuth{
		TokenURL: base.JoinPath("realms", set.Realm, "protocol/openid-connect/token").String(),
		ID:       set.ClientID, Secret: set.ClientSecret,
	}})
	if err != nil {
		return nil, err
	}
	return &connector{
		target: target, realm: set.Realm, self: "service-account-" + strings.ToLower(set.ClientID), rest: client,
		groups: slices.Clone(set.Groups), realmRoles: slices.Clone(set.RealmRoles), clientRoles: slices.Clone(set.ClientRoles),
	}, nil
}
