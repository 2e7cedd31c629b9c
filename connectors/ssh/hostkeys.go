package ssh

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// pins are the keys by which hosts prove who they are. There is no trust on first use.
type pins struct {
	callback ssh.HostKeyCallback
	cas      bool // host certificates of an authority are good, too
}

// pin reads both settings of host keys. Every host must have one.
func pin(addresses, keys map[string]string, known string) (*pins, error) {
	p := &pins{cas: strings.Contains(known, "@cert-authority")}
	var text strings.Builder
	text.WriteString(known + "\n")
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		address, ok := addresses[name]
		if !ok {
			return nil, fmt.Errorf("setting hostKeys names %q, which setting hosts does not list", name)
		}
		n := 0
		for line := range strings.Lines(keys[name]) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
			if err != nil || len(options) > 0 {
				return nil, fmt.Errorf("setting hostKeys: the key of %q must be such as ssh-ed25519 AAAA…, as in /etc/ssh/ssh_host_ed25519_key.pub", name)
			}
			text.WriteString(knownhosts.Line([]string{address}, key) + "\n")
			n++
		}
		if n == 0 {
			return nil, fmt.Errorf("setting hostKeys: the key of %q is empty", name)
		}
	}
	file, err := os.CreateTemp("", "tenure-known-hosts-") // the package reads files only
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(text.String())
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if p.callback, err = knownhosts.New(file.Name()); err != nil {
		return nil, errors.New("setting knownHosts is not in the form of known_hosts")
	}
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		if len(p.known(addresses[name])) == 0 && !p.cas {
			return nil, fmt.Errorf("host %q has no key in the settings hostKeys and knownHosts; nothing is trusted at first sight", name)
		}
	}
	return p, nil
}

// known returns the types of the keys that an address may show.
func (p *pins) known(address string) (types []string) {
	var bad *knownhosts.KeyError
	if errors.As(p.callback(address, &net.TCPAddr{IP: net.IPv4zero}, nobody{}), &bad) {
		for _, k := range bad.Want {
			types = append(types, k.Key.Type())
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// algorithms keeps a host from showing a key of a type that nobody has pinned while it
// has one that somebody has. A certificate comes first, where there is an authority.
func (p *pins) algorithms(address string) (out []string) {
	if p.cas {
		out = append(out, ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01)
	}
	for _, t := range p.known(address) {
		if t == ssh.KeyAlgoRSA {
			out = append(out, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			continue
		}
		out = append(out, t)
	}
	return out
}

// check is the callback of the client: the error says what an operator has to look at.
func (p *pins) check(address string, remote net.Addr, key ssh.PublicKey) error {
	err := p.callback(address, remote, key)
	if err == nil {
		return nil
	}
	var bad *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch shown := ssh.FingerprintSHA256(key); {
	case errors.As(err, &revoked):
		return badHostKey("host key " + shown + " is revoked in the setting knownHosts")
	case errors.As(err, &bad) && len(bad.Want) > 0:
		return badHostKey("host key " + shown + " is not the pinned one (" + ssh.FingerprintSHA256(bad.Want[0].Key) + "); find out why it changed before you pin the new one")
	case errors.As(err, &bad):
		return badHostKey("host key " + shown + " is not pinned")
	}
	return badHostKey("host key: " + err.Error())
}

// badHostKey says why a host is not believed to be the one that it should be.
type badHostKey string

func (b badHostKey) Error() string { return string(b) }

// nobody is a key that no host has; it makes the package tell which ones it knows.
type nobody struct{}

func (nobody) Type() string                        { return "nobody" }
func (nobody) Marshal() []byte                     { return []byte("nobody") }
func (nobody) Verify([]byte, *ssh.Signature) error { return errors.New("nobody") }
