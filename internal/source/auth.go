package source

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
)

// TokenAuth sends a token over HTTPS. The function is asked before every call
// and may cache. The user name is the one that GitHub wants for the tokens of an
// App; GitHub, GitLab and Gitea ignore it for other tokens.
func TokenAuth(token func(ctx context.Context) (string, error)) AuthFunc {
	return func(ctx context.Context) (transport.AuthMethod, error) {
		t, err := token(ctx)
		if err != nil {
			return nil, err
		}
		if t == "" {
			return nil, errors.New("the token is empty")
		}
		return &githttp.BasicAuth{Username: "x-access-token", Password: t}, nil
	}
}

// SSHKeyAuth signs in with a private key without a passphrase and accepts only
// host keys listed in the known_hosts file. Both files are read on every call,
// so that a rotated key needs no restart.
func SSHKeyAuth(keyFile, knownHostsFile string) AuthFunc {
	return func(context.Context) (transport.AuthMethod, error) {
		if knownHostsFile == "" {
			return nil, errors.New("no known_hosts file is configured; host keys are always checked")
		}
		keys, err := gitssh.NewPublicKeysFromFile("git", keyFile, "")
		if err != nil {
			return nil, fmt.Errorf("private key %s: %w", keyFile, err)
		}
		db, err := gitssh.NewKnownHostsDb(knownHostsFile)
		if err != nil {
			return nil, fmt.Errorf("known hosts %s: %w", knownHostsFile, err)
		}
		check := db.HostKeyCallback()
		return &sshKey{signer: keys.Signer, algorithms: db.HostKeyAlgorithms, check: func(host string, addr net.Addr, key ssh.PublicKey) error {
			if err := check(host, addr, key); err != nil {
				return fmt.Errorf("host key of %s is not in %s: %w", host, knownHostsFile, err)
			}
			return nil
		}}, nil
	}
}

// sshKey knows the host it speaks to, so that it asks for the kind of host key
// that known_hosts has of it.
type sshKey struct {
	user, addr string
	signer     ssh.Signer
	check      ssh.HostKeyCallback
	algorithms func(hostWithPort string) []string
}

func (k *sshKey) Name() string   { return "ssh-public-keys" }
func (k *sshKey) String() string { return "user: " + k.user + ", " + k.Name() }

// ClientConfig implements go-git's ssh.AuthMethod.
func (k *sshKey) ClientConfig() (*ssh.ClientConfig, error) {
	return &ssh.ClientConfig{
		User:              k.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(k.signer)},
		HostKeyCallback:   k.check,
		HostKeyAlgorithms: k.algorithms(k.addr),
	}, nil
}

// credentials returns what go-git sends for one call, and the secrets in it.
func (r remote) credentials(ctx context.Context) (transport.AuthMethod, []string, error) {
	if r.auth == nil || r.scheme == "file" {
		return nil, nil, nil
	}
	a, err := r.auth(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("credentials: %w", err)
	}
	switch a := a.(type) {
	case *sshKey:
		a.user, a.addr = r.user, r.addr
		return a, nil, nil
	case *githttp.BasicAuth:
		return a, []string{a.Password}, nil
	case *githttp.TokenAuth:
		return a, []string{a.Token}, nil
	case gitssh.AuthMethod:
		return a, nil, nil
	case nil:
		return nil, nil, nil
	default:
		return a, nil, nil
	}
}
