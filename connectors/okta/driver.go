// Package okta is the connector for Okta: who is in which group of an organization.
//
// It changes members of groups that Okta itself manages, and nothing else: no groups of
// applications or directories, and none that hands out an administrator role unless a
// setting lists it.
package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/rest"
)

// Driver opens organizations. Its entitlements are {group: NAME} and {groupId: ID}.
type Driver struct{}

// Name is "okta".
func (Driver) Name() string { return "okta" }

// Canonical returns group=NAME or groupId=ID.
func (Driver) Canonical(spec connectors.Spec) (string, error) {
	e, err := rules().Spec(spec)
	if err != nil {
		return "", fmt.Errorf("okta entitlement: %w (want {group: NAME} or {groupId: ID})", err)
	}
	return e.Canonical(), nil
}

// settings is one target in the reconciler's configuration.
type settings struct {
	URL        string   `setting:"url,required"`    // of the organization, such as https://example.okta.com
	Token      string   `setting:"token,file"`      // an API token (SSWS)
	ClientID   string   `setting:"clientID"`        // an API service app, instead of a token
	PrivateKey string   `setting:"privateKey,file"` // its RSA key in PEM
	KeyID      string   `setting:"keyID"`           // the key's id in Okta
	Groups     []string `setting:"groups"`          // the only groups, by name or id, that may be granted
}

// maxWait is how long one call waits for Okta's rate limit, which begins anew every
// minute (https://developer.okta.com/docs/reference/rl-best-practices/).
const maxWait = 65 * time.Second

// Open prepares a client; the first call connects, so that a server that is down does
// not keep the reconciler from starting.
func (Driver) Open(_ context.Context, target string, s connectors.Settings) (connectors.Connector, error) {
	var set settings
	if err := connectors.DecodeSettings(s, &set); err != nil {
		return nil, err
	}
	base, err := rest.Address("url", set.URL)
	if err != nil {
		return nil, err
	}
	if base.Path != "" && base.Path != "/" {
		return nil, errors.New("setting url must be the address of the organization, without a path")
	}
	for _, g := range set.Groups {
		if err := rules().CheckName(g); err != nil {
			return nil, fmt.Errorf("setting groups: %w", err)
		}
	}
	auth, err := set.auth(base.JoinPath("oauth2/v1/token").String())
	if err != nil {
		return nil, err
	}
	client, err := rest.New(rest.Config{URL: set.URL, Auth: auth, MaxWait: maxWait, RetryAfter: rateLimit(time.Now)})
	if err != nil {
		return nil, err
	}
	return &connector{target: target, rest: client, person: set.Token != "", groups: slices.Clone(set.Groups)}, nil
}

func (s settings) auth(tokenURL string) (rest.Auth, error) {
	app := s.ClientID != "" || s.PrivateKey != "" || s.KeyID != ""
	switch {
	case s.Token != "" && !app:
		return rest.Token{Scheme: "SSWS", Value: s.Token}, nil
	case app && s.Token == "":
		if s.ClientID == "" || s.PrivateKey == "" || s.KeyID == "" {
			return nil, errors.New("settings clientID, privateKey and keyID go together")
		}
		assert, err := assertion(s, tokenURL, time.Now)
		if err != nil {
			return nil, err
		}
		return &rest.OAuth{TokenURL: tokenURL, ID: s.ClientID, Scopes: scopes(), Assertion: assert}, nil
	}
	return nil, errors.New("give exactly one of the settings token, and clientID with privateKey and keyID")
}

// rateLimit reads when Okta takes requests again: a second since 1970, by its own clock.
func rateLimit(now func() time.Time) func(http.Header) (time.Duration, bool) {
	return func(h http.Header) (time.Duration, bool) {
		at, err := strconv.ParseInt(h.Get("X-Rate-Limit-Reset"), 10, 64)
		if err != nil {
			return 0, false
		}
		here, err := http.ParseTime(h.Get("Date"))
		if err != nil {
			here = now()
		}
		return max(time.Unix(at, 0).Sub(here), 0) + time.Second, true
	}
}
