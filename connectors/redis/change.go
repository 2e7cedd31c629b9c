package redis

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// perChange is how many accounts one transaction changes.
const perChange = 50

// edit is what a transaction does to one account. Selectors cannot be removed one by
// one: to remove one, all are cleared and the others are made again, in one command.
type edit struct {
	account string
	clear   bool
	keep    []string // rules of selectors, after a clear
	add     []string // rules of selectors, each added by a command of its own
}

// outcome is what the transaction found before its edit and after it: nobody could
// come in between.
type outcome struct {
	before, after *user
	cleared       error
	added         []error
}

// commit makes the edits and has the server write them to disk, in one transaction.
// The server carries on where a command of it fails; the others count.
func (c *connector) commit(ctx context.Context, edits []edit) (out []outcome, err error) {
	type answers struct{ before, clear, after *redis.Cmd }
	cmds, adds := make([]answers, len(edits)), make([][]*redis.Cmd, len(edits))
	var saved *redis.Cmd
	_, failed := c.db.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for i, e := range edits {
			cmds[i].before = p.Do(ctx, "ACL", "GETUSER", e.account)
			if e.clear {
				args := []any{"ACL", "SETUSER", e.account, "clearselectors"}
				for _, rule := range e.keep {
					args = append(args, rule)
				}
				cmds[i].clear = p.Do(ctx, args...)
			}
			for _, rule := range e.add {
				adds[i] = append(adds[i], p.Do(ctx, "ACL", "SETUSER", e.account, rule))
			}
			cmds[i].after = p.Do(ctx, "ACL", "GETUSER", e.account)
		}
		saved = p.Do(ctx, c.saving()...)
		return nil
	})
	for i := range edits {
		var o outcome
		if o.before, err = shown(cmds[i].before); err != nil {
			return nil, err // nothing of it was carried out, or its answers are lost
		}
		if o.after, err = shown(cmds[i].after); err != nil {
			return nil, err
		}
		if cmds[i].clear != nil {
			o.cleared = cmds[i].clear.Err()
		}
		for _, cmd := range adds[i] {
			o.added = append(o.added, cmd.Err())
		}
		out = append(out, o)
	}
	if err := saved.Err(); err != nil {
		return out, c.unsaved(err)
	}
	if failed != nil && !answered(failed) && !errors.Is(failed, redis.Nil) {
		return out, failed
	}
	return out, nil
}

// change carries out plans for some accounts.
func (b *batch) change(ctx context.Context, plans []*plan) error {
	edits := make([]edit, len(plans))
	for i, p := range plans {
		e := edit{account: p.account, clear: len(p.remove) > 0}
		for _, s := range p.now.selectors {
			if have, ok := s.entitlement(); ok && p.remove[have] {
				continue
			}
			if e.clear && s.other {
				// What this version of the server has besides would be lost.
				err := errors.New("the account has a selector of a kind that this connector cannot write again, so none can be removed")
				for gone := range p.remove {
					b.failed[held{p.account, gone}] = err
				}
				e.clear, p.remove = false, nil
			}
			e.keep = append(e.keep, s.rule())
		}
		for _, a := range p.add {
			e.add = append(e.add, a.rule())
		}
		edits[i] = e
	}
	b.saved = false
	out, err := b.commit(ctx, edits)
	for i, o := range out {
		p := plans[i]
		for gone := range p.remove {
			b.failed[held{p.account, gone}] = o.cleared
		}
		for n, a := range p.add {
			b.failed[held{p.account, a}] = o.added[n]
		}
		if o.before == nil || edits[i].clear && o.cleared == nil && !slices.Equal(o.before.rules(), p.now.rules()) {
			err = errors.Join(err, b.mend(ctx, p, o))
		}
		if o.before == nil {
			b.gone(p.account)
		}
	}
	b.saved = err == nil
	return err
}

// mendTime bounds how long is spent on what another hand did between our look and our
// transaction. It is not cut short by the caller: what was lost is that hand's.
const mendTime = 10 * time.Second

// mend puts right an account that had changed between our look and our transaction.
// The transaction itself says what was there, so that nothing is lost: what had been
// added is added again, what had been removed is removed again. If the account had
// been removed, the transaction has made an empty one, which cannot log in; it is left
// without selectors, and not removed, because somebody may be making it anew.
func (c *connector) mend(ctx context.Context, p *plan, o outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendTime)
	defer cancel()
	expected, found := p.now, o.before
	if found == nil {
		found = &user{}
		expected = o.after
	}
	wrote := o.after
	for wrote != nil {
		goal := merge(wrote.rules(), expected.rules(), found.rules())
		if slices.Equal(goal, wrote.rules()) {
			return nil
		}
		var next outcome
		err := retry(ctx, func() error {
			out, err := c.commit(ctx, []edit{{account: p.account, clear: true, keep: goal}})
			if len(out) == 1 {
				next = out[0]
				err = errors.Join(err, next.cleared)
			}
			return err
		})
		if err != nil || next.before == nil {
			return err
		}
		expected, found, wrote = wrote, next.before, next.after
	}
	return nil
}

// merge applies to rules what another hand did between expected and found.
func merge(rules, expected, found []string) []string {
	added, removed := minus(found, expected), minus(expected, found)
	return append(minus(rules, removed), added...)
}

// minus returns what is in a and not in b, counting each as often as it is there.
func minus(a, b []string) []string {
	less := map[string]int{}
	for _, x := range b {
		less[x]++
	}
	out := []string{}
	for _, x := range a {
		if less[x] > 0 {
			less[x]--
			continue
		}
		out = append(out, x)
	}
	return out
}
