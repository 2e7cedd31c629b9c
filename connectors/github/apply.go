package github

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// batch is one call of Apply.
type batch struct {
	c    *connector
	acts []connectors.Act
	errs []error

	mu  sync.Mutex
	who map[string]func() (place, error)
}

// work is what a batch does to one thing: indexes of acts.
type work struct {
	e               entitlement // of the thing
	grants, revokes []int
}

// Apply reads each thing once, takes away, reads it back, and gives. Of several acts
// on one grant the last decides.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	b := &batch{c: c, acts: acts, errs: make([]error, len(acts)), who: map[string]func() (place, error){}}
	last := map[grants.Grant]int{}
	for i, a := range acts {
		last[a.Grant] = i
	}
	things := b.sort(last)
	each(len(things), func(i int) { b.one(ctx, things[i]) })
	for i, a := range acts {
		if j := last[a.Grant]; j != i {
			b.errs[i] = b.errs[j]
		}
	}
	for i, a := range acts {
		if b.errs[i] == nil {
			continue
		}
		verb := "grant"
		if acts[last[a.Grant]].Revoke {
			verb = "revoke"
		}
		b.errs[i] = c.wrap(ctx, fmt.Sprintf("%s %s of %+.80q", verb, a.Grant.Entitlement, a.Grant.Account), b.errs[i])
	}
	return b.errs
}

// sort divides the acts by thing, in their order.
func (b *batch) sort(last map[grants.Grant]int) []*work {
	var out []*work
	at := map[entitlement]*work{}
	for i, a := range b.acts {
		if last[a.Grant] != i {
			continue
		}
		e, err := read(a.Grant.Entitlement)
		if err != nil {
			b.errs[i] = err
			continue
		}
		w := at[e.thing()]
		if w == nil {
			w = &work{e: e.thing()}
			at[e.thing()] = w
			out = append(out, w)
		}
		if a.Revoke {
			w.revokes = append(w.revokes, i)
		} else {
			w.grants = append(w.grants, i)
		}
	}
	return out
}

// one does all that is to be done to one thing. Revokes come first: a change from one
// permission to another is a revoke and a grant.
func (b *batch) one(ctx context.Context, w *work) {
	t := b.c.thing(w.e)
	now, err := t.look(ctx)
	if err != nil {
		b.fail(w.revokes, err)
		b.fail(w.grants, err)
		return
	}
	if len(w.revokes) > 0 {
		if now, err = b.revoke(ctx, t, w, now); err != nil {
			b.fail(w.grants, err)
			return
		}
	}
	b.grant(ctx, t, w, now)
}

func (b *batch) fail(acts []int, err error) {
	for _, i := range acts {
		if b.errs[i] == nil {
			b.errs[i] = err
		}
	}
}

// rounds is how often a revoke looks whether what it took is gone. Who accepts an
// invitation while it is withdrawn is found by the second look.
const rounds = 3

// revoke takes away, and reads back until it is gone. It returns what is there then.
func (b *batch) revoke(ctx context.Context, t thing, w *work, now []held) ([]held, error) {
	if team, ok := t.(*team); ok {
		over := func(p person) bool {
			return slices.ContainsFunc(w.revokes, func(i int) bool { return b.acts[i].Grant.Account == b.c.account(p) })
		}
		if err := team.cleanFailed(ctx, over); err != nil {
			b.fail(w.revokes, err)
			return now, nil // which is no reason to grant nothing
		}
	}
	todo := w.revokes
	for n := 1; ; n++ {
		var left []int
		for _, i := range todo {
			if b.errs[i] == nil && b.holds(now, i) {
				left = append(left, i)
			}
		}
		if len(left) == 0 {
			return now, nil
		}
		if n > rounds {
			b.fail(left, errors.New("GitHub still shows it after it was taken away"))
			return now, nil
		}
		each(len(left), func(k int) { b.take(ctx, t, now, left[k]) })
		var err error
		if now, err = t.look(ctx); err != nil {
			b.fail(left, err)
			return nil, err
		}
		todo = left
	}
}

// matches reports whether something held is what an act is about.
func (b *batch) matches(h held, i int) bool {
	e, err := read(b.acts[i].Grant.Entitlement)
	return err == nil && h.level == e.level && b.c.account(h.person) == b.acts[i].Grant.Account
}

func (b *batch) holds(now []held, i int) bool {
	return slices.ContainsFunc(now, func(h held) bool { return b.matches(h, i) })
}

func (b *batch) take(ctx context.Context, t thing, now []held, i int) {
	me, err := b.c.self(ctx)
	if err != nil {
		b.errs[i] = err
		return
	}
	for _, h := range now {
		switch {
		case !b.matches(h, i):
		case me.id == h.id:
			b.errs[i] = errOwn
		default:
			b.errs[i] = errors.Join(b.errs[i], t.revoke(ctx, h))
		}
	}
}

var errOwn = errors.New("it is the account that the reconciler itself acts as, which is left alone")

// grant gives what is not there. An account that has the thing at another level, or is
// to get two of them, is refused: GitHub keeps one, and the other would be lost.
func (b *batch) grant(ctx context.Context, t thing, w *work, now []held) {
	var todo []int
	planned := map[string]string{} // account -> level
	for _, i := range w.grants {
		e, err := read(b.acts[i].Grant.Entitlement)
		if err == nil {
			err = b.c.set.allowed(e)
		}
		account := b.acts[i].Grant.Account
		there := false
		for _, h := range now {
			if err != nil || h.expired || b.c.account(h.person) != account {
				continue
			}
			if there = h.level == e.level; !there {
				err = fmt.Errorf("%s has %q on %s already, and GitHub keeps one; it is not changed", h.login, h.level, w.e)
			}
		}
		if level, twice := planned[account]; err == nil && !there && twice && level != e.level {
			err = fmt.Errorf("%q is given on %s at the same time, and GitHub keeps one", level, w.e)
		}
		if b.errs[i] = err; err == nil && !there {
			planned[account] = e.level
			todo = append(todo, i)
		}
	}
	each(len(todo), func(k int) { b.errs[todo[k]] = b.give(ctx, t, now, todo[k]) })
}

func (b *batch) give(ctx context.Context, t thing, now []held, i int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e, err := read(b.acts[i].Grant.Entitlement)
	if err != nil {
		return err
	}
	p, at, err := b.person(ctx, b.acts[i].Grant.Account)
	if err != nil {
		return err
	}
	me, err := b.c.self(ctx)
	if err != nil {
		return err
	}
	if me.id == p.id {
		return errOwn
	}
	for _, h := range now {
		if h.expired && h.id == p.id && h.level == e.level {
			if err := t.revoke(ctx, h); err != nil {
				return err
			}
		}
	}
	if err := t.grant(ctx, p, at, e.level); err != nil {
		return err
	}
	return b.verify(ctx, t, p)
}

// verify undoes a grant that went to whoever took a login over in that moment.
func (b *batch) verify(ctx context.Context, t thing, p person) error {
	err := b.c.still(ctx, p)
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

// place is who an account is, and where in the organisation.
type place struct {
	person
	at standing
}

// person asks GitHub once a batch who an account is.
func (b *batch) person(ctx context.Context, account string) (person, standing, error) {
	b.mu.Lock()
	f := b.who[account]
	if f == nil {
		f = sync.OnceValues(func() (place, error) {
			p, err := b.c.resolve(ctx, account)
			if err != nil {
				return place{}, err
			}
			at, err := b.c.standingOf(ctx, p)
			return place{p, at}, err
		})
		b.who[account] = f
	}
	b.mu.Unlock()
	p, err := f()
	return p.person, p.at, err
}
