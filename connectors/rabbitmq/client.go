package rabbitmq

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

const (
	timeout  = 30 * time.Second // of one request
	attempts = 4                // of one request, where another try can mend it
	maxPause = 10 * time.Second // that the broker may ask for between two of them
	maxBody  = 256 << 20        // bytes of one answer
)

// client speaks the HTTP API of the management plug-in, as its own page /api describes
// it. Requests are made again where that can help, but for those that write back what
// was read: see put.
type client struct {
	base           string
	user, password string
	http           *http.Client
	attempts       int
}

func newClient(set settings) (*client, error) {
	u, err := url.Parse(set.URL)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("setting url must be such as https://mq.example.com:15671")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("setting url must hold no user, password, query or fragment")
	}
	if u.Scheme == "http" && !connectors.Loopback(u.Hostname()) && !set.PlainText {
		return nil, errors.New("setting url must begin with https:// for another machine, unless plainText is true")
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = parallel
	if t.TLSClientConfig, err = connectors.Trust(set.CA); err != nil {
		return nil, err
	}
	return &client{
		base: strings.TrimRight(u.String(), "/") + "/api", user: set.User, password: set.Password, attempts: attempts,
		http: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// refusal is an answer other than success.
type refusal struct {
	status int
	reason string // what the broker says, cut short
	pause  time.Duration
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("the broker answers %d %s", r.status, http.StatusText(r.status))
	if r.reason != "" {
		text += ": " + r.reason
	}
	if r.status == http.StatusUnauthorized || r.status == http.StatusForbidden {
		text += " (see the reconciler's own account and its tag administrator)"
	}
	if r.status == http.StatusNotFound && r.reason == "" {
		text += " (there is no API of RabbitMQ's management plug-in at the setting url)"
	}
	return text
}

// refused reports whether the broker answered with this status.
func refused(err error, status int) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == status
}

// missing reports whether the broker itself says that there is no such thing: a page of
// a proxy, or of another server, does not have its words.
func missing(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusNotFound && r.reason != ""
}

// path joins segments, each escaped as a whole.
func path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + strings.ReplaceAll(url.PathEscape(s), ".", "%2E"))
	}
	return b.String()
}

// get reads a resource; ok is false where it does not exist.
func (c *client) get(ctx context.Context, path string, into any) (ok bool, err error) {
	for i := 1; ; i++ {
		body, _, err := c.try(ctx, http.MethodGet, path, nil)
		if missing(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		body = bytes.TrimSpace(body)
		if err = json.Unmarshal(body, into); err == nil && string(body) == "null" {
			err = errors.New("it is null")
		}
		if err == nil {
			return true, nil
		}
		// Instead of what is removed while it looks, the broker shows a word such as
		// "not_found", as a success.
		if !bytes.HasPrefix(body, []byte(`"`)) || i >= c.attempts {
			return false, fmt.Errorf("the answer to GET %s cannot be read: %w", path, err)
		}
	}
}

// put writes a resource, in one try: what it is made from has to be read again before
// another. Made is true where the resource did not exist before.
func (c *client) put(ctx context.Context, path string, value any) (made bool, err error) {
	body, err := json.Marshal(value)
	if err != nil {
		return false, err
	}
	_, status, err := c.once(ctx, http.MethodPut, path, body)
	return status == http.StatusCreated, err
}

// remove deletes a resource; one that does not exist is fine.
func (c *client) remove(ctx context.Context, path string) error {
	_, _, err := c.try(ctx, http.MethodDelete, path, nil)
	if missing(err) {
		return nil
	}
	return err
}

// try repeats a request while it fails in a way that another try can mend.
func (c *client) try(ctx context.Context, method, path string, body []byte) (answer []byte, status int, err error) {
	err = c.again(ctx, func() (err error) {
		answer, status, err = c.once(ctx, method, path, body)
		return err
	})
	return answer, status, err
}

// again repeats f while it fails in a way that another try can mend.
func (c *client) again(ctx context.Context, f func() error) error {
	for i := 1; ; i++ {
		err := f()
		pause, again := retryable(err)
		if err == nil || i >= c.attempts || !again || ctx.Err() != nil {
			return err
		}
		if pause == 0 {
			pause = time.Duration(i) * 50 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(min(pause, maxPause)):
		}
	}
}

// retryable takes a broker that is busy, starts or stops, and connections that broke.
func retryable(err error) (pause time.Duration, again bool) {
	var r *refusal
	if errors.As(err, &r) {
		switch r.status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return r.pause, true
		}
		return 0, false
	}
	var ne net.Error
	return 0, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &ne) && !ne.Timeout()
}

func (c *client) once(ctx context.Context, method, path string, body []byte) ([]byte, int, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	req.SetBasicAuth(c.user, c.password)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Reason", "access has ended") // of connections that are closed
	res, err := c.http.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return nil, 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if len(answer) > maxBody {
		return nil, 0, fmt.Errorf("%s %s: the answer is longer than %d bytes", method, path, maxBody)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, 0, refusalOf(res, answer)
	}
	return answer, res.StatusCode, nil
}

func refusalOf(res *http.Response, body []byte) *refusal {
	r := &refusal{status: res.StatusCode}
	var told struct {
		Reason any `json:"reason"`
	}
	if json.Unmarshal(body, &told) == nil {
		if text, ok := told.Reason.(string); ok {
			r.reason = fmt.Sprintf("%.200s", text)
		}
	}
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n >= 0 {
		r.pause = time.Duration(n) * time.Second
	}
	return r
}
