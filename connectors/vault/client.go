package vault

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/tenure-dev/tenure/connectors"
)

const (
	// requestTimeout bounds one try of one request.
	requestTimeout = 30 * time.Second
	// retries of one request; everything here may be done twice.
	retries = 4
	// maxRetryAfter is the longest pause that a server may ask for; with a longer
	// one the call fails, and the caller comes back by itself.
	maxRetryAfter = 10 * time.Second
	// maxAnswer bounds what is read of one answer, in bytes.
	maxAnswer = 256 << 20
)

// client speaks Vault's API with the token that its login holds.
type client struct {
	api   *api.Client
	http  *http.Client
	login *login
}

func newClient(set settings, m method) (*client, error) {
	u, err := url.Parse(set.Address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("setting address must be such as https://vault.example.com:8200")
	}
	switch {
	case u.Scheme == "http" && set.CA != "":
		return nil, errors.New("setting ca is of no use with http; write https in setting address")
	case u.Scheme == "http" && !connectors.Loopback(u.Hostname()) && !set.PlainText:
		return nil, errors.New("setting address must begin with https unless the server is on this machine, because a token would be readable on the way; setting plainText allows it")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = parallel
	if transport.TLSClientConfig, err = connectors.Trust(set.CA); err != nil {
		return nil, err
	}
	h := &http.Client{Transport: transport, Timeout: requestTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	// Every field is given, so that nothing is taken from variables of the environment.
	ac, err := api.NewClient(&api.Config{
		Address: u.Scheme + "://" + u.Host, HttpClient: h, DisableRedirects: true,
		MinRetryWait: 50 * time.Millisecond, MaxRetryWait: time.Second, MaxRetries: retries, CheckRetry: again, Backoff: pause,
	})
	if err != nil {
		return nil, errors.New("the client cannot be made; check the setting address, and variables of the environment that begin with VAULT_")
	}
	ac.SetHeaders(http.Header{"X-Vault-Request": {"true"}})
	ac.ClearToken()
	ac.ClearNamespace()
	if set.Namespace != "" {
		ac.SetNamespace(set.Namespace)
	}
	c := &client{api: ac, http: h}
	c.login = newLogin(c, m)
	return c, nil
}

// again reports whether a try is repeated: the connection broke, or the server says
// that it is busy and asks for no longer pause than can be waited for here.
func again(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		var cert *tls.CertificateVerificationError
		return !errors.As(err, &cert), nil
	}
	switch resp.StatusCode {
	case http.StatusPreconditionFailed, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return retryAfter(resp) <= maxRetryAfter, nil
	}
	return false, nil
}

// pause honours Retry-After, and otherwise doubles from least.
func pause(least, most time.Duration, n int, resp *http.Response) time.Duration {
	return max(retryAfter(resp), min(least<<min(n, 10), most))
}

func retryAfter(resp *http.Response) time.Duration {
	if resp == nil {
		return 0
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		return time.Duration(min(s, 24*3600)) * time.Second
	}
	if at, err := http.ParseTime(resp.Header.Get("Retry-After")); err == nil {
		return time.Until(at)
	}
	return 0
}

// statusError is a refusal by the server, in its own words.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("the server answers %d %s", e.code, strings.ToLower(http.StatusText(e.code)))
	if e.text != "" {
		text += ": " + e.text
	}
	switch {
	case e.code == http.StatusForbidden:
		text += " (the reconciler's own token is not valid or lacks a right; doctor names it)"
	case e.code == http.StatusServiceUnavailable && strings.Contains(strings.ToLower(e.text), "sealed"):
		text += " (unseal it)"
	case e.code >= 300 && e.code < 400:
		text += " (a standby that sends callers to the active server; give the address of that one, or of a load balancer)"
	}
	return text
}

// status returns the code of a refusal, or 0.
func status(err error) int {
	var s *statusError
	if errors.As(err, &s) {
		return s.code
	}
	return 0
}

// answer is what all of Vault's answers have in common.
type answer struct {
	Data     json.RawMessage `json:"data"`
	Auth     *auth           `json:"auth"`
	Warnings []string        `json:"warnings"`
	Errors   *[]string       `json:"errors"`
}

