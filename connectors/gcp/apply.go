package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// Apply changes the policy of each resource once, several resources at the same time.
// Of several acts on one grant the last decides.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	errs := make([]error, len(acts))
	last := map[grants.Grant]int{}
	for i, a := range acts {
		last[a.Grant] = i
	}
	work := map[resource][]item{}
	for i, a := range acts {
		if last[a.Grant] != i {
			continue
		}
		it, on, err := c.prepare(i, a)
		if errs[i] = err; err == nil {
			work[on] = append(work[on], it)
		}
	}
	each(work, func(on resource) {
		unlock, err := c.lock(ctx, on)
		if err != nil {
			fail(work[on], errs, err)
			return
		}
		defer unlock()
		c.settle(ctx, on, work[on], errs)
	})
	for g, i := range last {
		if errs[i] != nil {
			verb := "grant"
			if acts[i].Revoke {
				verb = "revoke"
			}
			errs[i] = c.wrap(fmt.Sprintf("%s %s of %+.80q", verb, g.Entitlement, g.Account), errs[i])
		}
	}
	for i, a := range acts {
		errs[i] = errs[last[a.Grant]]
	}
	return errs
}

// prepare checks an act without the server. A revoke needs no account that exists, no
// setting that allows it, and no account that could be granted something today.
func (c *connector) prepare(index int, a connectors.Act) (item, resource, error) {
	e, err := readText(a.Grant.Entitlement)
	it := item{index: index, act: a, role: e.role}
	if err == nil && a.Revoke {
		it.act.Grant.Account, err = c.set.sameNow(a.Grant.Account)
	}
	if err != nil || a.Revoke {
		return it, e.on, err
	}
	if it.member, err = c.set.memberOf(a.Grant.Account); err != nil {
		return it, e.on, err
	}
	if err := c.grantable(it.member); err != nil {
		return it, e.on, err
	}
	if err := c.set.allowed(e); err != nil {
		return it, e.on, err
	}
	if a.Until.IsZero() {
		return it, e.on, errors.New("a grant needs an end: it is what the binding's condition says")
	}
	return it, e.on, nil
}

// settle reads the policy, changes it and writes it back with the etag that it was read
// with, until nobody came in between. Everything that may have come through in part is
// looked at anew. If the server refuses the whole, the acts are tried in smaller parts.
func (c *connector) settle(ctx context.Context, on resource, items []item, errs []error) {
	var p *policy
	for try := 1; len(items) > 0; {
		if p == nil {
			var err error
			if p, err = c.api.policy(ctx, on); err != nil {
				failRead(items, errs, on, err)
				return
			}
		}
		next, refused, changed := c.change(p, items)
		items = drop(items, refused, errs)
		if !changed {
			c.verify(p, items, errs)
			return
		}
		after, err := c.api.set(ctx, on, next)
		var no *refusal
		switch {
		case err == nil:
			c.verify(after, items, errs)
			if err := c.unstray(ctx, on, next, after); err != nil {
				fail(items, errs, err)
			}
			return
		case errors.As(err, &no) && no.status != "" && (no.code == http.StatusBadRequest || no.code == http.StatusForbidden):
			if unknown := strangers(no, items); len(unknown) > 0 {
				items = drop(items, unknown, errs)
				continue
			}
			if fresh := c.overtaken(ctx, on, p, no); fresh != nil && try < attempts {
				try++
				p = fresh
				continue
			}
			parts := split(items, no.code)
			if len(parts) < 2 {
				fail(items, errs, err)
			} else {
				for _, part := range parts {
					c.settle(ctx, on, part, errs)
				}
			}
			return
		case passing(err):
			if !pause(ctx, try, err) {
				fail(items, errs, err)
				return
			}
			try++
			p = nil
		default:
			fail(items, errs, err)
			return
		}
	}
}

// overtaken returns the policy as it is now, if a 403 may come from a change that came
// in between: what another hand has added looks then as if we took it away, and that
// may be beyond our rights.
func (c *connector) overtaken(ctx context.Context, on resource, p *policy, no *refusal) *policy {
	if no.code != http.StatusForbidden {
		return nil
	}
	if fresh, err := c.api.policy(ctx, on); err == nil && fresh.etag != p.etag {
		return fresh
	}
	return nil
}

// fail gives the acts that have no error yet this one.
func fail(items []item, errs []error, err error) {
	for _, it := range items {
		if errs[it.index] == nil {
			errs[it.index] = err
		}
	}
}

