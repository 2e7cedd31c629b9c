package http

import (
	"bytes"
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tenure-dev/tenure/connectors/plugin"
)

// sender posts each message to one address.
type sender struct {
	url    *url.URL
	key    []byte
	now    func() time.Time
	clean  *plugin.Cleaner
	client *nethttp.Client
}

func (s *sender) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// Send posts the request and returns the answer if it is signed. Anything else that
// comes back is not looked at, except for the number of its status.
func (s *sender) Send(ctx context.Context, request []byte) ([]byte, error) {
	req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodPost, s.url.String(), bytes.NewReader(request))
	if err != nil {
		return nil, errors.New("the request cannot be made; look at setting url")
	}
	req.GetBody = nil // the same message is never sent twice; a new try has a new id
	at := s.now()
	signature := signRequest(s.key, req.Method, req.URL.EscapedPath(), at, request)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(headerTime, strconv.FormatInt(at.Unix(), 10))
	req.Header.Set(headerSignature, signature)
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, s.unreached(ctx, err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case nethttp.StatusOK:
	case nethttp.StatusBadGateway, nethttp.StatusServiceUnavailable, nethttp.StatusGatewayTimeout:
		return nil, fmt.Errorf("%w: it answers with status %d", plugin.ErrTransient, resp.StatusCode)
	case nethttp.StatusUnauthorized, nethttp.StatusForbidden:
		return nil, fmt.Errorf("it refuses the signature with status %d; compare setting key and the clocks", resp.StatusCode)
	default:
		return nil, fmt.Errorf("it answers with status %d instead of 200; redirects are not followed", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, plugin.MaxAnswer+1))
	if err != nil {
		return nil, s.unreached(ctx, err)
	}
	if len(body) > plugin.MaxAnswer {
		return nil, fmt.Errorf("the answer is longer than %d bytes", plugin.MaxAnswer)
	}
	want := signAnswer(s.key, signature, body)
	if !hmac.Equal([]byte(want), []byte(resp.Header.Get(headerSignature))) {
		return nil, errors.New("the answer is not signed with setting key for this request")
	}
	return body, nil
}

// unreached is an error of the connection. An address does not belong into it.
func (s *sender) unreached(ctx context.Context, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	text := s.clean.Clean(err.Error())
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time (setting timeout): %w", context.DeadlineExceeded)
	}
	return fmt.Errorf("%w: %s", plugin.ErrTransient, text)
}
