package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/bradleyfalzon/ghinstallation/v2"
	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/internal/forge"
	"github.com/tenure-dev/tenure/internal/githubapi"
)

// failed turns an error of the API into one of package forge's. The original is
// not wrapped: its text is the server's, and may repeat what was sent.
func (g *Client) failed(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("github: %s: %w: %w", what, forge.ErrUnavailable, ctx.Err())
	}
	var wait *githubapi.Limited
	var primary *gh.RateLimitError
	var secondary *gh.AbuseRateLimitError
	var app *ghinstallation.HTTPError
	var answer *gh.ErrorResponse
	switch {
	case errors.As(err, &wait):
		return fmt.Errorf("github: %s: %w: %w", what, forge.ErrUnavailable, wait)
	case errors.As(err, &primary):
		return fmt.Errorf("github: %s: %w: rate limit; it ends at %s", what, forge.ErrUnavailable, primary.Rate.Reset.UTC().Format("15:04:05Z"))
	case errors.As(err, &secondary):
		return fmt.Errorf("github: %s: %w: secondary rate limit", what, forge.ErrUnavailable)
	case errors.As(err, &app) && app.Response != nil:
		_ = app.Response.Body.Close()
		return fmt.Errorf("github: %s: %w: no token for the App's installation (HTTP %d); check appID, installationID and the private key", what, forge.ErrUnavailable, app.Response.StatusCode)
	case errors.As(err, &answer) && answer.Response != nil:
		return g.refused(what, answer)
	}
	return fmt.Errorf("github: %s: %w: %s", what, forge.ErrUnavailable, g.scrub(err.Error()))
}

func (g *Client) refused(what string, e *gh.ErrorResponse) error {
	status := e.Response.StatusCode
	text := strings.TrimSpace(fmt.Sprintf("HTTP %d %s", status, g.short(e)))
	switch {
	case status == http.StatusNotFound, status == http.StatusGone, status == http.StatusUnavailableForLegalReasons:
		return fmt.Errorf("github: %s: %w (%s)", what, forge.ErrNotFound, text)
	case status == http.StatusUnauthorized:
		return fmt.Errorf("github: %s: %w: %s; check the credentials", what, forge.ErrUnavailable, text)
	case status == http.StatusForbidden:
		return fmt.Errorf("github: %s: %w: %s; check the permissions", what, forge.ErrUnavailable, text)
	case status == http.StatusTooManyRequests, status >= 500:
		return fmt.Errorf("github: %s: %w: %s", what, forge.ErrUnavailable, text)
	case status >= 300 && status < 400:
		return fmt.Errorf("github: %s: the repository has moved (%s); configure its new name", what, text)
	}
	return &rejected{what: what, status: status, text: text}
}

// rejected is an answer that will be the same the next time: the request does
// not fit what is there.
type rejected struct {
	what   string
	status int
	text   string
}

func (e *rejected) Error() string { return fmt.Sprintf("github: %s: %s", e.what, e.text) }

// rejectedAs reports whether GitHub refused with a status and, somewhere in what
// it said, a text.
func rejectedAs(err error, status int, text string) bool {
	var r *rejected
	return errors.As(err, &r) && r.status == status && strings.Contains(strings.ToLower(r.text), strings.ToLower(text))
}

// short is what GitHub said, without what was sent, on one line.
func (g *Client) short(e *gh.ErrorResponse) string {
	out := []string{e.Message}
	for _, x := range e.Errors {
		out = append(out, strings.TrimSpace(x.Field+" "+x.Code+" "+x.Message))
	}
	text := g.scrub(strings.Join(strings.Fields(strings.Join(out, "; ")), " "))
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return text
}

func (g *Client) scrub(text string) string { return g.way.Scrub(text) }
