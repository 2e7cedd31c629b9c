// Package azure is the connector for Microsoft Azure and Microsoft Entra: who has which
// role of Azure RBAC on a subscription, a resource group, a resource or a management
// group, and who is a member of which Entra group.
//
// A role is given by a role assignment whose name follows from target, account and
// entitlement, so that Tenure's own are known from all others. Those that others made are
// seen and never changed.
package azure

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tenure-dev/tenure/connectors"
)

// Driver opens Azure. Its entitlements are such as {subscription: ID, role: NAME} and
// {group: ID}.
type Driver struct{}

// Name is "azure".
func (Driver) Name() string { return "azure" }

// Canonical returns such as role=Reader subscription=ID.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	e, err := readSpec(spec)
	if err != nil {
		return "", fmt.Errorf("azure entitlement: %w (%s)", err, wantSpec)
	}
	return e.text, nil
}

// settings is one target in the reconciler's configuration.
type settings struct {
	Tenant        string `setting:"tenant,required"` // id of the Entra tenant
	Client        string `setting:"client,required"` // id of the reconciler's application
	Secret        string `setting:"secret,file"`     // of the application
	AssertionFile string `setting:"assertionFile"`   // token of a workload identity; read anew each time

	Subscriptions    []string `setting:"subscriptions"`    // the only subscriptions
	ResourceGroups   []string `setting:"resourceGroups"`   // the only resource groups, as ID/NAME
	ManagementGroups []string `setting:"managementGroups"` // the only management groups
	Roles            []string `setting:"roles"`            // the only roles
	PrivilegedRoles  []string `setting:"privilegedRoles"`  // those that may give roles themselves
	Groups           []string `setting:"groups"`           // the only groups
	PrivilegedGroups []string `setting:"privilegedGroups"` // those that may hold roles of Entra itself

	Accounts   string   `setting:"accounts"`   // userPrincipalName or objectId
	Domain     string   `setting:"domain"`     // of accounts that are written without one
	Principals []string `setting:"principals"` // default: user

	Authority string `setting:"authority"` // where tokens come from
	ARM       string `setting:"arm"`       // Azure Resource Manager
	Graph     string `setting:"graph"`     // Microsoft Graph
}

// Open prepares the clients; the first call connects.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{
		Accounts: byName, Principals: []string{kindUser},
		Authority: "https://login.microsoftonline.com", ARM: "https://management.azure.com", Graph: "https://graph.microsoft.com",
	}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	if err := set.check(); err != nil {
		return nil, err
	}
	web := newHTTP()
	cred := newCredential(&set, web)
	return &connector{
		target: target, set: set, web: web, cred: cred,
		arm: newClient(set.ARM, web, cred), graph: newClient(set.Graph, web, cred),
	}, nil
}

// check refuses what could never work, so that a typing error is found at once.
func (s *settings) check() error {
	if !isID(s.Tenant) || !isID(s.Client) {
		return errors.New("settings tenant and client must be ids such as 3f2504e0-4f89-41d3-9a0c-0305e82c3301, in lower case")
	}
	if (s.Secret == "") == (s.AssertionFile == "") {
		return errors.New("one of the settings secret, secretFile and assertionFile must be given, and not empty")
	}
	for _, x := range []struct{ name, address string }{{"authority", s.Authority}, {"arm", s.ARM}, {"graph", s.Graph}} {
		if err := checkEndpoint(x.address); err != nil {
			return fmt.Errorf("setting %s: %w", x.name, err)
		}
	}
	if err := s.checkLists(); err != nil {
		return err
	}
	if s.Accounts != byName && s.Accounts != byID {
		return errors.New("setting accounts must be userPrincipalName or objectId")
	}
	if s.Domain != "" && (s.Accounts == byID || !isDomain(s.Domain)) {
		return errors.New("setting domain must be the name of a domain in lower case, such as example.com, and is only for accounts: userPrincipalName")
	}
	for _, kind := range s.Principals {
		if !slices.Contains([]string{kindUser, kindGroup, kindServicePrincipal}, kind) {
			return errors.New("setting principals may hold user, group and servicePrincipal")
		}
	}
	if len(s.Principals) == 0 {
		return errors.New("setting principals is empty; leave it out, or list user, group or servicePrincipal")
	}
	return nil
}

// checkLists checks the ceilings.
func (s *settings) checkLists() error {
	for _, l := range []struct {
		setting string
		names   []string
		good    func(string) bool
		want    string
	}{
		{"subscriptions", s.Subscriptions, isID, "an id in lower case"},
		{"resourceGroups", s.ResourceGroups, isGroupPath, "SUBSCRIPTION/NAME in lower case"},
		{"managementGroups", s.ManagementGroups, isPlace, "an id in lower case"},
		{"roles", s.Roles, isRole, "the name of a role"},
		{"privilegedRoles", s.PrivilegedRoles, isRole, "the name of a role"},
		{"groups", s.Groups, isGroup, "the id of a group in lower case, or its name"},
		{"privilegedGroups", s.PrivilegedGroups, isGroup, "the id of a group in lower case, or its name"},
	} {
		for _, name := range l.names {
			if !l.good(name) {
				return fmt.Errorf("setting %s: %+.80q is not %s", l.setting, name, l.want)
			}
		}
	}
	places := len(s.Subscriptions) + len(s.ResourceGroups) + len(s.ManagementGroups)
	switch roles := len(s.Roles) + len(s.PrivilegedRoles); {
	case (places == 0) != (roles == 0):
		return errors.New("roles need both: a list of places (subscriptions, resourceGroups or managementGroups) and one of roles (roles or privilegedRoles)")
	case places+len(s.Groups)+len(s.PrivilegedGroups) == 0:
		return errors.New("nothing is listed that may be granted; give subscriptions, resourceGroups or managementGroups with roles, or groups")
	}
	return nil
}

// allowed refuses what the settings do not allow to grant. Nothing is allowed that is
// not listed.
func (s *settings) allowed(e entitlement) error {
	if e.group != "" {
		if !slices.Contains(s.Groups, e.group) && !slices.Contains(s.PrivilegedGroups, e.group) {
			return fmt.Errorf("setting groups does not list %q", e.group)
		}
		return nil
	}
	switch {
	case e.management != "":
		if !slices.Contains(s.ManagementGroups, e.management) {
			return fmt.Errorf("setting managementGroups does not list %q", e.management)
		}
	case slices.Contains(s.Subscriptions, e.subscription):
	case e.resourceGroup == "":
		return fmt.Errorf("setting subscriptions does not list %q", e.subscription)
	case !slices.Contains(s.ResourceGroups, e.subscription+"/"+e.resourceGroup):
		return fmt.Errorf("setting resourceGroups does not list %q, nor does subscriptions list its subscription", e.subscription+"/"+e.resourceGroup)
	}
	if !slices.Contains(s.Roles, e.role) && !slices.Contains(s.PrivilegedRoles, e.role) {
		return fmt.Errorf("setting roles does not list %q", e.role)
	}
	return nil
}
