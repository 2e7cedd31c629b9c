package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/tenure-dev/tenure/connectors"
)

// held is one account's hold on a thing.
type held struct {
	login string
	// levels are those that the hold may be of; none: the thing has no levels. Gitea
	// tells the highest permission of a collaborator, wherever it is from. If another
	// way gives as much, the own one may be any up to it.
	levels []string
	team   int64  // number of the team in which it is
	repo   string // name of the repository on which it is
}

func (h held) Account() string { return h.login }
func (h held) Dead() bool      { return false }

// Has reports whether the hold may be of a level.
func (h held) Has(level string) bool {
	for _, l := range h.levels {
		if l == level {
			return true
		}
	}
	return level == "" && len(h.levels) == 0
}

// Level is the level, or the highest that it may be.
func (h held) Level() string {
	if len(h.levels) == 0 {
		return ""
	}
	return h.levels[len(h.levels)-1]
}

var errOwn = errors.New("it is the account that the reconciler itself acts as, which is left alone")

// notOwn refuses the reconciler's own account.
func (c *connector) notOwn(ctx context.Context, login string) error {
	me, err := c.self(ctx)
	if err != nil {
		return err
	}
	if me == login {
		return errOwn
	}
	return nil
}

// account demands that a login exists in this very spelling. Gitea does not regard
// case when it looks names up, and leads from an old name to a new one.
func (c *connector) account(ctx context.Context, login string) error {
	if err := checkName(login); err != nil {
		return fmt.Errorf("account: %w", err)
	}
	u, resp, err := c.way.SDK(ctx).GetUserInfo(login)
	err = said(resp, err, http.StatusOK)
	switch {
	case status(err) == http.StatusNotFound:
		return fmt.Errorf("%q: %w", login, connectors.ErrNoAccount)
	case status(err)/100 == 3:
		return fmt.Errorf("account %q has another name now; write that, if it is the same person", login)
	case err != nil:
		return err
	case u.UserName != login:
		return fmt.Errorf("the server writes account %q as %q; write the same", login, u.UserName)
	}
	// An organisation is an account, too, and the server would add it.
	_, resp, err = c.way.SDK(ctx).GetOrg(login)
	if err = said(resp, err, http.StatusOK); err == nil {
		return fmt.Errorf("account %q is an organisation, and access is granted to users only", login)
	}
	return gone(err)
}

// renamed is the name of now of an account that had another one; empty: it has not.
func (c *connector) renamed(ctx context.Context, login string) (string, error) {
	if checkName(login) != nil {
		return "", nil
	}
	_, resp, err := c.way.SDK(ctx).GetUserInfo(login)
	err = said(resp, err, http.StatusOK)
	var a *answer
	if errors.As(err, &a) && a.status/100 == 3 && a.to != "" {
		return path.Base(a.to), nil
	}
	return "", gone(err)
}

// users are the entries of a list, without those of deleted accounts.
func users(found []*sdk.User) (out []held, err error) {
	for _, u := range found {
		if u == nil || u.UserName == "" {
			return nil, errors.New("the server lists an account without its name")
		}
		if u.ID > 0 {
			out = append(out, held{login: u.UserName})
		}
	}
	return out, nil
}

func userKey(u *sdk.User) string {
	if u == nil {
		return ""
	}
	return fmt.Sprint(u.ID)
}
