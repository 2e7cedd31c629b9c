package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/connectors/holders"
)

// pageSize is what is asked for. The server gives less where its setting
// MAX_RESPONSE_ITEMS says so, 50 by default.
const pageSize = 50

// answer is Gitea's refusal.
type answer struct {
	status int
	text   string
	to     string // of a redirect: the path it points to
}

func (e *answer) Error() string {
	text := strings.TrimSpace(fmt.Sprintf("HTTP %d %s", e.status, e.text))
	switch {
	case e.status == http.StatusUnauthorized:
		text += " (the server does not take the token)"
	case e.status == http.StatusForbidden:
		text += " (the token or its account lacks a right; doctor names it)"
	case e.status/100 == 3:
		text = fmt.Sprintf("the server points elsewhere (HTTP %d); it has another name now", e.status)
	}
	return text
}

// said turns the outcome of a call into an error, unless its status is as wanted. The
// client takes redirects for success.
func said(resp *sdk.Response, err error, want ...int) error {
	if resp == nil || resp.Response == nil {
		if err == nil {
			err = errors.New("no answer")
		}
		return err
	}
	if err == nil && slices.Contains(want, resp.StatusCode) {
		return nil
	}
	a := &answer{status: resp.StatusCode}
	if err != nil {
		a.text = err.Error()
	}
	if u, e := url.Parse(resp.Header.Get("Location")); e == nil {
		a.to = u.Path
	}
	if err != nil && resp.StatusCode/100 == 2 {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return a
}

func status(err error) int {
	var a *answer
	if errors.As(err, &a) {
		return a.status
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

// list reads a list to its end, which is an empty page: the server may give fewer
// entries than asked for, and not all of its lists say how many there are. Where the
// first page does not say that it is all, the empty page counts as another one: who was
// on it may have moved to the first meanwhile.
func list[T any](what string, key func(T) string, next func(page int) ([]T, *sdk.Response, error)) ([]T, error) {
	return holders.Stable(what, key, func() (items []T, pages int, err error) {
		for whole := false; ; {
			part, resp, err := next(pages + 1)
			if err := said(resp, err, http.StatusOK); err != nil {
				return nil, 0, err
			}
			if len(part) == 0 && whole {
				return items, pages, nil
			}
			if len(part) == 0 {
				return items, pages + 1, nil
			}
			items = append(items, part...)
			whole = pages == 0 && resp.Header.Get("X-Total-Count") == fmt.Sprint(len(part))
			pages++
		}
	})
}

func listPage(page int) sdk.ListOptions { return sdk.ListOptions{Page: page, PageSize: pageSize} }

// self is the login of the account that the token is of.
func (c *connector) self(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.me != "" {
		return c.me, nil
	}
	u, resp, err := c.way.SDK(ctx).GetMyUserInfo()
	if err := said(resp, err, http.StatusOK); err != nil {
		return "", err
	}
	if u.UserName == "" {
		return "", errors.New("the server does not say whose the token is")
	}
	c.me = u.UserName
	return c.me, nil
}

// sees is an error unless a thing that is not shown is not there.
func (c *connector) sees(ctx context.Context, e entitlement) error {
	p, me, err := c.rights(ctx)
	if err != nil {
		return fmt.Errorf("%s is not shown, and the server does not say what the token may see: %w", e, err)
	}
	if !p.IsOwner && !p.IsAdmin {
		return fmt.Errorf("%s is not there, or hidden from %s, who does not own the organisation", e, me)
	}
	return nil
}

// rights are the token's account's in the organisation.
func (c *connector) rights(ctx context.Context) (*sdk.OrgPermissions, string, error) {
	me, err := c.self(ctx)
	if err != nil {
		return nil, "", err
	}
	p, resp, err := c.way.SDK(ctx).GetOrgPermissions(c.set.Organization, me)
	return p, me, said(resp, err, http.StatusOK)
}
