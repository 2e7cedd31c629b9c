package ssh

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// keySource says which public keys are an account's. They come from the operator, never
// from the access repository: a pull request can say who gets in, not with what key.
type keySource interface {
	// read returns the keys of every account that has some.
	read() (map[string][]ssh.PublicKey, error)
}

// fixedKeys are those of the setting keys.
type fixedKeys map[string][]ssh.PublicKey

func (k fixedKeys) read() (map[string][]ssh.PublicKey, error) { return k, nil }

// keysFile is the name of a file with lines of ACCOUNT TYPE KEY. It is read again for
// each use, so that whatever keeps it need not restart the reconciler.
type keysFile string

func (k keysFile) read() (map[string][]ssh.PublicKey, error) {
	text, err := os.ReadFile(string(k))
	if err != nil {
		return nil, fmt.Errorf("setting keysFile: %w", err)
	}
	keys := map[string][]ssh.PublicKey{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		account, key, _ := strings.Cut(line, " ")
		if err := addKey(keys, account, key); err != nil {
			return nil, fmt.Errorf("setting keysFile: line %d: %w", n, err)
		}
	}
	return keys, unique(keys)
}

// newKeySource returns nil when there are no keys at all.
func newKeySource(fixed map[string]string, file string) (keySource, error) {
	if file != "" {
		if fixed != nil {
			return nil, errors.New("settings keys and keysFile are both given; keep one")
		}
		return keysFile(file), nil
	}
	if fixed == nil {
		return nil, nil
	}
	keys := map[string][]ssh.PublicKey{}
	for account, text := range fixed {
		for line := range strings.Lines(text) {
			if strings.TrimSpace(line) == "" {
				continue
			}
			if err := addKey(keys, account, line); err != nil {
				return nil, fmt.Errorf("setting keys: %w", err)
			}
		}
	}
	if err := unique(keys); err != nil {
		return nil, fmt.Errorf("setting keys: %w", err)
	}
	return fixedKeys(keys), nil
}

func addKey(keys map[string][]ssh.PublicKey, account, line string) error {
	if err := checkUser(account); err != nil {
		return err
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil || len(options) > 0 {
		return fmt.Errorf("the key of %q must be such as ssh-ed25519 AAAA…, without options", account)
	}
	if _, ok := key.(*ssh.Certificate); ok {
		return fmt.Errorf("the key of %q is a certificate; give the key itself", account)
	}
	keys[account] = append(keys[account], key)
	return nil
}

// unique refuses a key that two accounts share: nobody could tell whose session is whose.
func unique(keys map[string][]ssh.PublicKey) error {
	owner := map[string]string{}
	for account, list := range keys {
		for _, k := range list {
			blob := string(k.Marshal())
			if other, ok := owner[blob]; ok && other != account {
				return fmt.Errorf("%q and %q have the same key", min(account, other), max(account, other))
			}
			owner[blob] = account
		}
	}
	return nil
}

// wire is how a request names keys: TYPE KEY TYPE KEY …
func wire(keys []ssh.PublicKey) string {
	var words []string
	for _, k := range keys {
		words = append(words, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))))
	}
	return strings.Join(slices.Compact(words), " ")
}
