package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tenure-dev/tenure/connectors"
)

// rounds is how often the result is read back and mended, where another writer came
// in between.
const rounds = 4

// batch is the work on one list of acts.
type batch struct {
	*connector
	acts   []connectors.Act
	ents   []entitlement
	errs   []error
	fixed  []bool // acts whose result is known: their error stays
	failed map[held]error
	saved  bool // the server has written to disk what it has now
}

// held is one selector of one account.
type held struct {
	account string
	entitlement
}

// Apply adds and removes selectors, a transaction of the server for up to 50 accounts,
// reads them back, and has the server write its access lists to disk: also when there
// was nothing to change, as an earlier call may have come no further than memory.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	b := &batch{
		connector: c, acts: acts, ents: make([]entitlement, len(acts)), errs: make([]error, len(acts)),
		fixed: make([]bool, len(acts)), failed: map[held]error{},
	}
	if len(acts) == 0 {
		return b.errs
	}
	if err := b.run(ctx); err != nil {
		for i := range b.errs {
			if !b.fixed[i] || b.errs[i] == nil {
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
			b.errs[i] = fmt.Errorf("%s: %s %s for %+.80q: %w", c.target, verb, g.Entitlement, g.Account, explain(err))
		}
	}
	return b.errs
}

func (b *batch) run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.read()
	if err := retry(ctx, func() error { return b.judge(ctx) }); err != nil {
		return err
	}
	for round := 0; ; round++ {
		var plans []*plan
		var err error
		if err = retry(ctx, func() error { plans, err = b.plans(ctx); return err }); err != nil {
			return err
		}
		if len(plans) == 0 {
			if b.saved || !slices.Contains(b.errs, nil) {
				return nil
			}
			return retry(ctx, func() error { return b.write(ctx) })
		}
		if round == rounds {
			b.blame(plans)
			return nil
		}
		for part := range slices.Chunk(plans, perChange) {
			// After a connection broke, the next round looks how far it came.
			if err := b.change(ctx, part); err != nil && (ctx.Err() != nil || !retryable(err)) {
				return err
			}
		}
	}
}

func (b *batch) fix(i int, err error) { b.fixed[i], b.errs[i] = true, err }

// read finds the acts that cannot be done, whatever the server has.
func (b *batch) read() {
	for i, a := range b.acts {
		e, err := readText(a.Grant.Entitlement)
		b.ents[i] = e
		switch {
		case err != nil:
			b.fix(i, err)
		case b.leftAlone(a.Grant.Account) != nil:
			b.fix(i, b.leftAlone(a.Grant.Account))
		case !a.Revoke:
			if err := checkAccount(a.Grant.Account); err != nil {
				b.fix(i, err)
			}
		}
	}
}

// judge finds the grants that the server or the settings do not allow. Revokes are
// limited by nothing.
func (b *batch) judge(ctx context.Context) error {
	if !slices.ContainsFunc(b.acts, func(a connectors.Act) bool { return !a.Revoke }) {
		return nil
	}
	cat, err := b.catalogue(ctx)
	if err != nil {
		return err
	}
	lost, err := b.keeps(ctx, cat)
	if err != nil {
		return err
	}
	for i, a := range b.acts {
		if b.fixed[i] || a.Revoke {
			continue
		}
		err := lost
		if err == nil {
			err = errors.Join(b.allowed(cat, b.ents[i]), b.readable(a.Grant.Account, b.ents[i]))
		}
		if err != nil {
			b.fix(i, err)
		}
	}
	return nil
}

// plan is what has to change for one account.
type plan struct {
	account string
	now     *user
	add     []entitlement
	remove  map[entitlement]bool
}

// plans reads the accounts and compares: the later act decides.
func (b *batch) plans(ctx context.Context) ([]*plan, error) {
	want := map[string]map[entitlement]bool{}
	for i, a := range b.acts {
		if b.fixed[i] {
			continue
		}
		if want[a.Grant.Account] == nil {
			want[a.Grant.Account] = map[entitlement]bool{}
		}
		want[a.Grant.Account][b.ents[i]] = !a.Revoke
	}
	names := slices.Sorted(maps.Keys(want))
	users, err := b.users(ctx, names)
	if err != nil {
		return nil, err
	}
	var out []*plan
	for i, name := range names {
		u := users[i]
		if u == nil {
			b.gone(name)
			continue
		}
		if u.root.other { // a selector of ours would not be found again
			b.newer(name)
		}
		p := &plan{account: name, now: u, remove: map[entitlement]bool{}}
		for e, there := range want[name] {
			switch has := u.has(e); {
			case there && !has && u.root.other:
			case there && !has:
				p.add = append(p.add, e)
			case !there && has:
				p.remove[e] = true
			}
		}
		slices.SortFunc(p.add, entitlement.compare)
		if len(p.add)+len(p.remove) > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}

// gone settles the acts on an account that does not exist.
func (b *batch) gone(account string) {
	for i, a := range b.acts {
		if b.fixed[i] || a.Grant.Account != account {
			continue
		}
		b.fix(i, nil)
		if !a.Revoke {
			b.fix(i, fmt.Errorf("%q: %w", account, connectors.ErrNoAccount))
		}
	}
}

// newer refuses grants to an account that has more to it than is known here.
func (b *batch) newer(account string) {
	for i, a := range b.acts {
		if !b.fixed[i] && !a.Revoke && a.Grant.Account == account {
			b.fix(i, errNewer)
		}
	}
}

// blame gives the acts that did not become as wanted their error.
func (b *batch) blame(left []*plan) {
	for _, p := range left {
		for i, a := range b.acts {
			if b.fixed[i] || a.Grant.Account != p.account || !p.remove[b.ents[i]] && !slices.Contains(p.add, b.ents[i]) {
				continue
			}
			b.errs[i] = b.failed[held{p.account, b.ents[i]}]
			if b.errs[i] == nil {
				b.errs[i] = errors.New("the server accepted it, but does not show it")
			}
		}
	}
}
