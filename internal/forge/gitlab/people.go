package gitlab

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"

	gl "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/tenure-dev/tenure/internal/forge"
)

// people remembers which accounts are bots. Whether an account is one never
// changes, and lists do not say it.
type people struct {
	mu   sync.Mutex
	bots map[int64]bool
}

// ghostName is what the account is called that stands for all deleted ones, also
// where somebody had the name before. A person who is called so is taken for it:
// that can refuse, never grant.
var ghostName = regexp.MustCompile(`^ghost[0-9]*$`)

// identity says who an account is. The account of a deleted user has no number; a
// blocked one is no user's.
func (g *Client) identity(ctx context.Context, id int64, login, state string) (forge.Identity, error) {
	who := forge.Identity{Host: g.host, ID: id, Login: login, Type: "User"}
	if id == 0 || ghostName.MatchString(login) {
		who.ID = 0
		return who, nil
	}
	bot, err := g.isBot(ctx, id)
	switch {
	case errors.Is(err, forge.ErrNotFound): // deleted since
		who.ID = 0
	case err != nil:
		return forge.Identity{}, err
	case bot:
		who.Type = "Bot"
	case state != "active" && state != "deactivated": // the latter was only away for long
		who.Type = "Blocked"
	}
	return who, nil
}

func (g *Client) identityOf(ctx context.Context, u *gl.BasicUser) (forge.Identity, error) {
	if u == nil {
		return forge.Identity{Host: g.host, Type: "User"}, nil
	}
	return g.identity(ctx, u.ID, u.Username, u.State)
}

func (g *Client) isBot(ctx context.Context, id int64) (bool, error) {
	g.people.mu.Lock()
	bot, ok := g.people.bots[id]
	g.people.mu.Unlock()
	if ok {
		return bot, nil
	}
	u, _, err := g.api.Users.GetUser(id, nil, gl.WithContext(ctx))
	if err != nil {
		return false, g.failed(ctx, fmt.Sprintf("user %d", id), err)
	}
	if u.ID != id {
		return false, fmt.Errorf("gitlab: user %d: %w: the answer is about another", id, forge.ErrUnavailable)
	}
	g.people.mu.Lock()
	defer g.people.mu.Unlock()
	g.people.bots[id] = u.Bot
	return u.Bot, nil
}

// whoami returns the numeric id of the account that asks.
func (g *Client) whoami(ctx context.Context) (int64, error) {
	g.mu.Lock()
	me := g.me
	g.mu.Unlock()
	if me != 0 {
		return me, nil
	}
	u, _, err := g.api.Users.CurrentUser(gl.WithContext(ctx))
	if err != nil {
		return 0, g.failed(ctx, "the account of the token", err)
	}
	if u.ID == 0 {
		return 0, errors.New("gitlab: the account of the token has no id")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.me = u.ID
	return u.ID, nil
}
