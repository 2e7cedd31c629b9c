package github

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/holders"
)

// holding is a thing during one call.
type holding struct {
	c *connector
	p *people
	thing
}

var errOwn = errors.New("it is the account that the reconciler itself acts as, which is left alone")

// Look returns all holders.
func (t *holding) Look(ctx context.Context) ([]held, error) {
	found, err := t.look(ctx)
	for i := range found {
		found[i].account = t.c.account(found[i].person)
	}
	return found, err
}

// Grant finds out who the account is, clears a dead invitation away, grants, and makes
// sure that it went to that person.
func (t *holding) Grant(ctx context.Context, account, level string, now []held) error {
	p, at, err := t.p.find(ctx, account)
	if err != nil {
		return err
	}
	me, err := t.c.self(ctx)
	if err != nil {
		return err
	}
	if me.id == p.id {
		return errOwn
	}
	for _, h := range now {
		if h.expired && h.id == p.id && h.level == level {
			if err := t.revoke(ctx, h); err != nil {
				return err
			}
		}
	}
	if err := t.grant(ctx, p, at, level); err != nil {
		return err
	}
	return t.verify(ctx, p)
}

// verify undoes a grant that went to whoever took a login over in that moment.
func (t *holding) verify(ctx context.Context, p person) error {
	err := t.c.still(ctx, p)
	if err == nil || !errors.Is(err, errMoved) && !errors.Is(err, connectors.ErrNoAccount) {
		return err
	}
	now, e := t.look(ctx)
	err = errors.Join(err, e)
	for _, h := range now {
		if h.login == p.login && h.id != p.id {
			err = errors.Join(err, t.revoke(ctx, h))
		}
	}
	return err
}

// Revoke takes a hold away, but for our own account's.
func (t *holding) Revoke(ctx context.Context, h held) error {
	me, err := t.c.self(ctx)
	if err != nil {
		return err
	}
	if me.id == h.id {
		return errOwn
	}
	return t.revoke(ctx, h)
}

// Clean withdraws what a team has left behind.
func (t *holding) Clean(ctx context.Context, revoked []holders.Revoked) error {
	if err := t.otherForm(ctx, revoked); err != nil {
		return err
	}
	in, ok := t.thing.(*team)
	if !ok {
		return nil
	}
	return in.cleanFailed(ctx, func(p person) bool {
		return slices.ContainsFunc(revoked, func(r holders.Revoked) bool { return r.Account == t.c.account(p) })
	})
}

// otherForm sets an error where somebody holds the thing who was granted it while the
// setting accounts was another one: their revoke finds nothing.
func (t *holding) otherForm(ctx context.Context, revoked []holders.Revoked) error {
	byLogin := t.c.set.Accounts == accountsByLogin
	var now []held
	for i, r := range revoked {
		if r.Found || idPattern.MatchString(r.Account) != byLogin {
			continue
		}
		if now == nil {
			var err error
			if now, err = t.look(ctx); err != nil {
				return err
			}
		}
		for _, h := range now {
			if h.Has(r.Level) && (byLogin && strconv.FormatInt(h.id, 10) == r.Account || !byLogin && strings.EqualFold(h.login, r.Account)) {
				revoked[i].Err = fmt.Errorf("account %q was granted this while setting accounts was another one; set it back until that has ended", r.Account)
			}
		}
	}
	return nil
}

// place is who an account is, and where in the organisation.
type place struct {
	person
	at standing
}

// people asks GitHub once a call who an account is.
type people struct {
	c     *connector
	mu    sync.Mutex
	known map[string]func() (place, error)
}

func (b *people) find(ctx context.Context, account string) (person, standing, error) {
	b.mu.Lock()
	f := b.known[account]
	if f == nil {
		f = sync.OnceValues(func() (place, error) {
			p, err := b.c.resolve(ctx, account)
			if err != nil {
				return place{}, err
			}
			at, err := b.c.standingOf(ctx, p)
			return place{p, at}, err
		})
		b.known[account] = f
	}
	b.mu.Unlock()
	p, err := f()
	return p.person, p.at, err
}
