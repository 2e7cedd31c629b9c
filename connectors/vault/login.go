package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// method is how the reconciler gets its token.
type method struct {
	token, tokenFile string
	mount            string // of the auth method; empty: a token is given
	roleID           string
	secretID         string
	secretFile       string
	role, jwtFile    string
}

// defaultJWT is where Kubernetes puts the token of a pod's service account.
const defaultJWT = "/var/run/secrets/kubernetes.io/serviceaccount/token"

func (s settings) method() (method, error) {
	ways := 0
	for _, given := range []string{s.Token, s.TokenFile, s.RoleID, s.KubernetesRole} {
		if given != "" {
			ways++
		}
	}
	m := method{token: s.Token, tokenFile: s.TokenFile, roleID: s.RoleID, secretID: s.SecretID, secretFile: s.SecretIDFile, role: s.KubernetesRole, jwtFile: s.JWTFile, mount: s.AuthMount}
	switch {
	case ways != 1:
		return method{}, errors.New("give one of the settings token, tokenFile, roleID and kubernetesRole")
	case s.RoleID == "" && s.SecretID+s.SecretIDFile != "":
		return method{}, errors.New("settings secretID and secretIDFile belong to roleID, which is not given")
	case s.SecretID != "" && s.SecretIDFile != "":
		return method{}, errors.New("settings secretID and secretIDFile are both given; keep one")
	case s.KubernetesRole == "" && s.JWTFile != "":
		return method{}, errors.New("setting jwtFile belongs to kubernetesRole, which is not given")
	case s.Token+s.TokenFile != "" && s.AuthMount != "":
		return method{}, errors.New("setting authMount belongs to roleID or kubernetesRole, which are not given")
	}
	if strings.ContainsAny(s.Token, " \t\r\n") {
		return method{}, errors.New("setting token holds white space")
	}
	switch {
	case m.mount != "":
		if !mountPath.MatchString(m.mount) {
			return method{}, errors.New("setting authMount must be the path of an auth method, without auth/ before it, such as approle")
		}
	case m.roleID != "":
		m.mount = "approle"
	case m.role != "":
		m.mount = "kubernetes"
	}
	if m.role != "" && m.jwtFile == "" {
		m.jwtFile = defaultJWT
	}
	return m, nil
}

// newToken returns a token, by a login if there is a method for it.
func (m method) newToken(ctx context.Context, c *client) (string, error) {
	body := map[string]string{}
	switch {
	case m.token != "":
		return m.token, nil
	case m.tokenFile != "":
		return readSecret("tokenFile", m.tokenFile)
	case m.roleID != "":
		body["role_id"] = m.roleID
		secret := m.secretID
		if m.secretFile != "" {
			var err error
			if secret, err = readSecret("secretIDFile", m.secretFile); err != nil {
				return "", err
			}
		}
		if secret != "" {
			body["secret_id"] = secret
		}
	default:
		jwt, err := readSecret("jwtFile", m.jwtFile)
		if err != nil {
			return "", err
		}
		body["role"], body["jwt"] = m.role, jwt
	}
	_, a, err := c.do(ctx, "", opWrite, "auth/"+m.mount+"/login", body, nil)
	if err != nil {
		return "", fmt.Errorf("log in by %s: %w", m.mount, err)
	}
	if a.Auth == nil || a.Auth.ClientToken == "" {
		return "", fmt.Errorf("log in by %s: the server gave no token", m.mount)
	}
	return a.Auth.ClientToken, nil
}

func readSecret(setting, path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return "", fmt.Errorf("setting %s: cannot read the file that it names: %w", setting, err)
	}
	text := strings.TrimSpace(string(b))
	if text == "" || strings.ContainsAny(text, " \t\r\n") {
		return "", fmt.Errorf("setting %s: the file that it names must hold one word", setting)
	}
	return text, nil
}

// minAge keeps logins apart: a right that is missing looks the same as a token that
// has ended.
const minAge = 10 * time.Second

// login keeps one token good: it renews it, or logs in again, when half of its time is
// over. It does so when the token is used and not in the background.
type login struct {
	c   *client
	m   method
	now func() time.Time

	turn   chan struct{} // held by who looks at or changes the fields below
	have   string
	entity string        // our own; empty for tokens without one
	got    time.Time     // when the token was got
	renew  time.Time     // when it is to be renewed; zero: never
	left   time.Duration // of a token that nothing can prolong, when it was got; zero: it has no end
}

