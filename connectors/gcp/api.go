package gcp

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

const (
	// googleEndpoint is Google's Resource Manager.
	googleEndpoint = "https://cloudresourcemanager.googleapis.com"
	// callTimeout bounds one request, besides the caller's context.
	callTimeout = 30 * time.Second
	// maxAnswer bounds an answer, in bytes; a policy has tens of kilobytes.
	maxAnswer = 8 << 20
)

// errGone is for a resource that does not exist.
var errGone = errors.New("it does not exist")

// api speaks version 3 of the Resource Manager's API, as far as it is about policies. It
// does so by itself and not with the generated client: that one drops fields that it
// does not know.
type api struct {
	base   string
	http   *http.Client
	tokens *tokens
}

// newHTTP verifies certificates and follows no redirects, which would carry a token to
// another host.
func newHTTP() *http.Client {
	return &http.Client{
		Timeout: callTimeout,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 10 * time.Second,
			ForceAttemptHTTP2:   true,
			IdleConnTimeout:     time.Minute,
			MaxIdleConnsPerHost: parallel,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// endpoint reads the address of the API: Google's own names, or this machine for tests.
func endpoint(text string) (base string, loopback bool, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", false, errors.New("setting endpoint must be a URL without a path, such as " + googleEndpoint)
	}
	if isLoopback(u) {
		return u.Scheme + "://" + u.Host, true, nil
	}
	if !isGoogle(u) || u.Hostname() == accounts {
		return "", false, errors.New("setting endpoint must begin with https:// and name a host of googleapis.com")
	}
	return u.Scheme + "://" + u.Host, false, nil
}

// accounts is where old keys get their tokens.
const accounts = "accounts.google.com"

func isGoogle(u *url.URL) bool {
	return u.Scheme == "https" && (strings.HasSuffix(u.Hostname(), ".googleapis.com") || u.Hostname() == accounts) && (u.Port() == "" || u.Port() == "443")
}

func isLoopback(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && connectors.LoopbackAddress(u.Hostname())
}

// policy reads a resource's policy, with its conditions.
func (a *api) policy(ctx context.Context, on resource) (p *policy, err error) {
	err = again(ctx, func() error {
		body, at, err := a.call(ctx, on, "getIamPolicy", map[string]any{"options": map[string]any{"requestedPolicyVersion": version}})
		if err == nil {
			p, err = readPolicy(body, at)
		}
		return err
	})
	return p, err
}

// set writes a policy over the one with its etag, and returns what it is now. Only the
// bindings are written: who is audited stays as it is. It is not tried again here, since
// nobody knows whether a lost call came through: the caller has to look.
func (a *api) set(ctx context.Context, on resource, p *policy) (*policy, error) {
	if p.etag == "" {
		return nil, errors.New("a policy is not written without the etag that it was read with")
	}
	body, at, err := a.call(ctx, on, "setIamPolicy", map[string]any{"policy": p, "updateMask": "bindings,etag,version"})
	if err != nil {
		return nil, err
	}
	return readPolicy(body, at)
}

// permissions returns which of the permissions the credentials have on a resource.
func (a *api) permissions(ctx context.Context, on resource, want []string) (have []string, err error) {
	err = again(ctx, func() error {
		body, _, err := a.call(ctx, on, "testIamPermissions", map[string]any{"permissions": want})
		if err != nil {
			return err
		}
		var doc struct {
			Permissions []string `json:"permissions"`
		}
		if json.Unmarshal(body, &doc) != nil {
			return errors.New("the server's answer is not a list of permissions")
		}
		have = doc.Permissions
		return nil
	})
	return have, err
}

// call makes one request. A token that the server does not take is replaced once.
func (a *api) call(ctx context.Context, on resource, method string, in any) (body []byte, at time.Time, err error) {
	text, err := json.Marshal(in)
	if err != nil {
		return nil, at, err
	}
	for first := true; ; first = false {
		token, err := a.tokens.get(ctx)
		if err != nil {
			return nil, at, err
		}
		body, at, err = a.post(ctx, a.base+"/v3/"+on.path()+":"+method, token, text)
		var no *refusal
		if !first || !errors.As(err, &no) || no.code != http.StatusUnauthorized {
			return body, at, err
		}
		a.tokens.forget(token)
	}
}

func (a *api) post(ctx context.Context, address, token string, text []byte) (body []byte, at time.Time, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(text))
	if err != nil {
		return nil, at, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "tenure")
	resp, err := a.http.Do(r)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, at, fmt.Errorf("reach %s: %w", r.URL.Host, err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1)); err != nil {
		return nil, at, fmt.Errorf("read the server's answer: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, at, errors.New("the server's answer is too long")
	}
	if at, err = http.ParseTime(resp.Header.Get("Date")); err != nil {
		at = time.Now().UTC()
	}
	if resp.StatusCode != http.StatusOK {
		return nil, at, refusalOf(resp, body)
	}
	return body, at, nil
}

// refusal is an answer that is not the one asked for.
type refusal struct {
	code    int
	status  string        // Google's word for it; empty: it is not Google's API that answers
	message string        // Google's sentence for people
	wait    time.Duration // as the server asks; 0: it does not
}

// refusalOf reads an error in Google's form. One in another form (of a proxy, say) is
// not repeated, and means nothing but its code.
func refusalOf(resp *http.Response, body []byte) error {
	no := &refusal{code: resp.StatusCode, wait: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	var doc struct {
		Error struct {
			Status  string `json:"status"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &doc) == nil {
		no.status, no.message = doc.Error.Status, doc.Error.Message
	}
	return no
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("the server answers %d", r.code)
	if r.message != "" {
		text += fmt.Sprintf(" %+.300q", r.message)
	}
	if r.status == "" {
		return text
	}
	switch r.code {
	case http.StatusUnauthorized:
		text += " (Google does not take the reconciler's credentials)"
	case http.StatusForbidden:
		text += " (it does not exist, or the reconciler's own account lacks a right; doctor names it)"
	}
	return text
}

// Is makes Google's own word for a resource that does not exist an errGone.
func (r *refusal) Is(target error) bool {
	return target == errGone && r.code == http.StatusNotFound && r.status == "NOT_FOUND"
}
