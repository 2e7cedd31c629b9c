// Package rabbitmq is the connector for RabbitMQ 3.10 and later: what an account may
// configure, write and read in a virtual host, and which tags it has.
//
// It speaks the HTTP API of the management plug-in. One entitlement is one alternative
// of a permission's expression, or one tag; it changes these and nothing else, and
// makes no accounts.
package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tenure-dev/tenure/connectors"
)

// Driver opens RabbitMQ brokers. Its entitlements are such as
// {vhost: shop, permission: read, resource: orders} and {tag: monitoring}.
type Driver struct{}

// Name is "rabbitmq".
func (Driver) Name() string { return "rabbitmq" }

// Canonical returns such as permission=read resource=orders vhost=shop, or tag=monitoring.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	e, err := readSpec(spec)
	if err != nil {
		return "", fmt.Errorf("rabbitmq entitlement: %w (%s)", err, wantSpec)
	}
	return e.text(), nil
}

// settings is one target in the reconciler's configuration.
type settings struct {
	URL        string   `setting:"url,required"` // of the management plug-in
	User       string   `setting:"user,required"`
	Password   string   `setting:"password,file"`
	CA         string   `setting:"ca,file"`    // PEM; default: the system's
	PlainText  bool     `setting:"plainText"`  // allow http to another machine
	VHosts     []string `setting:"vhosts"`     // the only ones in which something may be granted
	Everything []string `setting:"everything"` // virtual hosts in which everything may be granted
	Tags       []string `setting:"tags"`       // the only tags that may be granted
}

// harmless are the tags that may be granted where the setting tags is absent: they show
// things. A policymaker can have messages moved and dropped, and an administrator can
// do everything.
func harmless() []string { return []string{"management", "monitoring"} }

// Open prepares a client; the first call connects, so that a broker that is down does
// not keep the reconciler from starting.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	var set settings
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	for _, name := range append(slices.Clone(set.VHosts), set.Everything...) {
		if err := checkSegment(name); err != nil {
			return nil, fmt.Errorf("settings vhosts and everything: %w", err)
		}
	}
	for _, tag := range set.Tags {
		if err := checkTag(tag); err != nil {
			return nil, fmt.Errorf("setting tags: %w", err)
		}
	}
	if err := checkSegment(set.User); err != nil {
		return nil, errors.New("setting user is not a name that can be used")
	}
	api, err := newClient(set)
	if err != nil {
		return nil, err
	}
	c := &connector{
		target: target, user: set.User, api: api, writing: make(chan struct{}, 1),
		vhosts: slices.Clone(set.VHosts), everything: slices.Clone(set.Everything), tags: slices.Clone(set.Tags),
	}
	if len(c.tags) == 0 {
		c.tags = harmless()
	}
	return c, nil
}
