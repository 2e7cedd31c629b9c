package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	gh "github.com/google/go-github/v60/github"

	"github.com/tenure-dev/tenure/connectors"
)

var (
	loginPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
	idPattern    = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)
)

// person is an account of GitHub.
type person struct {
	id    int64
	login string
}

// account is how the target writes a person: by the number, which stays, or by the
// login, which can be given up and registered by somebody else.
func (c *connector) account(p person) string {
	if c.set.Accounts == accountsByLogin {
		return p.login
	}
	return strconv.FormatInt(p.id, 10)
}

// checkAccount refuses what is no account in the form that the target uses.
func (c *connector) checkAccount(account string) error {
	if c.set.Accounts == accountsByLogin {
		if !loginPattern.MatchString(account) {
			return fmt.Errorf("account %+.80q is not a login of GitHub", account)
		}
		return nil
	}
	if !idPattern.MatchString(account) {
		return fmt.Errorf("account %+.80q is not the number of an account of GitHub (gh api users/LOGIN --jq .id prints it; setting accounts: login allows logins)", account)
	}
	return nil
}

// resolve asks GitHub who an account is. A login must be written as GitHub writes it,
// and a login that leads to another one, because it was changed, is refused.
func (c *connector) resolve(ctx context.Context, account string) (person, error) {
	if err := c.checkAccount(account); err != nil {
		return person{}, err
	}
	var u *gh.User
	err := c.reading(ctx, func() (err error) {
		if c.set.Accounts == accountsByLogin {
			u, _, err = c.way.REST.Users.Get(ctx, account)
			return err
		}
		id, err := strconv.ParseInt(account, 10, 64)
		if err != nil {
			return err
		}
		u, _, err = c.way.REST.Users.GetByID(ctx, id)
		return err
	})
	if status(err) == http.StatusNotFound {
		return person{}, fmt.Errorf("%q: %w", account, connectors.ErrNoAccount)
	}
	if err != nil {
		return person{}, err
	}
	p := person{id: u.GetID(), login: u.GetLogin()}
	switch {
	case c.account(p) != account && c.set.Accounts == accountsByLogin:
		return person{}, fmt.Errorf("GitHub writes account %q as %q; write the same, if it is the same person", account, p.login)
	case c.account(p) != account || !loginPattern.MatchString(p.login):
		return person{}, fmt.Errorf("GitHub answers account %q with another one", account)
	case u.SuspendedAt != nil:
		return person{}, fmt.Errorf("account %q is suspended", account)
	case u.GetType() != "User":
		return person{}, fmt.Errorf("account %q is of the kind %q, and access is granted to users only", account, u.GetType())
	}
	return p, nil
}

// still demands that a person's login is the same person's after a change was made by
// it. Between the look-up and the change it may have gone to somebody else.
func (c *connector) still(ctx context.Context, p person) error {
	if c.set.Accounts == accountsByLogin {
		return nil // the login is all that was asked for
	}
	now, err := c.resolve(ctx, c.account(p))
	if err != nil {
		return err
	}
	if now.login != p.login {
		return errMoved
	}
	return nil
}

var errMoved = errors.New("its login changed while it was granted access; the next pass grants it anew")

// standing is a person's place in the organisation.
type standing struct {
	member  bool // active
	invited bool
	owner   bool
}

// standingOf asks for a person's place in the organisation.
func (c *connector) standingOf(ctx context.Context, p person) (standing, error) {
	var m *gh.Membership
	err := c.reading(ctx, func() (err error) {
		m, _, err = c.way.REST.Organizations.GetOrgMembership(ctx, p.login, c.set.Organization)
		return err
	})
	if status(err) == http.StatusNotFound {
		return standing{}, nil
	}
	if err != nil {
		return standing{}, err
	}
	if m.GetUser().GetID() != p.id {
		return standing{}, fmt.Errorf("login %q went to another account; try again", p.login)
	}
	return standing{member: m.GetState() == "active", invited: m.GetState() == "pending", owner: m.GetRole() == owner}, nil
}

// self is the account that the connector acts as, if it is a user.
func (c *connector) self(ctx context.Context) (person, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.me.login != "" {
		return c.me, nil
	}
	if c.way.IsApp() {
		app, _, err := c.way.AsApp.Apps.Get(ctx, "")
		if err != nil {
			return person{}, err
		}
		c.me = person{login: app.GetSlug() + "[bot]"}
		return c.me, nil
	}
	var u *gh.User
	if err := c.reading(ctx, func() (err error) { u, _, err = c.way.REST.Users.Get(ctx, ""); return err }); err != nil {
		return person{}, err
	}
	if u.GetLogin() == "" {
		return person{}, errors.New("GitHub does not say whose the token is")
	}
	c.me = person{id: u.GetID(), login: u.GetLogin()}
	return c.me, nil
}

// is reports whether two answers of GitHub are of the same account.
func (p person) is(u *gh.User) bool {
	return u != nil && (p.id != 0 && u.GetID() == p.id || p.id == 0 && p.login != "" && u.GetLogin() == p.login)
}
