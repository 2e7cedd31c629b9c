package azure

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
)

// credential gets access tokens for an application: with its secret, or with the token
// of a workload identity that the platform writes to a file (OAuth 2.0 client
// credentials, RFC 6749 and RFC 7523). Microsoft's own library for it puts whole answers
// into its errors, and would make the program larger by nine times what all of this does.
type credential struct {
	address string
	set     *settings
	pipe    runtime.Pipeline

	mu sync.Mutex
	me string // object id of the application's service principal, once a token told it
}

func newCredential(set *settings, w *web) *credential {
	return &credential{
		address: set.Authority + "/" + set.Tenant + "/oauth2/v2.0/token", set: set,
		pipe: runtime.NewPipeline("connectors/azure", "v1", runtime.PipelineOptions{}, options(w)),
	}
}

// tokenError is the last word on getting a token. It wraps nothing that would be tried
// again: that was done, as often as is sensible.
type tokenError struct{ text string }

func (e *tokenError) Error() string { return e.text }

// NonRetriable keeps the pipeline from asking for another token.
func (e *tokenError) NonRetriable() {}

// GetToken asks for a token. Its callers keep it until it ends.
func (c *credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := c.fetch(ctx, o)
	if err != nil && ctx.Err() == nil {
		err = &tokenError{err.Error()}
	}
	return token, err
}

func (c *credential) fetch(ctx context.Context, o policy.TokenRequestOptions) (t azcore.AccessToken, err error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.set.Client}, "scope": {strings.Join(o.Scopes, " ")}}
	if o.Claims != "" {
		form.Set("claims", o.Claims)
	}
	if err := c.prove(form); err != nil {
		return t, err
	}
	r, err := runtime.NewRequest(ctx, http.MethodPost, c.address)
	if err != nil {
		return t, errors.New("setting authority or tenant makes no address")
	}
	if err := r.SetBody(streaming.NopCloser(strings.NewReader(form.Encode())), "application/x-www-form-urlencoded"); err != nil {
		return t, err
	}
	resp, err := c.pipe.Do(r)
	if err != nil {
		return t, fmt.Errorf("get a token: %w", err)
	}
	body, err := runtime.Payload(resp)
	if err != nil {
		return t, fmt.Errorf("get a token: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return t, tokenRefusal(resp.StatusCode, body)
	}
	var doc struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
		Left  int    `json:"expires_in"`
	}
	if json.Unmarshal(body, &doc) != nil || doc.Token == "" || !strings.EqualFold(doc.Type, "Bearer") || doc.Left <= 0 {
		return t, errors.New("get a token: the answer has none that can be used")
	}
	if me := claimsOf(doc.Token).Object; me != "" {
		c.mu.Lock()
		c.me = strings.ToLower(me)
		c.mu.Unlock()
	}
	return azcore.AccessToken{Token: doc.Token, ExpiresOn: time.Now().Add(time.Duration(doc.Left) * time.Second)}, nil
}

// prove adds the proof of being the application.
func (c *credential) prove(form url.Values) error {
	if c.set.AssertionFile == "" {
		form.Set("client_secret", c.set.Secret)
		return nil
	}
	text, err := os.ReadFile(c.set.AssertionFile)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return fmt.Errorf("setting assertionFile: cannot read the file that it names: %w", err)
	}
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", strings.TrimSpace(string(text)))
	return nil
}

var (
	// word is what an error of a token endpoint is called by its standard.
	word = regexp.MustCompile(`^[a-z_]{1,40}$`)
	// aadsts is Entra's number for it.
	aadsts = regexp.MustCompile(`^AADSTS[0-9]{3,9}`)
)

// tokenRefusal says what went wrong without repeating the answer, in which nobody knows
// what is.
func tokenRefusal(status int, body []byte) error {
	var doc struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	text := fmt.Sprintf("get a token with the credentials: the server answers %d", status)
	if json.Unmarshal(body, &doc) == nil && word.MatchString(doc.Error) {
		text += " " + doc.Error
		if number := aadsts.FindString(doc.Description); number != "" {
			text += ", " + number
		}
	}
	return errors.New(text)
}

// claims are what a token says of its application. They are for people and for
// refusing more, and never a reason to allow anything.
type claims struct {
	Object string   `json:"oid"`
	Roles  []string `json:"roles"`
}

func claimsOf(token string) (c claims) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &c) != nil {
		return claims{}
	}
	return c
}

// self is the object id of the reconciler's own service principal, if a token told it.
func (c *credential) self() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.me
}
