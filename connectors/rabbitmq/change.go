package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
)

// changeRow reads a row, changes it and writes it back, with nothing in between.
func (c *connector) changeRow(ctx context.Context, k key, want map[entitlement]bool) error {
	now, err := c.row(ctx, k)
	if err != nil {
		return err
	}
	next, refusal := now.with(want)
	if refusal != nil {
		revokes := map[entitlement]bool{}
		for e, there := range want {
			if !there {
				revokes[e] = false
			}
		}
		if next, err = now.with(revokes); err != nil {
			return err
		}
	}
	at := path("permissions", k.vhost, k.account)
	switch {
	case same(now, next):
	case next == nil:
		err = c.api.remove(ctx, at)
	default:
		_, err = c.api.put(ctx, at, next)
	}
	if refused(err, http.StatusBadRequest) {
		err = c.why(ctx, k, err)
	}
	return errors.Join(refusal, err)
}

// row reads one row; nil: there is none.
func (c *connector) row(ctx context.Context, k key) (*row, error) {
	var r row
	ok, err := c.api.get(ctx, path("permissions", k.vhost, k.account), &r)
	if err != nil || !ok {
		return nil, err
	}
	if r.User != k.account || r.VHost != k.vhost {
		return nil, fmt.Errorf("asked for the permission of %+.80q in %+.80q, the broker answers with another", k.account, k.vhost)
	}
	return &r, nil
}

// why finds out what the broker does not say: which of the two does not exist.
func (c *connector) why(ctx context.Context, k key, err error) error {
	_, ok, uerr := c.account(ctx, k.account)
	if uerr != nil {
		return errors.Join(err, uerr)
	}
	if !ok {
		return fmt.Errorf("%q: %w", k.account, connectors.ErrNoAccount)
	}
	var vhost struct{}
	if ok, verr := c.api.get(ctx, path("vhosts", k.vhost), &vhost); verr == nil && !ok {
		return fmt.Errorf("the broker has no virtual host %q", k.vhost)
	}
	return err
}

func (c *connector) account(ctx context.Context, name string) (u account, ok bool, err error) {
	ok, err = c.api.get(ctx, path("users", name), &u)
	if err == nil && ok && u.Name != name {
		err = fmt.Errorf("asked for the user %+.80q, the broker answers with another", name)
	}
	return u, ok, err
}

// changeTags reads a user, changes its tags and writes it back, with nothing in
// between: the API takes tags only together with the password's hash.
func (c *connector) changeTags(ctx context.Context, name string, want map[entitlement]bool) error {
	u, ok, err := c.account(ctx, name)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%q: %w", name, connectors.ErrNoAccount)
	}
	if u.Hash != "" && u.Algo == "" {
		return errors.New("the broker does not say how the password is hashed, so that the user cannot be written back")
	}
	tags := slices.DeleteFunc(slices.Clone(u.Tags), func(tag string) bool {
		there, named := want[entitlement{tag: tag}]
		return named && !there
	})
	for _, e := range sorted(want) {
		if want[e] && !slices.Contains(tags, e.tag) {
			tags = append(tags, e.tag)
		}
	}
	if slices.Equal(tags, u.Tags) {
		return nil
	}
	body := map[string]any{"password_hash": u.Hash, "tags": tags}
	if u.Algo != "" {
		body["hashing_algorithm"] = u.Algo
	}
	made, err := c.api.put(ctx, path("users", name), body)
	if err != nil || !made {
		return err
	}
	// It had been removed in that very instant, and we have brought it back.
	if err := c.api.remove(ctx, path("users", name)); err != nil {
		return fmt.Errorf("the user was removed meanwhile, came back with this change, and cannot be removed again: %w", err)
	}
	return fmt.Errorf("%q: %w", name, connectors.ErrNoAccount)
}

// holders returns what is held of the objects, and an error for each that could not be
// read: one by one, or out of the whole lists where they are many.
func (c *connector) holders(ctx context.Context, keys []key) (map[held]bool, []error) {
	found := map[held]bool{}
	if len(keys) > fewRows {
		found, err := c.all(ctx, keys)
		return found, slices.Repeat([]error{err}, len(keys))
	}
	var mu sync.Mutex
	return found, each(keys, func(k key) error {
		if k.vhost == "" {
			u, _, err := c.account(ctx, k.account)
			mu.Lock()
			defer mu.Unlock()
			u.into(found)
			return err
		}
		r, err := c.row(ctx, k)
		mu.Lock()
		defer mu.Unlock()
		r.into(found)
		return err
	})
}

func (c *connector) all(ctx context.Context, keys []key) (map[held]bool, error) {
	found := map[held]bool{}
	if slices.ContainsFunc(keys, func(k key) bool { return k.vhost != "" }) {
		var list []row
		if err := c.list(ctx, "/permissions", &list); err != nil {
			return nil, err
		}
		for _, r := range list {
			r.into(found)
		}
	}
	if slices.ContainsFunc(keys, func(k key) bool { return k.vhost == "" }) {
		var list []account
		if err := c.list(ctx, "/users", &list); err != nil {
			return nil, err
		}
		for _, u := range list {
			u.into(found)
		}
	}
	return found, nil
}

// into adds what the row's own alternatives stand for.
func (r *row) into(found map[held]bool) {
	if r == nil {
		return
	}
	for _, permission := range permissions() {
		for _, form := range readExpression(*r.field(permission)).ours {
			found[held{r.User, entitlementOf(r.VHost, permission, form)}] = true
		}
	}
}

func (u account) into(found map[held]bool) {
	for _, tag := range u.Tags {
		found[held{u.Name, entitlement{tag: tag}}] = true
	}
}
