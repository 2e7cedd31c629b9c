package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Auth adds a credential to requests.
type Auth interface {
	Add(ctx context.Context, r *http.Request, via *http.Client) error
	// Secrets are the texts that must not show in an error.
	Secrets() []string
}

// Token is a fixed token with its scheme before it, such as Bearer.
type Token struct{ Scheme, Value string }

// Add sets the header.
func (t Token) Add(_ context.Context, r *http.Request, _ *http.Client) error {
	r.Header.Set("Authorization", t.Scheme+" "+t.Value)
	return nil
}

// Secrets is the token.
func (t Token) Secrets() []string { return []string{t.Value} }

// Basic is a user name and password.
type Basic struct{ User, Password string }

// Add sets the header.
func (b Basic) Add(_ context.Context, r *http.Request, _ *http.Client) error {
	r.SetBasicAuth(b.User, b.Password)
	return nil
}

// Secrets are the password, and what the header makes of it.
func (b Basic) Secrets() []string {
	return []string{base64.StdEncoding.EncodeToString([]byte(b.User + ":" + b.Password)), b.Password}
}

// OAuth gets tokens by the grant client_credentials (RFC 6749, 4.4), and a new one
// before the last one ends.
type OAuth struct {
	TokenURL string // checked by [Address]
	ID       string
	Secret   string
	Scopes   []string
	// Assertion makes a signed assertion (RFC 7523) for each new token, instead of Secret.
	Assertion func() (string, error)

	mu       sync.Mutex
	token    *oauth2.Token
	fetching chan struct{} // closed when the fetch that is under way ends; nil: none is
}

// errToken marks that no token could be had.
var errToken = errors.New("no access token")

// tokenMargin is how long before its end a token is replaced.
const tokenMargin = 20 * time.Second

// Add sets the header, after getting a token where there is none that lasts. Only one
// caller gets it; the others wait, as long as their own contexts let them.
func (o *OAuth) Add(ctx context.Context, r *http.Request, via *http.Client) error {
	for {
		o.mu.Lock()
		token, wait := o.token, o.fetching
		lasts := token != nil && (token.Expiry.IsZero() || time.Until(token.Expiry) >= tokenMargin)
		if !lasts && wait == nil {
			o.fetching = make(chan struct{})
		}
		o.mu.Unlock()
		switch {
		case lasts:
		case wait != nil:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-wait:
			}
			continue
		default:
			var err error
			token, err = o.fetch(ctx, via)
			o.mu.Lock()
			if err == nil {
				o.token = token
			}
			close(o.fetching)
			o.fetching = nil
			o.mu.Unlock()
			if err != nil {
				return err
			}
		}
		r.Header.Set("Authorization", "Bearer "+token.AccessToken)
		return nil
	}
}

func (o *OAuth) fetch(ctx context.Context, via *http.Client) (*oauth2.Token, error) {
	cfg := clientcredentials.Config{ClientID: o.ID, ClientSecret: o.Secret, TokenURL: o.TokenURL, Scopes: o.Scopes, AuthStyle: oauth2.AuthStyleInHeader}
	if o.Assertion != nil {
		signed, err := o.Assertion()
		if err != nil {
			return nil, err
		}
		cfg.AuthStyle = oauth2.AuthStyleInParams
		cfg.EndpointParams = url.Values{
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion":      {signed},
		}
	}
	token, err := cfg.Token(context.WithValue(ctx, oauth2.HTTPClient, via))
	var refused *oauth2.RetrieveError
	switch {
	case err == nil:
		return token, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &refused): // its own text repeats the whole answer
		status := 0
		if refused.Response != nil {
			status = refused.Response.StatusCode
		}
		return nil, fmt.Errorf("%w: the token server answers with status %d %.60q; check the client and its secret", errToken, status, refused.ErrorCode)
	}
	var u *url.Error
	if errors.As(err, &u) {
		return nil, fmt.Errorf("%w: the token server cannot be reached: %w", errToken, u.Err)
	}
	return nil, fmt.Errorf("%w: the token server's answer cannot be read", errToken)
}

// Drop forgets the token, so that the next request gets a new one.
func (o *OAuth) Drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.token = nil
}

// Secrets are the client's secret and the present token.
func (o *OAuth) Secrets() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := []string{o.Secret}
	if o.token != nil {
		s = append(s, o.token.AccessToken)
	}
	return s
}
