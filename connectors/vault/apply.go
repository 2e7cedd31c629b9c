package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// Apply makes many changes: one list of entities, and one write for each group. Of
// several acts on one grant the last decides.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	errs := make([]error, len(acts))
	last := map[grants.Grant]int{}
	for i, a := range acts {
		last[a.Grant] = i
	}
	byEnt := map[entitlement][]int{}
	for _, i := range last {
		e, err := readText(acts[i].Grant.Entitlement)
		if err == nil && !acts[i].Revoke {
			err = c.allowed(e)
		}
		if errs[i] = err; err == nil {
			byEnt[e] = append(byEnt[e], i)
		}
	}
	if len(byEnt) > 0 {
		c.applyAll(ctx, acts, byEnt, errs)
	}
	for _, i := range last {
		if errs[i] != nil {
			verb := "grant"
			if acts[i].Revoke {
				verb = "revoke"
			}
			errs[i] = c.wrap(fmt.Sprintf("%s %s of %+.200q", verb, acts[i].Grant.Entitlement, acts[i].Grant.Account), errs[i])
		}
	}
	for i, a := range acts {
		errs[i] = errs[last[a.Grant]]
	}
	return errs
}

func (c *connector) applyAll(ctx context.Context, acts []connectors.Act, byEnt map[entitlement][]int, errs []error) {
	p, err := c.people(ctx)
	var own string
	if err == nil {
		own, err = c.client.login.ownEntity(ctx)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for e, list := range byEnt {
		if err != nil {
			for _, i := range list {
				errs[i] = err
			}
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			b := &batch{c: c, e: e, acts: acts, errs: errs, own: own}
			b.run(ctx, p, list)
		})
	}
	wg.Wait()
}

// batch is the acts of one entitlement.
type batch struct {
	c    *connector
	e    entitlement
	acts []connectors.Act
	errs []error
	own  string // the reconciler's own entity
}

func (b *batch) run(ctx context.Context, p people, list []int) {
	slices.Sort(list)
	if err := b.exists(ctx, list); err != nil {
		// Nothing can be granted; what is to be taken away still is.
		list = slices.DeleteFunc(list, func(i int) bool {
			if !b.acts[i].Revoke {
				b.errs[i] = err
			}
			return !b.acts[i].Revoke
		})
	}
	for again := 0; ; {
		want, revoked := b.want(p, list)
		if len(want) == 0 {
			return
		}
		err := b.c.change(ctx, b.e, want)
		if err == nil {
			b.attached(ctx, revoked)
			for _, i := range list {
				if b.acts[i].Revoke && b.errs[i] == nil {
					b.c.took(b.acts[i].Grant)
				}
			}
			return
		}
		if unknownMember(err) && again < 3 && ctx.Err() == nil {
			// Somebody in the list has just been deleted: look again who is there.
			if now, listed := b.c.people(ctx); listed == nil {
				p, again = now, again+1
				continue
			}
		}
		// What is to be taken away is not kept back by what cannot be given.
		grants := slices.ContainsFunc(list, func(i int) bool { return !b.acts[i].Revoke && b.errs[i] == nil })
		list = slices.DeleteFunc(list, func(i int) bool {
			fails := b.errs[i] == nil && (!grants || !b.acts[i].Revoke)
			if fails {
				b.errs[i] = err
			}
			return fails || b.errs[i] != nil
		})
	}
}

// want returns who is to be added and removed, and which act removes whom. Acts that
// cannot be done get their error; an account that is gone has lost everything.
func (b *batch) want(p people, list []int) (want map[string]bool, revoked map[string]int) {
	want, revoked = map[string]bool{}, map[string]int{}
	for _, i := range list {
		a := b.acts[i]
		var ids []string
		if a.Revoke {
			ids = b.c.losers(p, a.Grant, false)
		} else {
			id, err := p.who(a.Grant.Account)
			if err != nil {
				b.errs[i] = err
				continue
			}
			ids = []string{id}
		}
		if b.own != "" && slices.Contains(ids, b.own) {
			b.errs[i] = errors.New("this is the reconciler's own entity, which it leaves alone")
			continue
		}
		for _, id := range ids {
			if a.Revoke {
				revoked[id] = i
			} else {
				b.c.gives(a.Grant, id)
			}
			want[id] = want[id] || !a.Revoke // a grant in the same batch is to another spelling's entity
		}
	}
	return want, revoked
}

// exists refuses a policy that does not exist: the server would take it, and it would
// come to life with whatever gets that name one day. A group is looked at when it is
// changed.
func (b *batch) exists(ctx context.Context, list []int) error {
	if b.e.kind != kindPolicy || !slices.ContainsFunc(list, func(i int) bool { return !b.acts[i].Revoke }) {
		return nil
	}
	return b.c.policyExists(ctx, b.e.name)
}

func (c *connector) policyExists(ctx context.Context, name string) error {
	found, err := c.client.call(ctx, opRead, "sys/policies/acl/"+name, nil, nil)
	if err == nil && !found {
		err = errors.New("it does not exist")
	}
	if err != nil {
		return fmt.Errorf("policy %q: %w", name, err)
	}
	return nil
}

// attached makes it an error of a revoke that another hand has attached the policy to
// the entity itself: the access has not ended.
func (b *batch) attached(ctx context.Context, revoked map[string]int) {
	if b.e.kind != kindPolicy {
		return
	}
	ids := make([]string, 0, len(revoked))
	for id := range revoked {
		ids = append(ids, id)
	}
	still := make([]bool, len(ids))
	err := each(ctx, len(ids), func(ctx context.Context, n int) error {
		e, err := b.c.entity(ctx, ids[n])
		still[n] = slices.Contains(e.Policies, b.e.name)
		return err
	})
	for n, id := range ids {
		switch i := revoked[id]; {
		case b.errs[i] != nil:
		case err != nil:
			b.errs[i] = err
		case still[n]:
			b.errs[i] = fmt.Errorf("policy %q is attached to the entity itself, which Tenure did not do, and gives it still", b.e.name)
		}
	}
}
