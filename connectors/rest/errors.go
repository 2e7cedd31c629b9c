package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// Error is an answer with a status other than 2xx.
type Error struct {
	Method, Path string // without the query
	Status       int
	Message      string // the server's own words, shortened and without credentials
	after        time.Duration
	asked        bool // the server said how long to wait
	object       bool // the answer is an object of JSON
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s %s: status %d %s", e.Method, e.Path, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		text += ": " + e.Message
	}
	switch {
	case e.Status == http.StatusUnauthorized:
		text += " (the server does not take the reconciler's credentials)"
	case e.Status == http.StatusForbidden:
		text += " (the reconciler's own account lacks a right; doctor names it)"
	case e.Status/100 == 3:
		text += " (redirects are not followed; correct setting url)"
	case e.asked:
		text += fmt.Sprintf(" (it asks to wait %s)", e.after)
	}
	return text
}

// Status returns the status of err's answer, or 0.
func Status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// Missing reports whether the server answered that what was asked for is not there. The
// page of a proxy whose server is down, which has the same status, says no such thing:
// an API says it with an object.
func Missing(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.object && (e.Status == http.StatusNotFound || e.Status == http.StatusGone)
}

// Refused reports whether the server took the credentials for too weak or for none.
func Refused(err error) bool {
	return Status(err) == http.StatusUnauthorized || Status(err) == http.StatusForbidden
}

// maxMessage bounds what is repeated of the server's words, in bytes.
const maxMessage = 300

// failure reads an answer that is no success.
func (c *Client) failure(method, path string, resp *http.Response, body []byte) error {
	var known map[string]any
	_ = json.Unmarshal(body, &known) // what is no object stays nil
	e := &Error{Method: method, Path: path, Status: resp.StatusCode, Message: c.words(known), object: known != nil}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		e.after, e.asked = c.cfg.RetryAfter(resp.Header)
	}
	return e
}

// words are the sentence that an API explains an error with: SCIM's detail, Okta's
// errorSummary, Keycloak's errorMessage, and the like. A page of HTML is left out.
func (c *Client) words(known map[string]any) string {
	var parts []string
	for _, key := range []string{"scimType", "errorCode", "detail", "errorSummary", "errorMessage", "error", "error_description", "message"} {
		if s, ok := known[key].(string); ok && s != "" {
			parts = append(parts, s)
		}
	}
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.Join(parts, ": "))
	if c.cfg.Auth != nil {
		for _, secret := range c.cfg.Auth.Secrets() {
			if secret != "" {
				text = strings.ReplaceAll(text, secret, "***")
			}
		}
	}
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + " …"
	}
	return text
}
