package keycloak

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/rest"
	"github.com/tenure-dev/tenure/grants"
)

// batch is the work on one list of acts. What several acts need is looked up once.
type batch struct {
	*connector
	mu     sync.Mutex
	places map[entitlement]func() (place, error)
	users  map[string]func() (user, string, error)
	powers map[entitlement]func() error
}

// Apply makes one request for each change, a few at once: the API changes one user at a
// time. Of several acts on one grant the last decides.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	errs := make([]error, len(acts))
	last := map[grants.Grant]int{}
	for i, a := range acts {
		last[a.Grant] = i
	}
	b := &batch{
		connector: c, places: map[entitlement]func() (place, error){},
		users: map[string]func() (user, string, error){}, powers: map[entitlement]func() error{},
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, i := range slices.Sorted(maps.Values(last)) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := b.act(ctx, acts[i]); err != nil {
				verb, g := "grant", acts[i].Grant
				if acts[i].Revoke {
					verb = "revoke"
				}
				errs[i] = fmt.Errorf("%s: %s %s for %+.80q: %w", c.target, verb, g.Entitlement, g.Account, err)
			}
		})
	}
	wg.Wait()
	for i, a := range acts {
		errs[i] = errs[last[a.Grant]]
	}
	return errs
}

func (b *batch) act(ctx context.Context, a connectors.Act) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e, err := readText(a.Grant.Entitlement)
	if err != nil {
		return err
	}
	name := a.Grant.Account
	if err := checkName(name); err != nil {
		if a.Revoke {
			return nil // no such account can hold anything
		}
		return err
	}
	if name == b.self {
		return errors.New("the account is the reconciler's own: without its rights it could end nobody's access")
	}
	if !a.Revoke {
		if err := b.allowed(e); err != nil {
			return err
		}
	}
	p, err := once(b, b.places, e, func() (place, error) { return b.find(ctx, e) })()
	if errors.Is(err, errAbsent) && a.Revoke {
		return nil
	}
	if err != nil {
		return err
	}
	u, spelled, err := b.user(ctx, name)
	switch {
	case err != nil:
		return err
	case u.ID == "" && a.Revoke:
		return nil
	case u.ID == "" && spelled != "":
		return fmt.Errorf("%q: %w; the server has one that is spelled %+.80q", name, connectors.ErrNoAccount, spelled)
	case u.ID == "":
		return fmt.Errorf("%q: %w", name, connectors.ErrNoAccount)
	}
	if !a.Revoke {
		if err := b.harmless(ctx, p); err != nil {
			return err
		}
	}
	return b.change(ctx, p, u, a.Revoke)
}

// once returns the one look-up of a key in a batch.
func once[K comparable, V any](b *batch, known map[K]func() (V, error), key K, look func() (V, error)) func() (V, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := known[key]
	if !ok {
		f = sync.OnceValues(look)
		known[key] = f
	}
	return f
}

func (b *batch) user(ctx context.Context, name string) (user, string, error) {
	b.mu.Lock()
	f, ok := b.users[name]
	if !ok {
		var u user
		var spelled string
		var err error
		look := sync.OnceFunc(func() { u, spelled, err = b.findUser(ctx, name) })
		f = func() (user, string, error) { look(); return u, spelled, err }
		b.users[name] = f
	}
	b.mu.Unlock()
	return f()
}

func (b *batch) harmless(ctx context.Context, p place) error {
	b.mu.Lock()
	f, ok := b.powers[p.entitlement]
	if !ok {
		f = sync.OnceValue(func() error { return b.connector.harmless(ctx, p) })
		b.powers[p.entitlement] = f
	}
	b.mu.Unlock()
	return f()
}

// attempts of one change that meets that of another writer.
const attempts = 5

// change makes the request. What is there already, or gone already, is no error of the
// server; what went away meanwhile is gone. Two writers of one row meet in the server's
// database, which it answers with one of several errors: so it is tried again.
func (b *batch) change(ctx context.Context, p place, u user, revoke bool) error {
	for try := 1; ; try++ {
		err := b.request(ctx, p, u, revoke)
		if rest.Missing(err) && revoke {
			return nil
		}
		if try == attempts || !slices.Contains([]int{http.StatusBadRequest, http.StatusConflict, http.StatusInternalServerError}, rest.Status(err)) {
			return err
		}
		timer := time.NewTimer(time.Duration(try) * 50 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

func (b *batch) request(ctx context.Context, p place, u user, revoke bool) error {
	if p.group != "" {
		method := http.MethodPut
		if revoke {
			method = http.MethodDelete
		}
		return b.do(ctx, method, nil, nil, nil, "users", u.ID, "groups", p.chain[len(p.chain)-1].ID)
	}
	method, path := http.MethodPost, []string{"users", u.ID, "role-mappings", "realm"}
	if p.client.ID != "" {
		path = []string{"users", u.ID, "role-mappings", "clients", p.client.ID}
	}
	if revoke {
		method = http.MethodDelete
	}
	return b.do(ctx, method, nil, []map[string]string{{"id": p.role.ID, "name": p.role.Name}}, nil, path...)
}
