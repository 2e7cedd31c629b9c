// Package kubernetes is the connector for Kubernetes clusters: who is bound to which
// Role or ClusterRole, in a namespace or in the whole cluster.
//
// Every grant is a RoleBinding or ClusterRoleBinding of its own, with a name that
// follows from the grant. Bindings that others made are seen and never changed.
package kubernetes

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"

	"k8s.io/client-go/rest"

	"github.com/tenure-dev/tenure/connectors"
)

// Driver opens clusters. Its entitlements are {namespace: N, role: R},
// {namespace: N, clusterRole: R} and {clusterRole: R}.
type Driver struct{}

// Name is "kubernetes".
func (Driver) Name() string { return "kubernetes" }

// Canonical returns such as clusterRole=view namespace=shop.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	text, err := canonical(spec)
	if err != nil {
		return "", fmt.Errorf("kubernetes entitlement: %w (want such as {namespace: shop, role: deployer}, {namespace: shop, clusterRole: view} or {clusterRole: view})", err)
	}
	return text, nil
}

// settings is one cluster in the reconciler's configuration.
type settings struct {
	Kubeconfig string   `setting:"kubeconfig,file"`
	Context    string   `setting:"context"`   // of the kubeconfig; default: its current one
	AllowExec  bool     `setting:"allowExec"` // the kubeconfig may name a program that gets credentials
	Server     string   `setting:"server"`    // instead of a kubeconfig
	CA         string   `setting:"ca,file"`
	Token      string   `setting:"token"`
	TokenFile  string   `setting:"tokenFile"` // read again and again, because such tokens are replaced
	Cert       string   `setting:"clientCertificate,file"`
	Key        string   `setting:"clientKey,file"`
	Namespaces []string `setting:"namespaces"` // the only namespaces; kube-* must be listed
	Cluster    bool     `setting:"clusterWide"`
	Subjects   []string `setting:"subjects"` // default: user
}

// Open prepares the client; the first call connects.
func (Driver) Open(ctx context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{Subjects: []string{kindUser}}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	for _, ns := range set.Namespaces {
		if err := checkNamespace(ns); err != nil {
			return nil, fmt.Errorf("setting namespaces: %w", err)
		}
	}
	for _, kind := range set.Subjects {
		if !slices.Contains([]string{kindUser, kindGroup, kindServiceAccount}, kind) {
			return nil, errors.New("setting subjects may hold user, group and serviceAccount")
		}
	}
	cfg, err := set.config()
	if err != nil {
		return nil, err
	}
	httpClient, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, errors.New("the settings of certificates or credentials cannot be used; check ca, clientCertificate, clientKey and kubeconfig")
	}
	rbac, err := rest.RESTClientForConfigAndClient(cfg, httpClient)
	if err != nil {
		return nil, errors.New("the settings of the server cannot be used; check server or kubeconfig")
	}
	return &connector{
		target: target, rbac: rbac, http: httpClient,
		namespaces: slices.Clone(set.Namespaces), clusterWide: set.Cluster, subjects: slices.Clone(set.Subjects),
	}, nil
}

var (
	//go:embed schema/settings.json
	settingsSchema []byte
	//go:embed schema/entitlement.json
	entitlementSchema []byte
)

// Describe returns the JSON Schemas of settings and entitlements.
func (Driver) Describe() connectors.Description {
	return connectors.Description{Settings: settingsSchema, Entitlement: entitlementSchema}
}
