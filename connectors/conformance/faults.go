package conformance

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

func (u *suite) cancelled() {
	ctx, cancel := context.WithCancel(u.ctx)
	cancel()
	g := u.g(u.Accounts[0], u.ents[0])
	if found, err := u.c.Observe(ctx, u.ents); err == nil {
		u.t.Errorf("observe returned %v after its context ended", found)
	}
	if err := u.c.Grant(ctx, g, until()); err == nil {
		u.t.Error("grant went on after its context ended")
	}
	if err := u.c.Revoke(ctx, g); err == nil {
		u.t.Error("revoke went on after its context ended")
	}
	for i, err := range apply(ctx, u.c, acts(u.all(), false)) {
		if err == nil {
			u.t.Errorf("act %d of a batch went on after its context ended", i)
		}
	}
	if s, ok := connectors.AsSessionEnder(u.c); ok {
		if err := s.EndSessions(ctx, u.all()); err == nil {
			u.t.Error("sessions were ended after the context ended")
		}
	}
	u.want()
	u.grant(g) // the connection is still good
	u.want(g)
}

func (u *suite) batch() {
	all := u.all()
	u.must(apply(u.ctx, u.c, acts(all, false)))
	u.want(all...)
	u.must(apply(u.ctx, u.c, acts(all, false)))
	u.want(all...)
	half := len(all) / 2
	mixed := append(acts(all[:half], true), acts(all[half:], false)...)
	u.must(apply(u.ctx, u.c, mixed))
	u.want(all[half:]...)
	u.must(apply(u.ctx, u.c, acts(all, true)))
	u.want()
	u.must(apply(u.ctx, u.c, acts(all, true)))
	u.want()
	if errs := apply(u.ctx, u.c, nil); len(errs) != 0 {
		u.t.Errorf("an empty batch has errors: %v", errs)
	}
	// The same grant twice in one batch: the later act decides.
	g := all[0]
	u.must(apply(u.ctx, u.c, append(acts(all[:1], false), acts(all[:1], true)...)))
	u.want()
	u.must(apply(u.ctx, u.c, append(acts(all[:1], true), acts(all[:1], false)...)))
	u.want(g)
}

func (u *suite) must(errs []error) {
	u.t.Helper()
	for i, err := range errs {
		if err != nil {
			u.t.Fatalf("act %d: %v", i, err)
		}
	}
}

func (u *suite) badItem() {
	all := u.all()
	bad := u.g(u.Accounts[0], "not canonical at all")
	list := slices.Insert(acts(all, false), 1, acts([]grants.Grant{bad}, false)...)
	errs := apply(u.ctx, u.c, list)
	if len(errs) != len(list) {
		u.t.Fatalf("%d errors for %d acts", len(errs), len(list))
	}
	if errs[1] == nil {
		u.t.Error("the bad act has no error")
	}
	errs[1] = nil
	u.must(errs)
	u.want(all...)
}

func (u *suite) twoWriters() {
	other := open(u.t, u.Subject)
	all := u.all()
	for range 5 {
		for _, revoke := range []bool{false, true} {
			var wg sync.WaitGroup
			var errs [4]error
			// Both do everything, once as a batch and once one by one, so that they
			// meet on every single grant.
			for i, c := range []connectors.Connector{u.c, other} {
				wg.Go(func() { errs[i] = errors.Join(apply(u.ctx, c, acts(all, revoke))...) })
				wg.Go(func() {
					for _, g := range all {
						var err error
						if revoke {
							err = c.Revoke(u.ctx, g)
						} else {
							err = c.Grant(u.ctx, g, until())
						}
						errs[2+i] = errors.Join(errs[2+i], err)
					}
				})
			}
			wg.Wait()
			if err := errors.Join(errs[:]...); err != nil {
				u.t.Fatalf("revoke=%v: %v", revoke, err)
			}
			if revoke {
				u.want()
			} else {
				u.want(all...)
			}
		}
	}
}

// crash kills the target at once, and again as soon as a part of the batch shows.
func (u *suite) crash() {
	all := u.all()
	for _, revoke := range []bool{false, true} {
		for _, early := range []bool{true, false} {
			u.settle(all, !revoke)
			start := u.held(u.ents)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = apply(u.ctx, u.c, acts(all, revoke)) // whether it came through is unknown
			}()
			for watch := !early; watch; {
				found, err := u.c.Observe(u.ctx, u.ents)
				watch = err == nil && len(unique(found)) == len(start)
				select {
				case <-done:
					watch = false
				default:
				}
			}
			u.Kill(u.t)
			<-done
			if _, err := u.c.Observe(u.ctx, u.ents); err == nil {
				u.t.Error("observe of a dead target has no error")
			}
			u.Restart(u.t)
			u.settle(all, revoke)
			// Run it again: nothing is left to do.
			if len(missing(all, u.held(u.ents), revoke)) != 0 {
				u.t.Error("a second run would change something")
			}
		}
	}
}

// settle repeats what a worker's pass does until nothing is left to change. A pass
// may fail on connections that died with the target, but not for long.
func (u *suite) settle(all []grants.Grant, revoke bool) {
	u.t.Helper()
	var last error
	for range 10 {
		found, err := u.c.Observe(u.ctx, u.ents)
		if err != nil {
			last = err
			continue
		}
		todo := missing(all, found, revoke)
		if len(todo) == 0 {
			return
		}
		last = errors.Join(apply(u.ctx, u.c, acts(todo, revoke))...)
	}
	u.t.Fatalf("the target did not reach the desired state: %v", last)
}

func missing(all, found []grants.Grant, revoke bool) []grants.Grant {
	var todo []grants.Grant
	for _, g := range all {
		if slices.Contains(found, g) == revoke {
			todo = append(todo, g)
		}
	}
	return todo
}
