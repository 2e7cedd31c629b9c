package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
)

// perStatement is how many accounts one statement names.
const perStatement = 200

// rounds is how often the result is read back and mended, where another writer's
// statement came in between.
const rounds = 4

// batch is the work on one list of acts. There are no transactions of grants: each
// statement counts at once, and what was reached is what the grant tables say.
type batch struct {
	*connector
	server server
	acts   []connectors.Act
	items  []held
	errs   []error
	fixed  []bool // acts that cannot be done: their error stays
	failed map[held]error
}

// Apply makes one statement for all accounts that gain or lose an entitlement, and
// reads the grant tables back.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	b := &batch{
		connector: c, acts: acts, items: make([]held, len(acts)), errs: make([]error, len(acts)),
		fixed: make([]bool, len(acts)), failed: map[held]error{},
	}
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
			b.errs[i] = fmt.Errorf("%s: %s %s for %+.80q: %w", c.target, verb, g.Entitlement, g.Account, explain(err))
		}
	}
	return b.errs
}

func (b *batch) run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var err error
	if err = retry(ctx, func() (err error) { b.server, err = b.who(ctx); return err }); err != nil {
		return err
	}
	if err := retry(ctx, func() error { return b.judge(ctx) }); err != nil {
		return err
	}
	for round := 0; ; round++ {
		var left []held
		want := b.want()
		if err := retry(ctx, func() error { left, err = b.left(ctx, want); return err }); err != nil {
			return err
		}
		if len(left) == 0 {
			return nil
		}
		if round == rounds {
			b.blame(left)
			return nil
		}
		if err := b.change(ctx, left, want); err != nil {
			return err
		}
	}
}

// judge finds the acts that cannot be done, whatever the grant tables hold.
func (b *batch) judge(ctx context.Context) error {
	some := map[account]bool{}
	for i, a := range b.acts {
		e, err := readText(a.Grant.Entitlement)
		acc, aerr := readAccount(a.Grant.Account)
		b.items[i] = held{acc, e}
		switch {
		case err != nil:
			b.fix(i, err)
		case aerr != nil && !a.Revoke:
			b.fix(i, aerr)
		case aerr != nil:
			b.fix(i, nil) // no such account can hold anything
		case acc.user == b.user:
			b.fix(i, errors.New("the account is the reconciler's own: without its rights it could end nobody's access"))
		case e.unlocked && !a.Revoke && ofServer(acc.user):
			b.fix(i, errors.New("the account is the server's own, and locked so that nobody can log in as it"))
		default:
			some[acc] = true
			if err := b.allowed(b.server, e); err != nil && !a.Revoke {
				b.fix(i, err)
			}
		}
	}
	exist, err := b.accounts(ctx, b.server, some)
	if err != nil {
		return err
	}
	for i, a := range b.acts {
		if !b.fixed[i] && !a.Revoke && !exist[b.items[i].account] {
			b.fix(i, fmt.Errorf("%q: %w", a.Grant.Account, connectors.ErrNoAccount))
		}
	}
	return nil
}

func (b *batch) fix(i int, err error) { b.fixed[i], b.errs[i] = true, err }

// want says for each entry whether it must be there: the later act decides.
func (b *batch) want() map[held]bool {
	want := map[held]bool{}
	for i, a := range b.acts {
		if !b.fixed[i] {
			want[b.items[i]] = !a.Revoke
		}
	}
	return want
}

// left returns the entries that are not yet as wanted, in a stable order.
func (b *batch) left(ctx context.Context, want map[held]bool) (left []held, err error) {
	ents := map[entitlement]bool{}
	for h := range want {
		ents[h.entitlement] = true
	}
	now, err := b.holders(ctx, b.server, ents)
	if err != nil {
		return nil, err
	}
	for h, there := range want {
		if now[h] != there {
			left = append(left, h)
		}
	}
	slices.SortFunc(left, func(x, y held) int {
		return strings.Compare(x.text()+"\x00"+x.account.sql(), y.text()+"\x00"+y.account.sql())
	})
	return left, nil
}

// change makes the statements: those that take away first. A list that fails is
// repeated account by account, so that one cannot keep back the others.
func (b *batch) change(ctx context.Context, left []held, want map[held]bool) error {
	for _, revoke := range []bool{true, false} {
		var e entitlement
		var list []account
		flush := func() error {
			err := b.statement(ctx, e, revoke, list)
			list = nil
			return err
		}
		for _, h := range left {
			if want[h] == revoke {
				continue
			}
			if len(list) == perStatement || len(list) > 0 && h.entitlement != e {
				if err := flush(); err != nil {
					return err
				}
			}
			e, list = h.entitlement, append(list, h.account)
		}
		if len(list) > 0 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *batch) statement(ctx context.Context, e entitlement, revoke bool, list []account) error {
	err := retry(ctx, func() error {
		_, err := b.db.ExecContext(ctx, e.statement(b.server, revoke, list))
		return err
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil || !answered(err):
		return err // the connection, not the statement
	case len(list) == 1:
		b.failed[held{list[0], e}] = err // the read-back decides: it may be gone already
		return nil
	}
	for i := range list {
		if err := b.statement(ctx, e, revoke, list[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// blame gives the acts whose entries did not become as wanted their error.
func (b *batch) blame(left []held) {
	for i := range b.acts {
		if b.fixed[i] || !slices.Contains(left, b.items[i]) {
			continue
		}
		b.errs[i] = b.failed[b.items[i]]
		if b.errs[i] == nil {
			b.errs[i] = errors.New("the server accepted it, but does not show it")
		}
	}
}
