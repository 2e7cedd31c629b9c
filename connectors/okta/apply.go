package okta

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/group"
	"github.com/tenure-dev/tenure/connectors/rest"
	"github.com/tenure-dev/tenure/grants"
)

// batch is the work on one list of acts. What several acts need is looked up once.
type batch struct {
	*directory
	self   string
	mu     sync.Mutex
	groups map[group.Entitlement]func() (groupDoc, error)
	safe   map[string]func() (struct{}, error)
	users  map[string]func() (user, error)
	others map[string]string // login -> how Okta spells it
}

// Apply makes one request for each change, a few at once: the API changes one user at a
// time. Of several acts on one grant the last decides.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	errs := make([]error, len(acts))
	if len(acts) == 0 {
		return errs
	}
	last := map[grants.Grant]int{}
	for i, a := range acts {
		last[a.Grant] = i
	}
	b := &batch{
		directory: c.directory(ctx), groups: map[group.Entitlement]func() (groupDoc, error){}, safe: map[string]func() (struct{}, error){},
		users: map[string]func() (user, error){}, others: map[string]string{},
	}
	err := ctx.Err()
	if err == nil {
		b.self, err = c.ourselves(ctx)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, i := range slices.Sorted(maps.Values(last)) {
		if err != nil {
			errs[i] = c.wrap(verb(acts[i]), err)
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := b.act(ctx, acts[i]); err != nil {
				g := acts[i].Grant
				errs[i] = fmt.Errorf("%s: %s %s for %+.80q: %w", c.target, verb(acts[i]), g.Entitlement, g.Account, err)
			}
		})
	}
	wg.Wait()
	for i, a := range acts {
		errs[i] = errs[last[a.Grant]]
	}
	return errs
}

func verb(a connectors.Act) string {
	if a.Revoke {
		return "revoke"
	}
	return "grant"
}

func (b *batch) act(ctx context.Context, a connectors.Act) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e, err := readText(a.Grant.Entitlement)
	if err != nil {
		return err
	}
	login := a.Grant.Account
	if err := checkLogin(login); err != nil {
		if a.Revoke {
			return nil // no such account can hold anything
		}
		return err
	}
	if !a.Revoke {
		if err := e.Allowed(b.connector.groups); err != nil {
			return err
		}
	}
	g, err := once(b, b.groups, e, func() (groupDoc, error) { return b.find(ctx, e) })
	switch {
	case errors.Is(err, errAbsent) && a.Revoke:
		return nil
	case err != nil:
		return err
	case g.Type != managed:
		return fmt.Errorf("%s: it is of the type %+.40q: something else than Okta manages its members", e, g.Type)
	}
	u, err := once(b, b.users, login, func() (user, error) {
		u, other, err := b.findUser(ctx, login)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.others[login] = other
		return u, err
	})
	switch {
	case err != nil:
		return err
	case u.ID == "" && a.Revoke:
		return nil
	case u.ID == "":
		return b.noAccount(login)
	case u.ID == b.self:
		return errors.New("the account is the reconciler's own: without its rights it could end nobody's access")
	}
	if !a.Revoke {
		if _, err := once(b, b.safe, g.ID, func() (struct{}, error) { return struct{}{}, b.harmless(ctx, e, g) }); err != nil {
			return err
		}
	}
	method := "PUT"
	if a.Revoke {
		method = "DELETE"
	}
	err = b.do(ctx, method, nil, nil, "groups", g.ID, "users", u.ID)
	if rest.Missing(err) && a.Revoke {
		return nil
	}
	return err
}

func (b *batch) noAccount(login string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if other := b.others[login]; other != "" {
		return fmt.Errorf("%q: %w; Okta has one that is spelled %+.80q", login, connectors.ErrNoAccount, other)
	}
	return fmt.Errorf("%q: %w", login, connectors.ErrNoAccount)
}

// once does a look-up once a batch, and hands its result to all who ask.
func once[K comparable, V any](b *batch, known map[K]func() (V, error), key K, look func() (V, error)) (V, error) {
	b.mu.Lock()
	f, ok := known[key]
	if !ok {
		f = sync.OnceValues(look)
		known[key] = f
	}
	b.mu.Unlock()
	return f()
}

// harmless refuses a group that makes its members administrators, unless the setting
// groups lists it. What may not be looked at is refused, too.
func (c *connector) harmless(ctx context.Context, e group.Entitlement, g groupDoc) error {
	if e.In(c.groups) {
		return nil
	}
	var roles []struct{ Type string }
	err := c.do(ctx, "GET", nil, &roles, "groups", g.ID, "roles")
	switch {
	case rest.Refused(err):
		return fmt.Errorf("%s: whether it makes its members administrators cannot be seen; give the right to read roles, or list it in the target's setting groups: %w", e, err)
	case err != nil:
		return about(e, err)
	case roles == nil:
		return about(e, errors.New("the server's list of its administrator roles is no list"))
	case len(roles) > 0:
		return fmt.Errorf("%s: it makes its members administrators (%.80s); list it in the target's setting groups to grant it nevertheless", e, roles[0].Type)
	}
	return nil
}