// failRead is fail, but that nothing has to be taken away from what is gone.
func failRead(items []item, errs []error, on resource, err error) {
	if !errors.Is(err, errGone) {
		fail(items, errs, err)
		return
	}
	for _, it := range items {
		if !it.act.Revoke {
			errs[it.index] = fmt.Errorf("%s does not exist", on)
		}
	}
}

func drop(items []item, refused map[int]error, errs []error) []item {
	return slices.DeleteFunc(slices.Clone(items), func(it item) bool {
		err, ok := refused[it.index]
		if ok {
			errs[it.index] = err
		}
		return ok
	})
}

// strangers returns the grants whose account the server says it does not know, such as
// "User bob@example.com does not exist.".
func strangers(no *refusal, items []item) map[int]error {
	what, _, found := strings.Cut(no.message, " does not exist")
	words := strings.Fields(what)
	if !found || len(words) < 2 || no.code != http.StatusBadRequest {
		return nil
	}
	kind := map[string]string{"User": kindUser, "Group": kindGroup, "Service account": kindServiceAccount}[strings.Join(words[:len(words)-1], " ")]
	unknown := map[int]error{}
	for _, it := range items {
		if !it.act.Revoke && strings.EqualFold(it.member, kind+":"+words[len(words)-1]) {
			unknown[it.index] = fmt.Errorf("%q: %w", it.act.Grant.Account, connectors.ErrNoAccount)
		}
	}
	return unknown
}

// split divides acts that were refused together: revokes from grants, then roles from
// each other, since a role may be one that does not exist or that we may not touch, and
// where the server does not say what is wrong with grants of one role, halves. With less
// than two parts there is nothing more to find out.
func split(items []item, code int) (parts [][]item) {
	var order []string
	groups := map[string][]item{}
	put := func(key string, it item) {
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], it)
	}
	grants := slices.ContainsFunc(items, func(it item) bool { return !it.act.Revoke })
	if mixed := grants && slices.ContainsFunc(items, func(it item) bool { return it.act.Revoke }); mixed {
		for _, it := range items {
			put(fmt.Sprint(it.act.Revoke), it)
		}
	} else {
		for _, it := range items {
			put(it.role, it)
		}
	}
	if len(order) == 1 && grants && code == http.StatusBadRequest && len(items) > 1 {
		return [][]item{items[:len(items)/2], items[len(items)/2:]}
	}
	for _, key := range order {
		parts = append(parts, groups[key])
	}
	return parts
}

// verify reads in the policy as it is now what became of the acts.
func (c *connector) verify(p *policy, items []item, errs []error) {
	held := c.index(p)
	for _, it := range items {
		account := it.act.Grant.Account
		if !it.act.Revoke {
			want := expression(it.act.Until)
			if !slices.ContainsFunc(held.of(it), func(b *binding) bool { return b.own(c.title) && b.condition.Expression == want }) {
				errs[it.index] = fmt.Errorf("%q: %w by this address; if it is an alias, write the account's primary address", account, connectors.ErrNoAccount)
			}
			continue
		}
		for _, b := range held.of(it) {
			if !b.over(p.at) {
				what := "without a condition"
				if b.condition != nil {
					what = fmt.Sprintf("with the condition %+.100q", b.condition.Title)
				}
				errs[it.index] = fmt.Errorf("a binding %s, which Tenure did not make, gives it still", what)
				break
			}
		}
	}
}

// unstray takes back what Google made of an alias: principals in our own bindings that
// were not in what we wrote.
func (c *connector) unstray(ctx context.Context, on resource, wrote, got *policy) error {
	fixed, changed := got.clone(), false
	for _, b := range fixed.bindings {
		if !b.own(c.title) {
			continue
		}
		meant := func(m string) bool {
			return slices.ContainsFunc(wrote.bindings, func(w *binding) bool {
				return w.role == b.role && w.own(c.title) && w.condition.Expression == b.condition.Expression &&
					slices.ContainsFunc(w.members, func(x string) bool { return strings.EqualFold(x, m) })
			})
		}
		n := len(b.members)
		b.members = slices.DeleteFunc(b.members, func(m string) bool { return !strings.HasPrefix(m, "deleted:") && !meant(m) })
		if len(b.members) < n {
			b.touched, changed = true, true
		}
	}
	if !changed {
		return nil
	}
	fixed.bindings = slices.DeleteFunc(fixed.bindings, func(b *binding) bool { return b.touched && len(b.members) == 0 })
	if _, err := c.api.set(ctx, on, fixed); err != nil {
		return fmt.Errorf("take back what Google made of an alias: %w", err)
	}
	return nil
}