type auth struct {
	ClientToken   string `json:"client_token"`
	LeaseDuration int    `json:"lease_duration"` // seconds
	Renewable     bool   `json:"renewable"`
}

// Operations.
const (
	opRead  = "read"
	opList  = "list"
	opWrite = "write"
)

// call does one operation as the reconciler's own account. Found is false when the
// server says that there is nothing by this name or an empty list, which is not the
// same as a path that it does not serve. A token that ended is replaced once.
func (c *client) call(ctx context.Context, op, path string, body, into any) (found bool, err error) {
	used, err := c.login.token(ctx)
	if err != nil {
		return false, err
	}
	found, _, err = c.do(ctx, used, op, path, body, into)
	if status(err) == http.StatusForbidden && c.login.replace(ctx, used) {
		if used, err = c.login.token(ctx); err != nil {
			return false, err
		}
		found, _, err = c.do(ctx, used, op, path, body, into)
	}
	return found, err
}

// do does one operation with the given token.
func (c *client) do(ctx context.Context, token, op, path string, body, into any) (found bool, a answer, err error) {
	if err := ctx.Err(); err != nil {
		return false, a, err
	}
	// The token of this one request: another call may just be replacing it.
	ac := c.api.WithRequestCallbacks(func(r *api.Request) { r.ClientToken = token })
	var resp *api.Response
	switch op {
	case opWrite:
		text, err := json.Marshal(body)
		if err != nil {
			return false, a, err
		}
		resp, err = ac.Logical().WriteRawWithContext(ctx, path, text)
		return c.read(ctx, resp, err, into)
	case opList:
		resp, err = ac.Logical().ReadRawWithDataWithContext(ctx, path, url.Values{"list": {"true"}})
	default:
		resp, err = ac.Logical().ReadRawWithContext(ctx, path)
	}
	return c.read(ctx, resp, err, into)
}

// read takes an answer apart. What is not complete, or not an answer of Vault, is an
// error.
func (c *client) read(ctx context.Context, resp *api.Response, failed error, into any) (found bool, a answer, err error) {
	if resp != nil {
		defer resp.Body.Close()
	}
	var refused *api.ResponseError
	switch {
	case ctx.Err() != nil:
		return false, a, ctx.Err()
	case errors.As(failed, &refused):
		if refused.RawError {
			return false, a, &statusError{refused.StatusCode, "and not in the words of Vault"}
		}
		if refused.StatusCode != http.StatusNotFound {
			return false, a, &statusError{refused.StatusCode, oneLine(refused.Errors)}
		}
	case failed != nil:
		return false, a, fmt.Errorf("%w", failed)
	case resp.StatusCode == http.StatusNoContent:
		return true, a, nil
	case resp.StatusCode != http.StatusOK:
		return false, a, &statusError{resp.StatusCode, ""}
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return false, a, fmt.Errorf("the answer broke off: %w", err)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return false, a, errors.New("the answer is not one of Vault, or not complete")
	}
	if refused != nil { // 404
		switch {
		case a.Errors == nil:
			return false, a, &statusError{refused.StatusCode, "and not in the words of Vault"}
		case len(*a.Errors) > 0: // no such path: a wrong address or namespace, not an empty list
			return false, a, &statusError{refused.StatusCode, oneLine(*a.Errors)}
		}
		return false, a, nil
	}
	// A list that took the server too long comes as a success with a warning.
	if slices.ContainsFunc(a.Warnings, func(w string) bool { return strings.Contains(w, "partial") }) {
		return false, a, errors.New("the server gave a part of a list only: it ran out of time")
	}
	if into == nil {
		return true, a, nil
	}
	if len(a.Data) == 0 || string(a.Data) == "null" {
		return false, a, errors.New("the answer holds no data")
	}
	if err := json.Unmarshal(a.Data, into); err != nil {
		return false, a, errors.New("the answer holds other data than Vault's")
	}
	return true, a, nil
}

// oneLine makes one line of the server's words.
func oneLine(messages []string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(strings.Join(messages, "; "), "*", " ")), " ")
}

func (c *client) close() { c.http.CloseIdleConnections() }
