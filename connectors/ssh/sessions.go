package ssh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/grants"
)

// EndSessions ends what still uses the rights that were lost, and returns when nothing
// of it runs any more:
//
//   - of a group, the account's processes that have it, as a process keeps its groups;
//   - of a set of rules, the account's running calls of sudo that sudo would not allow
//     any more, with all below them;
//   - of a login, all processes of the sessions that the account's key opened.
//
// Who still has the same keeps the sessions.
func (c *connector) EndSessions(ctx context.Context, lost []grants.Grant) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: end sessions: %w", c.target, err)
	}
	work := map[*host][]held{}
	var errs []error
	for _, g := range lost {
		e, err := readText(g.Entitlement)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if checkUser(g.Account) != nil { // it cannot have a session
			continue
		}
		h, err := c.find(e.host)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if x := (held{g.Account, e}); h != nil && !slices.Contains(work[h], x) {
			work[h] = append(work[h], x)
		}
	}
	errs = append(errs, each(work, func(h *host, list []held) error { return c.end(ctx, h, list) }))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: end sessions: %w", c.target, err)
	}
	return nil
}

func (c *connector) end(ctx context.Context, h *host, list []held) error {
	var scope []entitlement
	for _, x := range list {
		if !slices.Contains(scope, x.entitlement) {
			scope = append(scope, x.entitlement)
		}
	}
	list = slices.DeleteFunc(list, c.remaining(ctx, h, scope))
	var errs []error
	for part := range slices.Chunk(list, perRequest) {
		r := &request{}
		lines := make([]int, len(part))
		for i, x := range part {
			lines[i] = r.add("end", x.kind, x.name, x.account)
		}
		a, err := c.run(ctx, h, r)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for i, x := range part {
			if err := a.line(lines[i]).err(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s of %s: %w", h.name, x.entitlement, x.account, err))
			}
		}
	}
	return errors.Join(errs...)
}

// remaining tells who still has what. Who does not show for certain that something
// remains loses the sessions: the one who has to go may be the one who hides it, as in
// files of the user who logs in. So looking has a part of the time only.
func (c *connector) remaining(ctx context.Context, h *host, scope []entitlement) func(held) bool {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/3)
		defer cancel()
	}
	keys, _ := c.keyOwners(map[*host][]entitlement{h: scope})
	found, _ := c.lookAt(ctx, h, scope, keys)
	return func(x held) bool { return found[x] }
}
