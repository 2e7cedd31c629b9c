package minihub

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// authenticate finds out who calls: "Authorization: Bearer|token X", or basic
// authentication with a token as its password. A wrong token is a 401, no token
// is an anonymous call.
func (h *Hub) authenticate(c *call) error {
	c.limitKey = "anonymous"
	token := tokenOf(c.r)
	if token == "" {
		return nil
	}
	if strings.Count(token, ".") == 2 {
		a, err := h.checkJWT(token)
		if err != nil {
			return err
		}
		c.app, c.limitKey = a, "app "+strconv.FormatInt(a.id, 10)
		return nil
	}
	u := h.userOf(token)
	if u == nil {
		return refuse(http.StatusUnauthorized, "Bad credentials")
	}
	c.user, c.limitKey = u, "user "+strconv.FormatInt(u.id, 10)
	return nil
}

// tokenOf takes the token out of a request, whatever its form.
func tokenOf(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "token") {
		return strings.TrimSpace(token)
	}
	return ""
}

func (h *Hub) userOf(token string) *user {
	cred := h.tokens[token]
	if cred == nil || cred.user.deleted {
		return nil
	}
	if !cred.expires.IsZero() && !h.opts.AuthNow().Before(cred.expires) {
		return nil
	}
	return cred.user
}

// app is a GitHub App with its installations.
type app struct {
	id            int64
	slug          string
	key           *rsa.PublicKey
	bot           *user
	createdAt     time.Time
	installations map[int64]*installation
	permissions   map[string]string
}

type installation struct {
	id        int64
	account   *user
	createdAt time.Time
}

// AddApp registers a GitHub App, whose JWTs are checked against key, and its bot
// account "slug[bot]".
func (h *Hub) AddApp(id int64, slug string, key *rsa.PublicKey) User {
	h.mu.Lock()
	defer h.mu.Unlock()
	bot := h.newUser(slug+"[bot]", "Bot", 0)
	h.apps[id] = &app{id: id, slug: slug, key: key, bot: bot, createdAt: h.now(), installations: map[int64]*installation{}, permissions: map[string]string{
		"contents": "write", "metadata": "read", "pull_requests": "write", "statuses": "write",
	}}
	return bot.public()
}

// PermitApp changes the permissions that an app says it has, such as statuses:
// write. They are told, not enforced: InstallApp says what the app may do.
func (h *Hub) PermitApp(appID int64, permissions map[string]string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.apps[appID]
	if a == nil {
		return refuse(http.StatusNotFound, "no app %d", appID)
	}
	a.permissions = maps.Clone(permissions)
	return nil
}

// InstallApp installs an app on a repository with a permission; installationID is
// the caller's choice and may be used for several repositories of one owner.
func (h *Hub) InstallApp(appID, installationID int64, fullName string, p Permission) error {
	return h.withRepo(fullName, func(r *repo) error {
		a := h.apps[appID]
		if a == nil {
			return refuse(http.StatusNotFound, "no app %d", appID)
		}
		if a.installations[installationID] == nil {
			a.installations[installationID] = &installation{id: installationID, account: r.owner, createdAt: h.now()}
		}
		r.collaborators[a.bot] = p
		return nil
	})
}

// UninstallApp ends an installation: its tokens stop working.
func (h *Hub) UninstallApp(appID, installationID int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.apps[appID]
	if a == nil {
		return
	}
	delete(a.installations, installationID)
	for token, cred := range h.tokens {
		if cred.app == a {
			delete(h.tokens, token)
		}
	}
}

// checkJWT verifies an app's JSON Web Token: RS256 by the app's key, issued in the
// past (a minute of drift is allowed), expiring within ten minutes.
func (h *Hub) checkJWT(token string) (*app, error) {
	bad := func(why string) error { return refuse(http.StatusUnauthorized, "%s", why) }
	parts := strings.Split(token, ".")
	var head struct {
		Alg string `json:"alg"`
	}
	var claims struct {
		Iss any   `json:"iss"`
		Iat int64 `json:"iat"`
		Exp int64 `json:"exp"`
	}
	if !decodePart(parts[0], &head) || !decodePart(parts[1], &claims) || head.Alg != "RS256" {
		return nil, bad("A JSON web token could not be decoded")
	}
	var id int64
	switch iss := claims.Iss.(type) {
	case string:
		id, _ = strconv.ParseInt(iss, 10, 64)
	case float64:
		id = int64(iss)
	}
	a := h.apps[id]
	if a == nil {
		return nil, bad("'Issuer' claim ('iss') must be an Integer or a String of a known app")
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(a.key, crypto.SHA256, sum[:], sig) != nil {
		return nil, bad("A JSON web token could not be decoded")
	}
	now := h.opts.AuthNow().Unix()
	switch {
	case claims.Iat > now+60:
		return nil, bad("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
	case claims.Exp <= now:
		return nil, bad("'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires")
	case claims.Exp > now+600+60:
		return nil, bad("'Expiration time' claim ('exp') is too far in the future")
	}
	return a, nil
}

func decodePart(part string, v any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(raw, v) == nil
}
