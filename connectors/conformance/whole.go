package conformance

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

// defaultMany is more than what most systems put on a page.
const defaultMany = 250

// whole gives one entitlement to more accounts than fit on a page. Observe shows all
// of them or has an error, also while the target goes away.
func (u *suite) whole() {
	n := u.Many
	if n == 0 {
		n = defaultMany
	}
	var all []grants.Grant
	for i := range n {
		name := fmt.Sprintf("page%05d", i)
		if u.Create != nil && !u.Create(u.t, AccountName, name) {
			u.t.Fatalf("the system refuses the account %s", name)
		}
		all = append(all, u.g(name, u.ents[0]))
	}
	u.t.Cleanup(func() { u.applyAll(all, true) }) // also when the case ends early
	u.applyAll(all, false)
	u.complete(all)
	if u.Kill != nil && u.Restart != nil {
		u.observeWhileItDies(all)
	}
	u.applyAll(all, true)
	found, err := u.c.Observe(u.ctx, u.ents)
	if err != nil {
		u.t.Fatal(err)
	}
	if left := missing(all, found, true); len(left) > 0 {
		u.t.Errorf("%d of %d are left after their revoke, such as %s", len(left), n, left[0])
	}
}

// applyAll changes many grants in batches of the size that a worker makes.
func (u *suite) applyAll(all []grants.Grant, revoke bool) {
	u.t.Helper()
	for part := range slices.Chunk(all, 100) {
		for i, err := range apply(u.ctx, u.c, acts(part, revoke)) {
			if err != nil && u.ctx.Err() == nil {
				u.t.Errorf("%s: %v", part[i], err)
			}
		}
	}
}

// complete looks once and demands every grant, each once.
func (u *suite) complete(all []grants.Grant) {
	u.t.Helper()
	found, err := u.c.Observe(u.ctx, u.ents)
	if err != nil {
		u.t.Fatalf("observe: %v", err)
	}
	if lost := missing(all, found, false); len(lost) > 0 {
		u.t.Errorf("observe shows %d of %d, without an error; it lacks %s", len(all)-len(lost), len(all), lost[0])
	}
	if len(unique(found)) != len(found) {
		u.t.Error("observe shows a grant twice")
	}
}

// observeWhileItDies looks again and again while the target is killed.
func (u *suite) observeWhileItDies(all []grants.Grant) {
	looking := make(chan struct{})
	var failed error
	var partial int
	var wg sync.WaitGroup
	wg.Go(func() {
		for first := true; failed == nil; first = false {
			found, err := u.c.Observe(u.ctx, u.ents)
			if failed = err; err == nil && len(missing(all, found, false)) > 0 {
				partial++
				failed = fmt.Errorf("%d of %d", len(found), len(all))
			}
			if first {
				close(looking)
			}
		}
	})
	<-looking
	u.Kill(u.t)
	wg.Wait()
	if partial > 0 {
		u.t.Errorf("observe of a dying target has a part of the list and no error: %v", failed)
	}
	u.Restart(u.t)
	u.settle(all, false)
}

// again makes the plan that the next pass would make: what was reached needs nothing.
func (u *suite) again() {
	all, end := u.all(), until()
	list := acts(all, false)
	for i := range list {
		list[i].Until = end
	}
	u.must(apply(u.ctx, u.c, list))
	for range 2 {
		var claims []grants.Claim
		var holds []grants.Hold
		for _, g := range all {
			item := grants.Item{Grant: g}
			holder := []grants.Holder{{Request: "requests/again.yaml"}}
			claims = append(claims, grants.Claim{Item: item, Until: end, Holders: holder})
			holds = append(holds, grants.Hold{Item: item, State: grants.StateHeld, Since: time.Now(), Until: end, Holders: holder})
		}
		for _, change := range grants.Plan(claims, u.held(u.ents), holds) {
			u.t.Errorf("run again, and it would %s %s: %s", change.Op, change.Item.Grant, change.Reason)
		}
		u.must(apply(u.ctx, u.c, list))
	}
	u.must(apply(u.ctx, u.c, acts(all, true)))
	for _, change := range grants.Plan(nil, u.held(u.ents), nil) {
		u.t.Errorf("after all was revoked it would %s %s", change.Op, change.Item.Grant)
	}
}
