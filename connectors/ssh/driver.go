// Package ssh is the connector for Linux hosts over SSH: local groups, rules of sudo,
// and logins by a person's own key. One target is a set of hosts.
//
// Everything on a host is done by one small script, which the operator installs there
// and which is the only thing that the reconciler's key can run.
package ssh

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tenure-dev/tenure/connectors"
)

// Driver opens sets of Linux hosts. Its entitlements are {host: NAME, group: NAME},
// {host: NAME, sudo: SET} and {host: NAME, login: USER}.
type Driver struct{}

// Name is "ssh".
func (Driver) Name() string { return "ssh" }

// Canonical returns such as group=docker host=web-1.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	e, err := readSpec(spec)
	if err != nil {
		return "", fmt.Errorf("ssh entitlement: %w (%s)", err, wantSpec)
	}
	return e.text(), nil
}

// settings is one target in the reconciler's configuration.
type settings struct {
	Hosts       map[string]string `setting:"hosts,required"` // name -> address
	Retired     []string          `setting:"retired"`        // hosts that do not exist any more
	User        string            `setting:"user"`           // default tenure
	Key         string            `setting:"key,file,required"`
	Certificate string            `setting:"certificate,file"`
	HostKeys    map[string]string `setting:"hostKeys"`        // host -> TYPE KEY
	KnownHosts  string            `setting:"knownHosts,file"` // in the form of known_hosts
	Groups      []string          `setting:"groups"`          // the only groups that may be given
	Logins      []string          `setting:"logins"`          // the only users as whom people may log in
	Sudo        map[string]string `setting:"sudo"`            // set -> rule
	Keys        map[string]string `setting:"keys"`            // account -> public keys
	KeysFile    string            `setting:"keysFile"`        // lines of ACCOUNT TYPE KEY, read again for each use
	Parallel    int               `setting:"parallel"`        // hosts at the same time
	Timeout     time.Duration     `setting:"timeout"`         // of one request to a host
}

const (
	defaultParallel = 64
	defaultTimeout  = 30 * time.Second
)

// Open reads the settings; the first call connects, so that a host that is down does
// not keep the reconciler from starting.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	set := settings{User: "tenure", Parallel: defaultParallel, Timeout: defaultTimeout}
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	if set.Parallel < 1 || set.Parallel > 1000 {
		return nil, errors.New("setting parallel must be from 1 to 1000")
	}
	if err := checkUser(set.User); err != nil && set.User != "root" {
		return nil, fmt.Errorf("setting user: %w", err)
	}
	rules, err := readCeilings(set)
	if err != nil {
		return nil, err
	}
	keys, err := newKeySource(set.Keys, set.KeysFile)
	if err != nil {
		return nil, err
	}
	if keys == nil && len(set.Logins) > 0 {
		return nil, errors.New("setting logins needs the public keys of accounts: setting keys or keysFile")
	}
	signer, err := readSigner(set.Key, set.Certificate)
	if err != nil {
		return nil, err
	}
	addresses, err := readAddresses(set.Hosts, set.Retired)
	if err != nil {
		return nil, err
	}
	pinned, err := pin(addresses, set.HostKeys, set.KnownHosts)
	if err != nil {
		return nil, err
	}
	c := &connector{
		target: target, user: set.User, hosts: map[string]*host{}, retired: slices.Clone(set.Retired),
		groups: slices.Clone(set.Groups), logins: slices.Clone(set.Logins), rules: rules, keys: keys,
		slots: make(chan struct{}, set.Parallel), timeout: set.Timeout,
	}
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		c.hosts[name] = newHost(name, addresses[name], &ssh.ClientConfig{
			User: set.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
			HostKeyCallback: pinned.check, HostKeyAlgorithms: pinned.algorithms(addresses[name]),
			ClientVersion: "SSH-2.0-tenure",
		})
	}
	return c, nil
}

// readSigner reads the private key, with its certificate if there is one.
func readSigner(key, certificate string) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey([]byte(key))
	if err != nil {
		var locked *ssh.PassphraseMissingError
		if errors.As(err, &locked) {
			return nil, errors.New("setting key is protected by a passphrase, which nobody could type; take one without")
		}
		return nil, errors.New("setting key is not a private key in the form of OpenSSH or PEM")
	}
	if certificate == "" {
		return signer, nil
	}
	public, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(certificate))
	if err != nil || len(rest) > 0 {
		return nil, errors.New("setting certificate must be one line, as in id_ed25519-cert.pub")
	}
	cert, ok := public.(*ssh.Certificate)
	if !ok {
		return nil, errors.New("setting certificate holds a key and no certificate")
	}
	signer, err = ssh.NewCertSigner(cert, signer)
	if err != nil {
		return nil, errors.New("setting certificate is not of the setting key")
	}
	return signer, nil
}
