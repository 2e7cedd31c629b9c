// Package http is the connector for plug-ins behind an address: each call is one
// signed request, answered by one signed answer. It signs, sends and bounds; what is
// said is the business of connectors/plugin.
package http

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	nethttp "net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/plugin"
)

// Driver opens plug-ins behind an address. Entitlements are {role: NAME} or
// {role: NAME, resource: NAME}.
type Driver struct{}

// Name is "http".
func (Driver) Name() string { return "http" }

// Canonical returns role=NAME, after resource=NAME where there is one.
func (Driver) Canonical(spec connectors.Spec) (string, error) { return plugin.Canonical(spec) }

//go:embed schema/settings.json
var settingsSchema []byte

// Describe returns the JSON Schemas of settings and entitlements.
func (Driver) Describe() connectors.Description {
	return connectors.Description{Settings: settingsSchema, Entitlement: plugin.EntitlementSchema()}
}

// settings is one target in the reconciler's configuration.
type settings struct {
	URL         string        `setting:"url,required"`      // https, or http on loopback
	Key         string        `setting:"key,required,file"` // both sides sign with it
	CA          string        `setting:"ca,file"`           // PEM; instead of the system's
	Abilities   []string      `setting:"abilities"`         // sessions, expiry
	Timeout     time.Duration `setting:"timeout"`           // of one request
	Connections int           `setting:"connections"`       // at once
}

// minKey is the least length of a key, in bytes.
const minKey = 32

// maxConnections bounds the setting connections.
const maxConnections = 64

// Open checks the settings. The address is first asked by the first call.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{Timeout: 30 * time.Second, Connections: 4}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	address, err := address(set.URL)
	if err != nil {
		return nil, err
	}
	if len(set.Key) < minKey {
		return nil, fmt.Errorf("setting key must have at least %d bytes", minKey)
	}
	if set.Connections < 1 || set.Connections > maxConnections {
		return nil, fmt.Errorf("setting connections must be from 1 to %d", maxConnections)
	}
	trust, err := connectors.Trust(set.CA)
	if err != nil {
		return nil, err
	}
	return plugin.New(plugin.Options{
		Target: target, Abilities: set.Abilities, Secrets: []string{set.Key},
		Pauses: []time.Duration{100 * time.Millisecond, 400 * time.Millisecond},
		Transport: &sender{
			url: address, key: []byte(set.Key), now: time.Now, clean: plugin.NewCleaner(set.Key),
			client: &nethttp.Client{
				Timeout: set.Timeout,
				// No proxy: the environment must not choose who sees the messages.
				Transport: &nethttp.Transport{
					TLSClientConfig: trust, MaxConnsPerHost: set.Connections, MaxIdleConnsPerHost: set.Connections,
					IdleConnTimeout: time.Minute, DisableCompression: true, ForceAttemptHTTP2: true,
					MaxResponseHeaderBytes: 64 << 10,
				},
				CheckRedirect: func(*nethttp.Request, []*nethttp.Request) error { return nethttp.ErrUseLastResponse },
			},
		},
	})
}

// address takes https, and http where it does not leave the machine.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return nil, errors.New("setting url must be an address such as https://plugin.example.com/tenure")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#") {
		return nil, errors.New("setting url must hold no login, query or fragment")
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && connectors.LoopbackAddress(u.Hostname())) {
		return nil, errors.New("setting url must start with https://; http:// is for 127.0.0.1 and [::1] only")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}
