package holders

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
type batch[K comparable, H Held] struct {
	*Host[K, H]
	acts  []connectors.Act
	errs  []error
	slots chan struct{} // of requests
}

// work is what a batch does to one thing: indexes of acts, and the level of each.
type work[K comparable] struct {
	thing           K
	level           map[int]string
	grants, revokes []int
}

// Apply reads each thing once, takes away, reads back what it took, and gives. Of
// several acts on one grant the last decides.
func (t *Host[K, H]) Apply(ctx context.Context, acts []connectors.Act) []error {
	b := &batch[K, H]{Host: t, acts: acts, errs: make([]error, len(acts)), slots: make(chan struct{}, t.Parallel)}
	last := map[grants.Grant]int{}
	for i, a := range acts {
		last[a.Grant] = i
	}
	todo := b.sort(last)
	thing := t.Things()
	var wg sync.WaitGroup
	for _, w := range todo {
		wg.Go(func() { b.one(ctx, thing(w.thing), w) })
	}
	wg.Wait()
	for i, a := range acts {
		j := last[a.Grant]
		if j == i && b.errs[i] != nil {
			verb := "grant"
			if a.Revoke {
				verb = "revoke"
			}
			b.errs[i] = t.wrap(ctx, fmt.Sprintf("%s %s of %+.80q", verb, a.Grant.Entitlement, a.Grant.Account), b.errs[i])
		}
	}
	for i, a := range acts {
		b.errs[i] = b.errs[last[a.Grant]]
	}
	return b.errs
}

// sort divides the acts by thing, in their order.
func (b *batch[K, H]) sort(last map[grants.Grant]int) []*work[K] {
	var out []*work[K]
	at := map[K]*work[K]{}
	for i, a := range b.acts {
		if last[a.Grant] != i {
			continue
		}
		k, level, err := b.Read(a.Grant.Entitlement)
		if err != nil {
			b.errs[i] = err
			continue
		}
		w := at[k]
		if w == nil {
			w = &work[K]{thing: k, level: map[int]string{}}
			at[k] = w
			out = append(out, w)
		}
		w.level[i] = level
		if a.Revoke {
			w.revokes = append(w.revokes, i)
		} else {
			w.grants = append(w.grants, i)
		}
	}
	return out
}

// one does all that is to be done to one thing. Revokes come first: a change from one
// level to another is a revoke and a grant.
func (b *batch[K, H]) one(ctx context.Context, t Thing[H], w *work[K]) {
	now, err := b.look(ctx, t)
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

func (b *batch[K, H]) look(ctx context.Context, t Thing[H]) ([]H, error) {
	b.slots <- struct{}{}
	defer func() { <-b.slots }()
	return t.Look(ctx)
}

// each calls f for every act, as slots come free.
func (b *batch[K, H]) each(acts []int, f func(i int)) {
	var wg sync.WaitGroup
	for _, i := range acts {
		b.slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-b.slots }()
			f(i)
		})
	}
	wg.Wait()
}

func (b *batch[K, H]) fail(acts []int, err error) {
	for _, i := range acts {
		if b.errs[i] == nil {
			b.errs[i] = err
		}
	}
}

// rounds is how often a revoke takes away what it still finds. Who accepts an
// invitation while it is withdrawn is found by the second look.
const rounds = 3

var errStays = errors.New("the host still shows it after it was taken away")

// revoke takes away, and reads back until it is gone. It returns what is there then.
func (b *batch[K, H]) revoke(ctx context.Context, t Thing[H], w *work[K], now []H) ([]H, error) {
	todo := w.revokes
	var revoked []Revoked
	for _, i := range todo {
		found := slices.ContainsFunc(now, func(h H) bool { return b.is(h, w, i) })
		revoked = append(revoked, Revoked{Account: b.acts[i].Grant.Account, Level: w.level[i], Found: found})
	}
	for n := 1; ; n++ {
		left := slices.DeleteFunc(slices.Clone(todo), func(i int) bool {
			return b.errs[i] != nil || !slices.ContainsFunc(now, func(h H) bool { return b.is(h, w, i) })
		})
		if len(left) == 0 {
			break
		}
		if n > rounds {
			b.fail(left, errStays)
			break
		}
		b.each(left, func(i int) {
			for _, h := range now {
				if b.is(h, w, i) {
					b.errs[i] = errors.Join(b.errs[i], t.Revoke(ctx, h))
				}
			}
		})
		var err error
		if now, err = b.look(ctx, t); err != nil {
			b.fail(left, err)
			return nil, err
		}
		todo = left
	}
	if c, ok := t.(Cleaner); ok {
		if err := c.Clean(ctx, revoked); err != nil {
			b.fail(w.revokes, err)
		}
		for k, i := range w.revokes {
			b.errs[i] = errors.Join(b.errs[i], revoked[k].Err)
		}
	}
	return now, nil
}

// is reports whether something held is what an act is about.
func (b *batch[K, H]) is(h H, w *work[K], i int) bool {
	return h.Account() == b.acts[i].Grant.Account && h.Has(w.level[i])
}

// grant gives what is not there. An account that holds the thing at another level, or
// is to get two of them, is refused: the host keeps one, and the other would be lost.
func (b *batch[K, H]) grant(ctx context.Context, t Thing[H], w *work[K], now []H) {
	var todo []int
	planned := map[string]string{} // account -> level
	for _, i := range w.grants {
		account, level := b.acts[i].Grant.Account, w.level[i]
		if b.errs[i] = b.Allowed(w.thing, level); b.errs[i] != nil {
			continue
		}
		there, err := holds(now, account, level)
		if other, twice := planned[account]; err == nil && !there && twice {
			err = fmt.Errorf("level %q is granted at the same time, and the host keeps one", other)
		}
		if b.errs[i] = err; err == nil && !there {
			planned[account] = level
			todo = append(todo, i)
		}
	}
	b.each(todo, func(i int) {
		if b.errs[i] = ctx.Err(); b.errs[i] == nil {
			b.errs[i] = t.Grant(ctx, b.acts[i].Grant.Account, w.level[i], now)
		}
	})
}

// holds reports whether an account has a level; at another one it is an error.
func holds[H Held](now []H, account, level string) (bool, error) {
	for _, h := range now {
		if h.Dead() || h.Account() != account {
			continue
		}
		if h.Has(level) {
			return true, nil
		}
		return false, fmt.Errorf("the account has level %q of it already, by this or another hand; the host keeps one, and it is not changed", h.Level())
	}
	return false, nil
}