func newLogin(c *client, m method) *login {
	l := &login{c: c, m: m, now: time.Now, turn: make(chan struct{}, 1)}
	return l
}

func (l *login) lock(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *login) unlock() { <-l.turn }

// token returns a token that is good for a while.
func (l *login) token(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := l.lock(ctx); err != nil {
		return "", err
	}
	defer l.unlock()
	if l.m.tokenFile != "" { // somebody else may have put another one there
		text, err := readSecret("tokenFile", l.m.tokenFile)
		if err != nil {
			return "", err
		}
		if text != l.have {
			l.have = ""
		}
	}
	if l.have == "" {
		if err := l.fresh(ctx); err != nil {
			return "", err
		}
	}
	if !l.renew.IsZero() && !l.now().Before(l.renew) {
		if err := l.prolong(ctx); err != nil {
			return "", err
		}
	}
	return l.have, nil
}

// self is what a token says of itself.
type self struct {
	TTL       int    `json:"ttl"` // seconds; 0: it has no end
	Renewable bool   `json:"renewable"`
	EntityID  string `json:"entity_id"`
}

// fresh gets a token and looks at it.
func (l *login) fresh(ctx context.Context) error {
	token, err := l.m.newToken(ctx, l.c)
	if err != nil {
		return err
	}
	var s self
	if found, _, err := l.c.do(ctx, token, opRead, "auth/token/lookup-self", nil, &s); err != nil || !found {
		return fmt.Errorf("look at the reconciler's own token: %w", errors.Join(err, notFound(found)))
	}
	l.have, l.entity, l.got = token, s.EntityID, l.now()
	l.schedule(s.TTL, s.Renewable)
	if l.left = 0; l.m.token != "" && l.renew.IsZero() {
		l.left = time.Duration(s.TTL) * time.Second
	}
	return nil
}

func notFound(found bool) error {
	if found {
		return nil
	}
	return errors.New("the server does not know it")
}

// schedule sets when a token with so many seconds left is renewed.
func (l *login) schedule(ttl int, renewable bool) {
	l.renew = time.Time{}
	if ttl > 0 && (renewable || l.m.mount != "") {
		l.renew = l.now().Add(time.Duration(ttl) * time.Second / 2)
	}
}

// prolong renews the token. One that cannot be renewed any more is replaced by a login
// where there is a method for it, and is used to its end otherwise.
func (l *login) prolong(ctx context.Context) error {
	age := l.now().Sub(l.got)
	_, a, err := l.c.do(ctx, l.have, opWrite, "auth/token/renew-self", struct{}{}, nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && a.Auth != nil && time.Duration(a.Auth.LeaseDuration)*time.Second > age/4 {
		l.schedule(a.Auth.LeaseDuration, a.Auth.Renewable)
		l.got = l.now()
		return nil
	}
	if l.m.mount != "" {
		return l.fresh(ctx)
	}
	l.renew = l.now().Add(minAge)
	return nil
}

// replace forgets a token that the server refused, if another can be had by a login,
// and reports whether the call is worth another try.
func (l *login) replace(ctx context.Context, refused string) bool {
	if l.m.mount == "" || l.lock(ctx) != nil {
		return false
	}
	defer l.unlock()
	if l.have != refused {
		return true
	}
	if l.now().Sub(l.got) < minAge {
		return false
	}
	l.have = ""
	return true
}

// dies returns how long a token that nothing can prolong had left when it was first
// used; 0 for all others.
func (l *login) dies(ctx context.Context) (time.Duration, error) {
	if _, err := l.token(ctx); err != nil {
		return 0, err
	}
	if err := l.lock(ctx); err != nil {
		return 0, err
	}
	defer l.unlock()
	return l.left, nil
}

// ownEntity returns the entity of the reconciler's own token.
func (l *login) ownEntity(ctx context.Context) (string, error) {
	if _, err := l.token(ctx); err != nil {
		return "", err
	}
	if err := l.lock(ctx); err != nil {
		return "", err
	}
	defer l.unlock()
	return l.entity, nil
}
