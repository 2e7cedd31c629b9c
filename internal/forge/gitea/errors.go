package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/internal/forge"
)

// failed turns an error of a call into one of package forge's. The original is not
// wrapped: its text is the server's, and may repeat what was sent.
func (g *Client) failed(ctx context.Context, what string, resp *sdk.Response, err error) error {
	if err == nil {
		return nil
	}
	if resp == nil || resp.Response == nil {
		return g.unsent(ctx, what, err)
	}
	return g.refused(what, resp.StatusCode, err.Error())
}

// unsent is the error of a request without an answer.
func (g *Client) unsent(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("gitea: %s: %w: %w", what, forge.ErrUnavailable, ctx.Err())
	}
	return fmt.Errorf("gitea: %s: %w: %s", what, forge.ErrUnavailable, g.short(err.Error()))
}

// refused is the error of an answer.
func (g *Client) refused(what string, status int, said string) error {
	text := strings.TrimSpace(fmt.Sprintf("HTTP %d %s", status, g.short(said)))
	switch {
	case status == http.StatusNotFound, status == http.StatusGone:
		return fmt.Errorf("gitea: %s: %w (%s)", what, forge.ErrNotFound, text)
	case status == http.StatusUnauthorized:
		return fmt.Errorf("gitea: %s: %w: %s; check the token", what, forge.ErrUnavailable, text)
	case status == http.StatusForbidden:
		return fmt.Errorf("gitea: %s: %w: %w: %s; check the scopes of the token and the rights of its account", what, forge.ErrUnavailable, errForbidden, text)
	case status == http.StatusTooManyRequests, status >= 500, status/100 == 2:
		return fmt.Errorf("gitea: %s: %w: %s", what, forge.ErrUnavailable, text)
	case status/100 == 3:
		return fmt.Errorf("gitea: %s: the server points elsewhere (HTTP %d), which is not followed; configure the address and the name that the repository has now", what, status)
	}
	return &rejected{what: what, status: status, text: text}
}

// errForbidden is wrapped when the account may not.
var errForbidden = errors.New("not allowed")

// rejected is an answer that will be the same the next time: the request does not
// fit what is there.
type rejected struct {
	what   string
	status int
	text   string
}

func (e *rejected) Error() string { return fmt.Sprintf("gitea: %s: %s", e.what, e.text) }

func rejectedAs(err error, status int) bool {
	var r *rejected
	return errors.As(err, &r) && r.status == status
}

// short is what Gitea said, on one line and without the token.
func (g *Client) short(said string) string { return g.way.Short(said) }
