package rabbitmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/connectors"
)

const (
	// rounds is how often the result is read back and mended, where another writer
	// came in between.
	rounds = 8
	// settle is how long after a change it is read back. The API has no conditional
	// request: another writer who had read before our change may write after it, and
	// this is longer than it takes between the two.
	settle = 50 * time.Millisecond
	// fewRows are read one by one; for more, the whole list is one request.
	fewRows = 20
)

// key is one object that is read, changed and written back: a permission's row, or a
// user where vhost is empty.
type key struct{ vhost, account string }

// held is one entitlement of one account.
type held struct {
	account string
	entitlement
}

// batch is the work on one list of acts.
type batch struct {
	*connector
	acts  []connectors.Act
	ents  []entitlement
	errs  []error
	fixed []bool // acts whose result is known: their error stays
}

// Apply changes each row of permissions and each user once, whatever the number of
// acts on it, a few at a time, and reads the result back.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	b := &batch{connector: c, acts: acts, ents: make([]entitlement, len(acts)), errs: make([]error, len(acts)), fixed: make([]bool, len(acts))}
	if len(acts) == 0 {
		return b.errs
	}
	if err := b.run(ctx); err != nil {
		for i := range b.errs {
			if !b.fixed[i] {
				b.errs[i] = err
			}
		}
	}
	for i, err := range b.errs {
		if err != nil {
			verb, g := "grant", acts[i].Grant
			if acts[i].Revoke {
				verb = "revoke"
			}
			b.errs[i] = fmt.Errorf("%s: %s %s for %+.80q: %w", c.target, verb, g.Entitlement, g.Account, err)
		}
	}
	return b.errs
}

func (b *batch) run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.judge()
	for round := 0; ; round++ {
		want := b.want()
		todo, err := b.todo(ctx, want)
		if err != nil || len(todo) == 0 {
			return err
		}
		if round == rounds {
			for _, k := range todo {
				b.fail(k, errors.New("the broker accepted it, but does not show it; somebody else may be changing the same account"))
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b.writing <- struct{}{}:
		}
		failed := each(todo, func(k key) error {
			return b.api.again(ctx, func() error { // from the reading on
				if k.vhost == "" {
					return b.changeTags(ctx, k.account, want[k])
				}
				return b.changeRow(ctx, k, want[k])
			})
		})
		<-b.writing
		for i, err := range failed {
			if err != nil {
				b.fail(todo[i], err)
			}
		}
		if err := pause(ctx, time.Duration(round+1)*settle); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// judge finds the acts that cannot be done, whatever the broker has.
func (b *batch) judge() {
	for i, a := range b.acts {
		e, err := readText(a.Grant.Entitlement)
		b.ents[i] = e
		if err == nil {
			err = b.leftAlone(a.Grant.Account)
		}
		if err == nil && !a.Revoke {
			if err = connectors.CheckName(a.Grant.Account); err == nil {
				err = b.allowed(e)
			}
		}
		if err != nil || a.Grant.Account == "" { // nobody has no name, and nobody holds nothing
			b.fixed[i], b.errs[i] = true, err
		}
	}
}

// want says of each object which entitlements must be in it: the later act decides.
func (b *batch) want() map[key]map[entitlement]bool {
	want := map[key]map[entitlement]bool{}
	for i, a := range b.acts {
		if b.fixed[i] {
			continue
		}
		k := key{b.ents[i].vhost, a.Grant.Account}
		if want[k] == nil {
			want[k] = map[entitlement]bool{}
		}
		want[k][b.ents[i]] = !a.Revoke
	}
	return want
}

// todo returns the objects that are not yet as wanted.
func (b *batch) todo(ctx context.Context, want map[key]map[entitlement]bool) (todo []key, err error) {
	keys := slices.Collect(maps.Keys(want))
	now, errs := b.holders(ctx, keys)
	for i, err := range errs {
		var r *refusal
		if err != nil && !errors.As(err, &r) {
			return nil, err
		}
		if err != nil { // of this one object; the others go on
			b.fail(keys[i], err)
			delete(want, keys[i])
		}
	}
	for k, ents := range want {
		for e, there := range ents {
			if now[held{k.account, e}] != there {
				todo = append(todo, k)
				break
			}
		}
	}
	slices.SortFunc(todo, func(x, y key) int {
		return cmp.Or(cmp.Compare(x.account, y.account), cmp.Compare(x.vhost, y.vhost))
	})
	return todo, nil
}

// fail settles the acts on an object that could not be changed. Somebody else's
// expression keeps back only what would have to stand beside it.
func (b *batch) fail(k key, err error) {
	for i, a := range b.acts {
		if b.fixed[i] || a.Grant.Account != k.account || b.ents[i].vhost != k.vhost {
			continue
		}
		if a.Revoke && (errors.Is(err, errForeign) || errors.Is(err, connectors.ErrNoAccount)) {
			continue
		}
		b.fixed[i], b.errs[i] = true, err
	}
}
