// Package vault is the connector for HashiCorp Vault and OpenBao: who is a member of
// which internal identity group, and who has which policy through a group that the
// connector keeps for it.
//
// It changes lists of members and nothing else: no entity, no policy, no other field
// of a group. It makes no accounts.
package vault

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// Driver opens Vault servers. Its entitlements are {group: NAME} and {policy: NAME}.
type Driver struct{}

// Name is "vault".
func (Driver) Name() string { return "vault" }

// Canonical returns group=NAME or policy=NAME.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	e, err := readSpec(spec)
	if err != nil {
		return "", fmt.Errorf("vault entitlement: %w (want {group: NAME} or {policy: NAME})", err)
	}
	return e.text(), nil
}

// settings is one target in the reconciler's configuration.
type settings struct {
	Address   string   `setting:"address,required"` // https://host:port
	CA        string   `setting:"ca,file"`          // PEM; default: the system's
	PlainText bool     `setting:"plainText"`        // allow http to another machine
	Namespace string   `setting:"namespace"`
	Groups    []string `setting:"groups"`    // the only groups whose membership may be granted
	Policies  []string `setting:"policies"`  // the only policies that may be granted
	Mounts    []string `setting:"mounts"`    // of whose aliases accounts are named, in this order
	EndTokens bool     `setting:"endTokens"` // revoke the tokens of who lost something; default true

	Token          string `setting:"token"`
	TokenFile      string `setting:"tokenFile"` // read again and again, because an agent replaces it
	RoleID         string `setting:"roleID"`    // AppRole
	SecretID       string `setting:"secretID"`
	SecretIDFile   string `setting:"secretIDFile"`   // read at every login
	KubernetesRole string `setting:"kubernetesRole"` // Kubernetes auth
	JWTFile        string `setting:"jwtFile"`        // read at every login
	AuthMount      string `setting:"authMount"`      // default: approle or kubernetes
}

// Open prepares the client; the first call logs in, so that a server that is down or
// sealed does not keep the reconciler from starting.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{EndTokens: true}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	if len(set.Groups)+len(set.Policies) == 0 {
		return nil, errors.New("settings groups and policies are both missing or empty: list what may be granted")
	}
	for _, name := range set.Groups {
		if err := checkGroup(name); err != nil {
			return nil, fmt.Errorf("setting groups: %w", err)
		}
	}
	for _, name := range set.Policies {
		if err := checkPolicy(name); err != nil {
			return nil, fmt.Errorf("setting policies: %w", err)
		}
	}
	if err := checkMounts(set.Mounts); err != nil {
		return nil, err
	}
	m, err := set.method()
	if err != nil {
		return nil, err
	}
	cl, err := newClient(set, m)
	if err != nil {
		return nil, err
	}
	return &connector{
		target: target, client: cl, endsTokens: set.EndTokens,
		groups: slices.Clone(set.Groups), policies: slices.Clone(set.Policies), mounts: slices.Clone(set.Mounts),
		locks: map[string]chan struct{}{}, seen: map[string]string{}, owners: map[string]string{}, given: map[grants.Grant]*given{},
	}, nil
}

var mountPath = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$`)

func checkMounts(mounts []string) error {
	for i, m := range mounts {
		if !mountPath.MatchString(m) {
			return errors.New("setting mounts must hold paths of auth methods, without auth/ before them, such as oidc")
		}
		for j, other := range mounts {
			if i != j && strings.HasPrefix(m+"/", other+"/") {
				return fmt.Errorf("setting mounts: %q lies in %q, so that accounts would not be exact", m, other)
			}
		}
	}
	return nil
}
