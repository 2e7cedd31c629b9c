package okta

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/conformance"
)

func TestAnAppLogsInByItsKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	ok(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	ok(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	o := newStandIn(t)
	o.assert = func(form url.Values) bool {
		token, err := jwt.ParseWithClaims(form.Get("client_assertion"), &jwt.RegisteredClaims{}, func(token *jwt.Token) (any, error) {
			if token.Header["kid"] != "k1" {
				return nil, errors.New("another key")
			}
			return &key.PublicKey, nil
		}, jwt.WithAudience("http://"+o.address+"/oauth2/v1/token"), jwt.WithIssuer("0oa1"), jwt.WithSubject("0oa1"), jwt.WithExpirationRequired(), jwt.WithValidMethods([]string{"RS256"}))
		return err == nil && token.Valid && form.Get("grant_type") == "client_credentials" &&
			form.Get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" &&
			form.Get("scope") == "okta.groups.manage okta.users.manage okta.roles.read"
	}
	set := connectors.Settings{"url": "http://" + o.address, "clientID": "0oa1", "privateKey": text, "keyID": "k1"}
	c := open(t, set, nil)
	defer c.Close()
	g := gr("alice@example.com", "ops")
	ok(t, c.Grant(t.Context(), g, time.Time{}))
	if got := observed(t, c, "group=ops"); len(got) != 1 {
		t.Error(got)
	}
	set["keyID"] = "k2"
	other := open(t, set, nil)
	defer other.Close()
	refused(t, other.Grant(t.Context(), g, time.Time{}), "no access token", "invalid_client")
}

func TestSettingsAreStrictAndKeepSecrets(t *testing.T) {
	for _, tc := range []struct {
		set  connectors.Settings
		word string
	}{
		{connectors.Settings{"token": "s3cret"}, "url"},
		{connectors.Settings{"url": "http://example.okta.com", "token": "s3cret"}, "https://"},
		{connectors.Settings{"url": "https://example.okta.com/api/v1", "token": "s3cret"}, "without a path"},
		{connectors.Settings{"url": "https://example.okta.com"}, "exactly one"},
		{connectors.Settings{"url": "https://example.okta.com", "token": "s3cret", "clientID": "c"}, "exactly one"},
		{connectors.Settings{"url": "https://example.okta.com", "clientID": "c", "privateKey": "s3cret"}, "go together"},
		{connectors.Settings{"url": "https://example.okta.com", "clientID": "c", "privateKey": "s3cret", "keyID": "k"}, "privateKey"},
		{connectors.Settings{"url": "https://example.okta.com", "token": "s3cret", "groups": []string{""}}, "groups"},
	} {
		_, err := Driver{}.Open(context.Background(), "org", tc.set)
		refused(t, err, tc.word)
	}
}

func TestTheSchemasAgreeWithTheCode(t *testing.T) {
	u := "https://example.okta.com"
	conformance.SchemasAgree(t, Driver{}, []connectors.Spec{
		{}, {"group": "a"}, {"group": ""}, {"group": strings.Repeat("é", 255)}, {"group": strings.Repeat("x", 256)}, {"group": 1},
		{"groupId": "00g1"}, {"groupId": "a/b"}, {"groupId": ""}, {"groupId": strings.Repeat("x", 65)}, {"group": "a", "groupId": "b"}, {"name": "a"},
	}, []connectors.Settings{
		{}, {"url": u}, {"token": "t"}, {"url": u, "token": "t"}, {"url": u + "/", "token": "t"}, {"url": u + "/x", "token": "t"}, {"url": u, "token": "t", "tokenFile": "/dev/null"},
		{"url": u, "clientID": "c"}, {"url": u, "clientID": "c", "keyID": "k"}, {"url": u, "privateKey": "p", "keyID": "k"}, {"url": u, "token": "t", "keyID": "k"},
		{"url": u, "token": "t", "groups": []any{"a"}}, {"url": u, "token": "t", "groups": []any{""}}, {"url": u, "token": "t", "ca": "x"},
	})
}
