package gitlab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// failed turns an error of the API into one of package forge's. The original is
// not wrapped: its text is the server's, and may repeat what was sent.
func (g *Client) failed(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("gitlab: %s: %w: %w", what, forge.ErrUnavailable, ctx.Err())
	}
	var held *limited
	var large *tooLarge
	var answer *gl.ErrorResponse
	switch {
	case errors.Is(err, gl.ErrNotFound):
		return fmt.Errorf("gitlab: %s: %w", what, forge.ErrNotFound)
	case errors.As(err, &held):
		return fmt.Errorf("gitlab: %s: %w: %w", what, forge.ErrUnavailable, held)
	case errors.As(err, &large):
		return fmt.Errorf("gitlab: %s: %w: %w", what, forge.ErrTooMany, large)
	case errors.As(err, &answer):
		return g.refused(what, answer)
	}
	return fmt.Errorf("gitlab: %s: %w: %s", what, forge.ErrUnavailable, g.short(err.Error()))
}

func (g *Client) refused(what string, e *gl.ErrorResponse) error {
	text := strings.TrimSpace(fmt.Sprintf("HTTP %d %s", e.StatusCode, g.short(e.Message)))
	switch status := e.StatusCode; {
	case status == http.StatusGone, status == http.StatusUnavailableForLegalReasons:
		return fmt.Errorf("gitlab: %s: %w (%s)", what, forge.ErrNotFound, text)
	case status == http.StatusUnauthorized:
		return fmt.Errorf("gitlab: %s: %w: %s; check the token", what, forge.ErrUnavailable, text)
	case status == http.StatusForbidden:
		return &forbidden{fmt.Errorf("gitlab: %s: %w: %s; check the token's scope and role", what, forge.ErrUnavailable, text)}
	case status == http.StatusTooManyRequests, status >= 500:
		return fmt.Errorf("gitlab: %s: %w: %s", what, forge.ErrUnavailable, text)
	case status >= 300 && status < 400:
		return fmt.Errorf("gitlab: %s: the project has moved (HTTP %d); configure its new path", what, status)
	}
	return &rejected{what: what, status: e.StatusCode, text: text}
}

// forbidden is an answer about rights: ours in the project can be repaired, those
// in a fork cannot.
type forbidden struct{ error }

func (e *forbidden) Unwrap() error { return e.error }

// rejected is an answer that will be the same the next time: the request does
// not fit what is there.
type rejected struct {
	what   string
	status int
	text   string
}

func (e *rejected) Error() string { return fmt.Sprintf("gitlab: %s: %s", e.what, e.text) }

// rejectedAs reports whether GitLab refused with a status and, somewhere in what
// it said, a text.
func rejectedAs(err error, status int, text string) bool {
	var r *rejected
	return errors.As(err, &r) && r.status == status && strings.Contains(strings.ToLower(r.text), strings.ToLower(text))
}

// short is a text of the server's on one line, without the token.
func (g *Client) short(text string) string {
	text = strings.ReplaceAll(strings.Join(strings.Fields(text), " "), g.token, "***")
	if r := []rune(text); len(r) > 300 {
		text = string(r[:300]) + "…"
	}
	return text
}
