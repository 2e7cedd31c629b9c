package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/connectors/holders"
	"github.com/tenure-dev/tenure/internal/githubapi"
)

const (
	pageSize = 100 // GitHub's most
	// attempts is how often a request that only reads is sent.
	attempts = 3
	// firstPause is how long to wait before the second attempt; it doubles.
	firstPause = 100 * time.Millisecond
)

// reading repeats what only reads after an answer that may be better the next time.
// Rate limits are waited for below, in package githubapi.
func (c *connector) reading(ctx context.Context, f func() error) error {
	pause := firstPause
	for n := 1; ; n++ {
		err := f()
		if err == nil || n == attempts || ctx.Err() != nil || !passing(err) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		pause *= 2
	}
}

// passing reports whether an error may be gone soon: the server's own, or a
// connection that was cut.
func passing(err error) bool {
	var limited *githubapi.Limited
	var primary *gh.RateLimitError
	var secondary *gh.AbuseRateLimitError
	var large *githubapi.TooLarge
	var refused *refusal
	var app *ghinstallation.HTTPError
	if errors.As(err, &limited) || errors.As(err, &primary) || errors.As(err, &secondary) || errors.As(err, &large) || errors.As(err, &refused) || errors.As(err, &app) {
		return false
	}
	s := status(err)
	return s == 0 || s >= 500
}

// status is the answer's, or zero if there was none.
func status(err error) int {
	var answer *gh.ErrorResponse
	if errors.As(err, &answer) && answer.Response != nil {
		return answer.Response.StatusCode
	}
	return 0
}

// gone drops the error of what is not there.
func gone(err error) error {
	if status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// send makes a request without an answer in its body.
func (c *connector) send(ctx context.Context, method, path string, body any) error {
	r, err := c.way.REST.NewRequest(method, path, body)
	if err != nil {
		return err
	}
	_, err = c.way.REST.Do(ctx, r, nil)
	return err
}

// list reads a list to its end. Pages that did not change cost nothing when they are
// read again, because they are asked for with their ETag.
func list[T any](ctx context.Context, c *connector, path string, key func(T) string) ([]T, error) {
	return holders.Stable(path, key, func() ([]T, int, error) { return readList[T](ctx, c, path) })
}

func readList[T any](ctx context.Context, c *connector, path string) (items []T, pages int, err error) {
	join := "?"
	if strings.Contains(path, "?") {
		join = "&"
	}
	for page := 1; page != 0; pages++ {
		var part []T
		var resp *gh.Response
		err := c.reading(ctx, func() error {
			part = nil
			r, err := c.way.REST.NewRequest(http.MethodGet, fmt.Sprintf("%s%sper_page=%d&page=%d", path, join, pageSize, page), nil)
			if err != nil {
				return err
			}
			resp, err = c.way.REST.Do(ctx, r, &part)
			return err
		})
		if err != nil {
			return nil, 0, err
		}
		if part == nil {
			return nil, 0, fmt.Errorf("GitHub answers %s with no list", path)
		}
		items = append(items, part...)
		if resp.NextPage != 0 && resp.NextPage != page+1 {
			return nil, 0, fmt.Errorf("GitHub's pages of %s do not follow each other", path)
		}
		page = resp.NextPage
	}
	return items, pages, nil
}

// explain makes an error readable, says what to do, and takes out what was sent. The
// original is not wrapped: it holds the request.
func (c *connector) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var limited *githubapi.Limited
	var primary *gh.RateLimitError
	var secondary *gh.AbuseRateLimitError
	var app *ghinstallation.HTTPError
	var answer *gh.ErrorResponse
	switch {
	case errors.As(err, &limited):
		return limited
	case errors.As(err, &primary):
		return fmt.Errorf("rate limit; it ends at %s", primary.Rate.Reset.UTC().Format(time.RFC3339))
	case errors.As(err, &secondary):
		return errors.New("secondary rate limit; GitHub asks for fewer requests")
	case errors.As(err, &app) && app.Response != nil:
		_ = app.Response.Body.Close()
		return fmt.Errorf("no token for the App's installation (HTTP %d); check appID, installationID and privateKey", app.Response.StatusCode)
	case errors.As(err, &answer) && answer.Response != nil:
		return errors.New(c.way.Scrub(said(answer)))
	}
	if text := c.way.Scrub(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// said is GitHub's refusal on one line.
func said(e *gh.ErrorResponse) string {
	out := []string{e.Message}
	for _, x := range e.Errors {
		out = append(out, strings.TrimSpace(x.Field+" "+x.Code+" "+x.Message))
	}
	text := strings.Join(strings.Fields(strings.Join(out, "; ")), " ")
	if r := []rune(text); len(r) > 300 {
		text = string(r[:300]) + "…"
	}
	text = fmt.Sprintf("HTTP %d %s", e.Response.StatusCode, text)
	switch {
	case e.Response.Header.Get("X-GitHub-SSO") != "":
		text += " (the organisation demands single sign-on; authorise the token for it)"
	case e.Response.StatusCode == http.StatusUnauthorized:
		text += " (GitHub does not take the credentials)"
	case e.Response.StatusCode == http.StatusForbidden:
		text += " (the credentials lack a right, or the organisation manages this elsewhere, such as by team synchronisation; doctor names missing rights)"
	}
	return text
}
