package okta

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// scopes are what the calls of this connector need (see docs/connectors/okta.md).
func scopes() []string {
	return []string{"okta.groups.manage", "okta.users.manage", "okta.roles.read"}
}

// assertionLife is how long a signed assertion is good; Okta takes up to an hour.
const assertionLife = 5 * time.Minute

// assertion returns a function that signs who we are, for each new token
// (https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/).
func assertion(s settings, tokenURL string, now func() time.Time) (func() (string, error), error) {
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(s.PrivateKey))
	if err != nil { // its words may repeat a part of the key
		return nil, errors.New("setting privateKey is no RSA key in PEM")
	}
	return func() (string, error) {
		id := make([]byte, 16)
		if _, err := rand.Read(id); err != nil {
			return "", err
		}
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
			Issuer: s.ClientID, Subject: s.ClientID, Audience: jwt.ClaimStrings{tokenURL}, ID: hex.EncodeToString(id),
			IssuedAt: jwt.NewNumericDate(now()), ExpiresAt: jwt.NewNumericDate(now().Add(assertionLife)),
		})
		token.Header["kid"] = s.KeyID
		text, err := token.SignedString(key)
		if err != nil {
			return "", errors.New("the assertion cannot be signed with setting privateKey")
		}
		return text, nil
	}, nil
}
