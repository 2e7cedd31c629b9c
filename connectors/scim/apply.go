package scim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/connectors/group"
	"github.com/tenure-dev/tenure/connectors/rest"
)

// rounds is how often a group is read back and mended, where another writer came in
// between.
const rounds = 5

// errNotShown is the error of an act that the server took without effect.
var errNotShown = errors.New("the server accepted it, but does not show it")

// batch is the work on one list of acts.
type batch struct {
	*connector
	acts  []connectors.Act
	errs  []error
	users []string // of each act: the user's id; "": there is nothing to do
}

// Apply changes each group by one request for all its members, and reads it back.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	b := &batch{connector: c, acts: acts, errs: make([]error, len(acts)), users: make([]string, len(acts))}
	if len(acts) == 0 {
		return b.errs
	}
	if err := b.run(ctx); err != nil {
		for i := range b.errs {
			if b.errs[i] == nil {
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

// run sorts the acts by group and works on a few groups at once. Its error is one that
// stands in the way of all acts.
func (b *batch) run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := b.who(ctx)
	if err != nil {
		return err
	}
	if !s.patch && !s.etag {
		return errors.New("the server has neither PATCH nor ETags (its ServiceProviderConfig says so), so that members cannot be changed without undoing somebody else's change")
	}
	groups := map[group.Entitlement][]int{}
	for i, a := range b.acts {
		e, err := readText(a.Grant.Entitlement)
		if err == nil && !a.Revoke {
			err = e.Allowed(b.connector.groups)
		}
		if err != nil {
			b.errs[i] = err
			continue
		}
		groups[e] = append(groups[e], i)
	}
	if err := b.lookUp(ctx); err != nil {
		return err
	}
	return rest.Each(ctx, parallel, slices.Collect(maps.Keys(groups)), func(ctx context.Context, e group.Entitlement) error {
		b.group(ctx, e, groups[e])
		return nil
	})
}

// lookUp finds the user of every act that is not refused already.
func (b *batch) lookUp(ctx context.Context) error {
	wanted := map[string]bool{}
	for i, a := range b.acts {
		name := a.Grant.Account
		if err := rules().CheckName(name); err != nil {
			if !a.Revoke && b.errs[i] == nil {
				b.errs[i] = err
			}
		} else if b.errs[i] == nil {
			wanted[name] = true
		}
	}
	found, failed, err := b.byName(ctx, slices.Collect(maps.Keys(wanted)))
	if err != nil {
		return err
	}
	for i, a := range b.acts {
		if b.errs[i] != nil || !wanted[a.Grant.Account] {
			continue
		}
		switch list := found[a.Grant.Account]; {
		case failed[a.Grant.Account] != nil:
			b.errs[i] = failed[a.Grant.Account]
		case len(list) == 1:
			b.users[i] = list[0].ID
		case len(list) > 1:
			b.errs[i] = errors.New("several users of the server have that userName")
		case !a.Revoke:
			b.errs[i] = fmt.Errorf("%q: %w", a.Grant.Account, connectors.ErrNoAccount)
		}
	}
	return nil
}

// group brings one group to where the acts on it want it. Of several acts on one member
// the last decides.
func (b *batch) group(ctx context.Context, e group.Entitlement, acts []int) {
	want := map[string]bool{} // user's id -> is a member
	for _, i := range acts {
		if b.errs[i] == nil && b.users[i] != "" {
			want[b.users[i]] = !b.acts[i].Revoke
		}
	}
	if len(want) == 0 {
		return
	}
	failed, err := b.settle(ctx, e, want)
	for _, i := range acts {
		id := b.users[i]
		if b.errs[i] != nil || id == "" {
			continue
		}
		if b.errs[i] = failed[id]; err != nil && !(b.acts[i].Revoke && errors.Is(err, errAbsent)) {
			b.errs[i] = err
		}
	}
}

// settle changes the group until it shows what is wanted. Who is to go is taken away even
// if the group does not show them: the server may leave out members of a long list. It
// returns what went wrong with single members, or with all.
func (b *batch) settle(ctx context.Context, e group.Entitlement, want map[string]bool) (map[string]error, error) {
	g, err := b.find(ctx, e)
	if err != nil {
		return nil, err
	}
	s, err := b.who(ctx)
	if err != nil {
		return nil, err
	}
	failed := map[string]error{}
	for round := 0; ; round++ {
		now, err := b.load(ctx, g.ID)
		if err != nil {
			return nil, err
		}
		there := map[string]bool{}
		for _, m := range now.Members {
			there[m.Value] = true
		}
		var ch change
		for _, id := range slices.Sorted(maps.Keys(want)) {
			switch {
			case round == 0 && s.patch && !want[id]:
				ch.remove = append(ch.remove, id)
			case want[id] == there[id]:
				delete(failed, id)
			case want[id]:
				ch.add = append(ch.add, id)
			default:
				ch.remove = append(ch.remove, id)
			}
		}
		if ch.size() == 0 {
			return nil, nil
		}
		left := slices.Concat(ch.add, ch.remove)
		refused := !slices.ContainsFunc(left, func(id string) bool { return failed[id] == nil })
		if round == rounds || round > 1 && refused {
			for _, id := range left {
				if failed[id] == nil {
					failed[id] = errNotShown
				}
			}
			return failed, nil
		}
		clear(failed)
		if err := b.change(ctx, g.ID, ch, failed); err != nil {
			return nil, err
		}
	}
}
