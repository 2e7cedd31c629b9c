// Package aws is the connector for Amazon Web Services: who is assigned which permission
// set by IAM Identity Center, and who is in which group, has which policy and may assume
// which role in one account's IAM.
//
// A target is one of the two: an instance of Identity Center, or the IAM of one account.
// Everything that may be granted has to be listed in the target's settings; what policies
// say comes from there, too, and never from the access repository.
package aws

import (
	"context"
	"fmt"

	"github.com/tenure-dev/tenure/connectors"
)

// Driver opens targets of AWS. Its entitlements are {account: A, permissionSet: P} and
// {identityGroup: G} of Identity Center, and {group: G}, {policy: P}, {managedPolicy: ARN}
// and {role: R} of an account's IAM.
type Driver struct{}

// Name is "aws".
func (Driver) Name() string { return "aws" }

// Canonical returns such as account=123456789012 permissionSet=ReadOnly.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	text, err := canonical(spec)
	if err != nil {
		return "", fmt.Errorf(`aws entitlement: %w (want such as {account: "123456789012", permissionSet: ReadOnly}, {identityGroup: Developers}, {group: developers}, {policy: read-orders}, {managedPolicy: "arn:aws:iam::aws:policy/ReadOnlyAccess"} or {role: deployer})`, err)
	}
	return text, nil
}

// Open checks the settings. The first call looks for credentials and connects.
func (Driver) Open(ctx context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{Subjects: []string{kindUser}}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	docs, err := set.check()
	if err != nil {
		return nil, err
	}
	api := newClients(&set)
	if set.Instance != "" {
		return &center{target: target, set: set, api: api, setNames: map[string]string{}, recent: newRecent()}, nil
	}
	return &account{target: target, set: set, docs: docs, api: api, recent: newRecent(), old: map[rolePolicy]bool{}}, nil
}
