package azure

import (
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
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/tenure-dev/tenure/connectors"
)

const (
	// callTimeout bounds one try of a request, besides the caller's context.
	callTimeout = 30 * time.Second
	// patience is the longest pause that a server may ask for; the caller comes back.
	patience = 30 * time.Second
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 32 << 20
	// maxPages bounds a list.
	maxPages = 10_000
)

// web is the transport of all requests.
type web struct{ *http.Client }

// newHTTP verifies certificates and follows no redirects, which would carry a token to
// another host.
func newHTTP() *web {
	return &web{&http.Client{
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
	}}
}

// Do bounds the answer.
func (w *web) Do(r *http.Request) (*http.Response, error) {
	resp, err := w.Client.Do(r)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the address, whose query is long
		}
		return nil, fmt.Errorf("reach %s: %w", r.URL.Host, err)
	}
	resp.Body = &bounded{resp.Body, maxAnswer}
	return resp, nil
}

type bounded struct {
	io.ReadCloser
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errors.New("the server's answer is too long")
	}
	return n, err
}

// options are those of every pipeline: few tries with growing pauses, and Retry-After is
// honoured up to a limit.
func options(w *web) *policy.ClientOptions {
	return &policy.ClientOptions{
		Transport: w,
		Telemetry: policy.TelemetryOptions{ApplicationID: "tenure"},
		Retry: policy.RetryOptions{
			MaxRetries: 6, TryTimeout: callTimeout, RetryDelay: 100 * time.Millisecond, MaxRetryDelay: patience,
			ShouldRetry: passing,
		},
	}
}

// passing reports whether another try can mend it: the server has enough, or a connection
// died. A server that is down (connection refused) is the caller's to come back to.
func passing(resp *http.Response, err error) bool {
	if err != nil {
		return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// checkEndpoint takes https, or this machine for tests.
func checkEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(text, "?#") {
		return errors.New("want a URL without a path, such as https://management.azure.com")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !connectors.LoopbackAddress(u.Hostname())) {
		return errors.New("want https; plain http is for loopback addresses only")
	}
	return nil
}

// client speaks to the Azure Resource Manager or to Microsoft Graph.
type client struct {
	base string
	pipe runtime.Pipeline
}

func newClient(base string, w *web, cred *credential) *client {
	// Plain text is for loopback only: checkEndpoint has seen to it, and next to it.
	bearer := runtime.NewBearerTokenPolicy(cred, []string{base + "/.default"}, &policy.BearerTokenOptions{InsecureAllowCredentialWithHTTP: true})
	return &client{base, runtime.NewPipeline("connectors/azure", "v1", runtime.PipelineOptions{PerRetry: []policy.Policy{bearer}}, options(w))}
}

// call makes one request and reads the answer into out, unless that is nil.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	return c.send(ctx, method, c.base+path, in, out)
}

func (c *client) send(ctx context.Context, method, address string, in, out any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r, err := runtime.NewRequest(ctx, method, address)
	if err != nil {
		return errors.New("an address cannot be made of these names")
	}
	r.Raw().Header.Set("Accept", "application/json")
	if in != nil {
		if err := runtime.MarshalAsJSON(r, in); err != nil {
			return err
		}
	}
	resp, err := c.pipe.Do(r)
	if err != nil {
		return err
	}
	body, err := runtime.Payload(resp)
	if err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return refusalOf(resp.StatusCode, body)
	}
	if out == nil {
		return nil
	}
	if json.Unmarshal(body, out) != nil {
		return fmt.Errorf("the answer of %s is not as described", r.Raw().URL.Host)
	}
	return nil
}

// page is one page of a list, of the Resource Manager or of Graph.
type page[T any] struct {
	Value     *[]T   `json:"value"`
	NextLink  string `json:"nextLink"`
	NextLinkG string `json:"@odata.nextLink"`
}

// list reads all pages of a list, or fails. The next page is on the same host.
func list[T any](ctx context.Context, c *client, path string) (all []T, err error) {
	address, seen := c.base+path, map[string]bool{}
	for range maxPages {
		var p page[T]
		if err := c.send(ctx, http.MethodGet, address, nil, &p); err != nil {
			return nil, err
		}
		if p.Value == nil {
			return nil, errors.New("the server's answer is no list")
		}
		all = append(all, *p.Value...)
		next := p.NextLink + p.NextLinkG
		if next == "" {
			return all, nil
		}
		if address = c.here(next); address == "" || seen[address] {
			return nil, errors.New("the server's list goes on at another host, or in a circle")
		}
		seen[address] = true
	}
	return nil, errors.New("the server's list has no end")
}

// here is an address of this server, such as it gives for a next page; empty: it is
// another server's.
func (c *client) here(address string) string {
	want, err := url.Parse(c.base)
	if err != nil {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Scheme != want.Scheme || !strings.EqualFold(u.Hostname(), want.Hostname()) || port(u) != port(want) || !strings.HasPrefix(u.Path, "/") {
		return ""
	}
	return c.base + u.RequestURI()
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"https": "443", "http": "80"}[u.Scheme]
}

// quoted is a text in a filter (OData), for the query of an address.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func query(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(pairs[i] + "=" + strings.ReplaceAll(url.QueryEscape(pairs[i+1]), "+", "%20"))
	}
	return b.String()
}

var _ azcore.TokenCredential = (*credential)(nil)
