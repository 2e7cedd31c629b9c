package file

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// connector manages one file. It holds nothing between calls but that it has seen the
// file: every call reads that again, and changes run under a lock that other processes
// share.
type connector struct {
	target string
	format format
	path   string

	newMode   os.FileMode // of a new file, or of every one if forced
	forceMode bool
	uid, gid  int // -1: as the old file

	validate, reload []string
	timeout          time.Duration

	mustExist bool
	seen      atomic.Bool // the file was there once
}

// Observe returns what the file states, wherever in it. While a reload is owed it
// adds what was in effect before: the target may still act on it.
func (c *connector) Observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, e := range scope {
		p, err := pairOf(grants.Grant{Entitlement: e})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.target, err)
		}
		wanted[p.Group] = true
	}
	// Changes write the state first and then the file; reading in the same order
	// under the lock sees both from the same moment.
	unlock, err := c.lock(ctx)
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	defer unlock()
	cur, err := c.load()
	if err != nil {
		return nil, c.wrap("observe", err)
	}
	held := map[pair]bool{}
	for _, p := range append(cur.doc.held(), cur.st.InEffect...) {
		if wanted[p.Group] {
			held[p] = true
		}
	}
	out := make([]grants.Grant, 0, len(held))
	for _, p := range sorted(held) {
		out = append(out, grants.Grant{Target: c.target, Account: p.Account,
			Entitlement: connectors.Format(map[string]string{"group": p.Group})})
	}
	return out, nil
}

// Grant writes the account into the file. A file has no clock: until is not used.
func (c *connector) Grant(ctx context.Context, g grants.Grant, until time.Time) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Until: until}})[0]
}

// Revoke takes the account out of the file.
func (c *connector) Revoke(ctx context.Context, g grants.Grant) error {
	return c.Apply(ctx, []connectors.Act{{Grant: g, Revoke: true}})[0]
}

// Apply makes all changes in one write. If the validating command refuses the
// result, the revokes are tried without the grants, and then what is left one by one,
// so that one bad account does not keep the others.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	errs := make([]error, len(acts))
	all := make([]int, len(acts))
	for i := range acts {
		all[i] = i
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		fill(errs, all, c.wrap("change", err))
		return errs
	}
	defer unlock()
	try := func(which []int) error {
		for _, i := range which {
			errs[i] = nil
		}
		err := c.change(ctx, acts, which, errs)
		if err != nil {
			fill(errs, which, c.wrap("change", err))
		}
		return err
	}
	if err := try(all); !errors.Is(err, errInvalid) || len(acts) == 1 {
		return errs
	}
	slices.SortStableFunc(all, func(a, b int) int { return order(acts[a]) - order(acts[b]) })
	// Together, revokes pass also where the old file is invalid.
	n := 0
	for n < len(all) && acts[all[n]].Revoke {
		n++
	}
	if n > 1 && n < len(all) && !errors.Is(try(all[:n]), errInvalid) {
		all = all[n:]
	}
	for _, i := range all {
		_ = try([]int{i}) // kept in errs
	}
	return errs
}

// Close does nothing: nothing is held between calls.
func (c *connector) Close() error { return nil }

// order puts revokes before grants.
func order(a connectors.Act) int {
	if a.Revoke {
		return 0
	}
	return 1
}

// fill gives err to those acts that have no error of their own yet.
func fill(errs []error, which []int, err error) {
	for _, i := range which {
		if errs[i] == nil {
			errs[i] = err
		}
	}
}

// current is the file and its companion as they are now.
type current struct {
	content []byte      // nil: there is no file
	info    os.FileInfo // nil: there is no file
	doc     *document
	st      *state
}

// load reads the file. An error of the format's is returned beside what could be
// read, for formats that are written anew in any case.
func (c *connector) load() (*current, error) {
	cur := &current{}
	info, err := c.stat()
	if err != nil {
		return nil, err
	}
	if info != nil {
		cur.info = info
		if cur.content, err = os.ReadFile(c.path); err != nil {
			return nil, err
		}
		if cur.content == nil {
			cur.content = []byte{}
		}
	}
	if cur.st, err = c.readState(); err != nil {
		return nil, err
	}
	cur.doc, err = c.format.parse(cur.content, cur.st)
	return cur, err
}

// change applies the acts at the indexes in which and puts the errors of single acts
// into errs. The error that it returns is of all of them.
func (c *connector) change(ctx context.Context, acts []connectors.Act, which []int, errs []error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cur, err := c.load()
	// A file from a template that somebody edited is written anew by a revoke, which
	// must not wait for people; a grant waits for them, and a file that Tenure never
	// wrote is somebody else's.
	edited := errors.Is(err, errEdited) && len(cur.st.Versions) > 0
	if err != nil && !edited {
		return err
	}
	before := cur.doc.held()
	granted := map[pair]bool{} // those that a failed reload takes back
	for _, i := range which {
		p, err := pairOf(acts[i].Grant)
		if err == nil {
			switch {
			case acts[i].Revoke:
				err = cur.doc.remove(p)
			case edited:
				err = errEdited
			case c.format.check(p) != nil:
				err = c.format.check(p)
			case !cur.doc.has(p):
				cur.doc.ours[p] = true
				granted[p] = true
			}
		}
		if err != nil {
			errs[i] = c.wrap(acts[i].Grant.String(), err)
		}
	}
	if edited && !slices.ContainsFunc(which, func(i int) bool { return acts[i].Revoke }) {
		return nil
	}
	ours := maps.Clone(cur.doc.ours)
	takesAway := !slices.ContainsFunc(which, func(i int) bool { return !acts[i].Revoke })
	changed, unchecked, err := c.put(ctx, cur, before, takesAway)
	if err != nil {
		return err
	}
	if unchecked {
		if err := c.readBack(acts, which, errs); err != nil {
			return err
		}
	}
	if len(c.reload) == 0 || !changed && !cur.st.ReloadOwed {
		return nil
	}
	if err = c.doReload(ctx, cur.st); err == nil || len(granted) == 0 {
		return err
	}
	// Fail closed for granting: what is not in effect must not take effect later,
	// when nobody watches. What was revoked stays out of the file.
	for p := range granted {
		delete(ours, p)
	}
	return errors.Join(err, c.takeBack(ctx, ours))
}

// readBack gives an error to each revoke whose pair the file in place still states.
func (c *connector) readBack(acts []connectors.Act, which []int, errs []error) error {
	cur, err := c.load()
	if err != nil {
		return err
	}
	for _, i := range which {
		if p, err := pairOf(acts[i].Grant); err == nil && cur.doc.has(p) {
			fill(errs, []int{i}, c.wrap(acts[i].Grant.String(), errors.New("the file was written and still gives it")))
		}
	}
	return nil
}

// takeBack writes the file without the grants whose reload failed, and gives the
// reload one more try for what is left.
func (c *connector) takeBack(ctx context.Context, ours map[pair]bool) error {
	cur, err := c.load()
	if err != nil {
		return err
	}
	cur.doc.ours = ours
	if _, _, err := c.put(ctx, cur, cur.st.InEffect, true); err != nil {
		return err
	}
	_ = c.doReload(ctx, cur.st) // still owed if this fails, too; the first error is enough
	return nil
}

func (c *connector) wrap(what string, err error) error {
	return fmt.Errorf("%s: %s: %s: %w", c.target, what, c.path, err)
}
