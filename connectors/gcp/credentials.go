package gcp

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// scope is what Google wants for reading and writing a policy.
const scope = "https://www.googleapis.com/auth/cloud-platform"

// source is where access tokens come from.
type source struct {
	fetch func(context.Context) (*oauth2.Token, error)
	self  string // address of the service account, if the credentials tell it
}

// newSource reads credentials: the key of a service account, the configuration of a
// workload identity federation, or nothing for Google's application default
// credentials. Secrets go to Google's own addresses only, or, where the endpoint is on
// this machine, to this machine.
func newSource(text string, loopback bool, client *http.Client) (*source, error) {
	if text == "" {
		return &source{fetch: defaults(loopback, client)}, nil
	}
	var doc struct {
		Type        string `json:"type"`
		Email       string `json:"client_email"`
		Key         string `json:"private_key"`
		TokenURI    string `json:"token_uri"`
		Universe    string `json:"universe_domain"`
		Impersonate string `json:"service_account_impersonation_url"`
	}
	if json.Unmarshal([]byte(text), &doc) != nil {
		return nil, errors.New("setting credentials is not JSON as Google gives it out for a service account or a workload identity pool")
	}
	if doc.Universe != "" && doc.Universe != "googleapis.com" {
		return nil, errors.New("setting credentials is of another cloud than googleapis.com")
	}
	if err := checkAddresses([]byte(text), loopback); err != nil {
		return nil, fmt.Errorf("setting credentials: %w", err)
	}
	switch doc.Type {
	case "service_account":
		if doc.Email == "" || doc.TokenURI == "" || !isKey(doc.Key) {
			return nil, errors.New("setting credentials lacks client_email, token_uri or a private_key in PEM")
		}
		cfg, err := google.JWTConfigFromJSON([]byte(text), scope)
		if err != nil {
			return nil, errors.New("setting credentials is not the key of a service account")
		}
		return &source{self: doc.Email, fetch: func(ctx context.Context) (*oauth2.Token, error) {
			ctx, seen := watch(ctx, client)
			t, err := cfg.TokenSource(ctx).Token()
			return seen.tell(t, err)
		}}, nil
	case "external_account":
		_, self, _ := strings.Cut(doc.Impersonate, "/serviceAccounts/")
		self, _, _ = strings.Cut(self, ":")
		return &source{self: self, fetch: func(ctx context.Context) (*oauth2.Token, error) {
			ctx, seen := watch(ctx, client)
			creds, err := google.CredentialsFromJSONWithType(ctx, []byte(text), google.ExternalAccount, scope)
			if err != nil {
				return nil, errors.New("setting credentials is not the configuration of a workload identity pool")
			}
			t, err := creds.TokenSource.Token()
			return seen.tell(t, err)
		}}, nil
	}
	return nil, errors.New("setting credentials must be of the type service_account or external_account")
}

// defaults finds Google's application default credentials anew each time, because they
// may be replaced.
func defaults(loopback bool, client *http.Client) func(context.Context) (*oauth2.Token, error) {
	return func(ctx context.Context) (*oauth2.Token, error) {
		ctx, seen := watch(ctx, client)
		creds, err := google.FindDefaultCredentials(ctx, scope)
		if err != nil {
			return nil, errors.New("no application default credentials are found; give setting credentialsFile, or GOOGLE_APPLICATION_CREDENTIALS, or run where Google gives the machine an identity")
		}
		if len(creds.JSON) > 0 {
			if err := checkAddresses(creds.JSON, loopback); err != nil {
				return nil, fmt.Errorf("application default credentials: %w", err)
			}
		}
		t, err := creds.TokenSource.Token()
		return seen.tell(t, err)
	}
}

// isKey reports whether it is a private key that a token can be asked for with.
func isKey(text string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	_, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		_, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	return err == nil
}

// addressKeys are where credentials name an address that a secret is sent to.
func addressKeys() []string {
	return []string{"token_uri", "token_url", "token_info_url", "revoke_url", "service_account_impersonation_url"}
}

// checkAddresses refuses credentials that would send a secret to a stranger. Where the
// proof of a workload's identity comes from (credential_source) is its platform's.
func checkAddresses(text []byte, loopback bool) error {
	var doc map[string]any
	if json.Unmarshal(text, &doc) != nil {
		return errors.New("they are not JSON")
	}
	for key, value := range doc {
		if inner, ok := value.(map[string]any); ok && strings.EqualFold(key, "source_credentials") {
			text, err := json.Marshal(inner)
			if err != nil {
				return err
			}
			if err := checkAddresses(text, loopback); err != nil {
				return err
			}
		}
		address, ok := value.(string)
		// Those who read them do not regard case.
		named := slices.ContainsFunc(addressKeys(), func(k string) bool { return strings.EqualFold(k, key) })
		if !ok || !named {
			continue
		}
		u, err := url.Parse(address)
		if err != nil || u.User != nil || loopback != isLoopback(u) || !loopback && !isGoogle(u) {
			return fmt.Errorf("%s is not an address of googleapis.com", strings.ToLower(key))
		}
	}
	return nil
}

// word is what an error of a token endpoint is called by its standard (RFC 6749).
var word = regexp.MustCompile(`^[a-z_]+$`)

// witness sees how the last request of a token source failed. The sources themselves put
// it into words together with the answer, in which nobody knows what is.
type witness struct {
	ctx  context.Context // of the flight; some sources make requests without it
	next http.RoundTripper
	err  error    // without an answer
	no   *refusal // an answer that is none
}

// watch returns a context that makes a token source use the client.
func watch(ctx context.Context, client *http.Client) (context.Context, *witness) {
	seen := &witness{ctx: ctx, next: client.Transport}
	watched := *client
	watched.Transport = seen
	return context.WithValue(ctx, oauth2.HTTPClient, &watched), seen
}

func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	context.AfterFunc(w.ctx, cancel) // a flight's context always ends
	resp, err := w.next.RoundTrip(r.WithContext(ctx))
	w.err, w.no = err, nil
	if err != nil || resp.StatusCode < 300 {
		return resp, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	w.no = &refusal{code: resp.StatusCode, wait: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	var doc struct {
		Error string `json:"error"`
	}
	if err == nil && json.Unmarshal(body, &doc) == nil && len(doc.Error) <= 40 && word.MatchString(doc.Error) {
		w.no.message = doc.Error // such as invalid_grant
	}
	return resp, nil
}

// tell says what went wrong without repeating the answer.
func (w *witness) tell(t *oauth2.Token, err error) (*oauth2.Token, error) {
	switch {
	case err == nil:
		return t, nil
	case w.err != nil:
		return nil, fmt.Errorf("reach the token endpoint: %w", w.err)
	case w.no != nil:
		return nil, fmt.Errorf("get a token with the credentials: %w", w.no)
	}
	return nil, errors.New("get a token: the credentials, or the answer of the token endpoint, cannot be used")
}
