// Package redis is the connector for Redis 7.0 and later: which commands an account
// may use, on which keys or channels.
//
// One entitlement is one selector of the account's access list, with a mark by which
// it is found again. It changes these selectors and nothing else; it makes no accounts.
package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/tenure-dev/tenure/connectors"
)

// Driver opens Redis servers. Its entitlements are such as
// {commands: "@read", keys: "orders:*"}.
type Driver struct{}

// Name is "redis".
func (Driver) Name() string { return "redis" }

// Canonical returns such as commands=@read keys="orders:*".
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	e, err := readSpec(spec)
	if err != nil {
		return "", fmt.Errorf("redis entitlement: %w (%s)", err, wantSpec)
	}
	return e.text(), nil
}

// settings is one target in the reconciler's configuration.
type settings struct {
	Address   string   `setting:"address,required"` // host:port
	User      string   `setting:"user,required"`
	Password  string   `setting:"password,file,required"` // without one the client would not log in, and be the account default
	CA        string   `setting:"ca,file"`                // PEM; default: the system's
	PlainText bool     `setting:"plainText"`              // allow a connection without TLS to another machine
	Commands  []string `setting:"commands"`               // the only commands and categories that may be granted
	Keys      []string `setting:"keys"`                   // the only patterns of keys
	Channels  []string `setting:"channels"`               // the only patterns of channels
	Save      string   `setting:"save"`                   // how the server keeps access lists: saveACLFile or saveConfig
}

// How the server keeps its access lists over a restart.
const (
	saveACLFile = "aclfile" // ACL SAVE
	saveConfig  = "config"  // CONFIG REWRITE, which also writes every other setting
)

// timeout of one answer, and of connecting.
const timeout = 10 * time.Second

// Open prepares a pool of connections; the first call connects, so that a server that
// is down does not keep the reconciler from starting.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{Save: saveACLFile}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	if set.Save != saveACLFile && set.Save != saveConfig {
		return nil, fmt.Errorf("setting save must be %s or %s", saveACLFile, saveConfig)
	}
	for _, list := range []struct {
		name  string
		words []string
		check func(string) error
	}{
		{"commands", set.Commands, checkCommand}, {"keys", set.Keys, checkKey}, {"channels", set.Channels, checkPattern},
	} {
		for _, w := range list.words {
			if err := list.check(w); err != nil {
				return nil, fmt.Errorf("setting %s: %w", list.name, err)
			}
		}
	}
	o, err := options(set)
	if err != nil {
		return nil, err
	}
	redis.SetLogger(quiet{}) // the library has no logger of one client's own
	return &connector{
		target: target, user: set.User, save: set.Save, db: redis.NewClient(o),
		commands: slices.Clone(set.Commands), keys: slices.Clone(set.Keys), channels: slices.Clone(set.Channels),
	}, nil
}

// quiet drops what the library would log: it comes back as an error.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func options(set settings) (*redis.Options, error) {
	host, port, err := net.SplitHostPort(set.Address)
	if err != nil || host == "" || port == "" {
		return nil, errors.New("setting address must be host:port, such as cache.example.com:6379")
	}
	o := &redis.Options{
		Addr: set.Address, Username: set.User, Password: set.Password, Protocol: 2,
		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout, ContextTimeoutEnabled: true,
		MaxRetries: -1, DialerRetries: 1, // retry repeats whole steps
		PoolSize: 4, ConnMaxIdleTime: time.Minute,
		DisableIdentity:          true, // it would need a right more
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	o.TLSConfig, err = connectors.TrustHost(host, set.CA, set.PlainText)
	return o, err
}
