package intake

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/tenure-dev/tenure/internal/ledger"
	"github.com/tenure-dev/tenure/schema"
)

// scopeSet is every entitlement that the roles of a tree can name, by target.
type scopeSet map[string]map[string]*named

// named says what roles make of one entitlement.
type named struct {
	exclusive bool            // at least one role owns it
	keep      map[string]bool // accounts that those roles leave alone
	files     map[string]bool // of those roles
}

// scopes lists what drift is looked for in, sorted, and what of it belongs to Tenure
// alone. Only the trusted configuration makes an entitlement exclusive; what stands
// on the branch, approved or not, can only hold that up, and so does whatever is not
// known: nobody must lose access because of a state that cannot be read.
func (in *Intake) scopes(v *view, now *Present) []ledger.Scope {
	trusted := in.named(now.Trusted)
	branch := trusted
	if now.Branch != nil {
		branch = in.named(now.Branch)
	}
	out := []ledger.Scope{} // nil would leave the ledger as it is
	owned := false
	for target, entitlements := range trusted {
		for e, n := range entitlements {
			s := ledger.Scope{Target: target, Entitlement: e, Exclusive: n.exclusive}
			if n.exclusive {
				owned = true
				s.Keep, s.Since, s.Waits = slices.Sorted(maps.Keys(n.keep)), v.head, in.heldUp(v, n, branch[target][e])
			}
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b ledger.Scope) int {
		return slices.Compare([]string{a.Target, a.Entitlement}, []string{b.Target, b.Entitlement})
	})
	if owned {
		in.awaitProofs(v, now, out)
	}
	return out
}

// heldUp says why nobody loses an exclusive entitlement for now, whatever requests
// say; empty: nothing holds it up. Branch is what the branch makes of it.
func (in *Intake) heldUp(v *view, trusted, branch *named) string {
	switch _, broken := v.broken[""]; {
	case in.unread:
		return "the branch could not be read"
	case broken:
		return "the newest commits of the branch are not taken in, as they leave a broken tree"
	case branch == nil || !branch.exclusive:
		return "on the branch it is not exclusive any more, although nobody approved that"
	}
	for _, file := range slices.Sorted(maps.Keys(trusted.files)) {
		if _, listed := v.broken[file]; listed {
			return file + " is not in force as it stands on the branch"
		}
	}
	return ""
}

// awaitProofs makes exclusive scopes wait for requests that may ask for them and
// whose proof cannot be read yet.
func (in *Intake) awaitProofs(v *view, now *Present, scopes []ledger.Scope) {
	waits := map[string]map[string]string{} // target → entitlement → file
	for _, path := range v.paths() {
		rec := v.records[path]
		for i, ver := range rec.Versions {
			if settled(ver) || restores(rec, i) {
				continue
			}
			doc := in.files.document(path, ver.Blob)
			if doc == nil { // what it asks for is not known
				for i := range scopes {
					await(&scopes[i], path)
				}
				return
			}
			for _, tree := range []*schema.Tree{now.Trusted, now.Branch} {
				in.asksFor(tree, doc, func(target, entitlement string) {
					if waits[target] == nil {
						waits[target] = map[string]string{}
					}
					if waits[target][entitlement] == "" {
						waits[target][entitlement] = path
					}
				})
			}
		}
	}
	for i := range scopes {
		if path := waits[scopes[i].Target][scopes[i].Entitlement]; path != "" {
			await(&scopes[i], path)
		}
	}
}

func await(s *ledger.Scope, path string) {
	if s.Exclusive && s.Waits == "" {
		s.Waits = fmt.Sprintf("the proof of %s cannot be read yet", path)
	}
}

// asksFor calls with everything that a request could bring by the roles of a tree.
func (in *Intake) asksFor(tree *schema.Tree, doc *schema.AccessRequest, each func(target, entitlement string)) {
	if tree == nil {
		return
	}
	for _, use := range doc.Roles {
		if role := tree.Roles[use.Role]; role != nil {
			in.expand(tree, role, use.Params, each)
		}
	}
}

// expand calls with the canonical form of each entitlement of a role. What has none
// is reported by validation; nothing can be granted by it.
func (in *Intake) expand(tree *schema.Tree, role *schema.Role, params map[string]string, each func(target, entitlement string)) {
	for _, e := range role.Entitlements {
		target := tree.Targets[e.Target]
		if target == nil {
			continue
		}
		spec, err := schema.ExpandSpec(e, params)
		if err != nil {
			continue
		}
		if c, err := in.cfg.Canonical(target.Connector, spec); err == nil {
			each(e.Target, c)
		}
	}
}

// named returns every entitlement that a role of a tree can name. The last trees are
// remembered: little changes from one decision to the next.
func (in *Intake) named(tree *schema.Tree) scopeSet {
	if known := in.scoped[tree]; known != nil {
		return known
	}
	set := scopeSet{}
	for _, role := range tree.Roles {
		for _, params := range combinations(role.Params) {
			in.expand(tree, role, params, func(target, entitlement string) {
				if set[target] == nil {
					set[target] = map[string]*named{}
				}
				n := set[target][entitlement]
				if n == nil {
					n = &named{keep: map[string]bool{}, files: map[string]bool{}}
					set[target][entitlement] = n
				}
				if role.Exclusive {
					n.exclusive = true
					n.files[role.Pos.File] = true
					for _, account := range role.Keep {
						n.keep[account] = true
					}
				}
			})
		}
	}
	if len(in.scoped) > 3 {
		clear(in.scoped)
	}
	in.scoped[tree] = set
	return set
}

// noticeBranch writes down whether the branch can be read at all: while it cannot,
// nobody can ask through it, and what strangers hold is left to them.
// It comes after what is new was taken in.
func (in *Intake) noticeBranch(ctx context.Context) error {
	now := in.now.Load()
	if now == nil || !in.view.decided || in.view.unread == in.unread {
		return nil
	}
	scopes := in.scopes(in.view, now)
	if !reflect.DeepEqual(scopes, in.view.scopes) {
		if err := in.cfg.Ledger.TakeIn(ctx, in.lease, ledger.IntakeBatch{Scopes: scopes}); err != nil {
			return err
		}
	}
	in.view.scopes, in.view.unread = scopes, in.unread
	return nil
}

// maxCombinations bounds how many values of a role's parameters are looked at
// for drift.
const maxCombinations = 1000

// combinations returns every way to fill in a role's parameters.
func combinations(params map[string]schema.Param) []map[string]string {
	out := []map[string]string{{}}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		var grown []map[string]string
		for _, base := range out {
			for _, value := range params[name].Enum {
				if len(grown) == maxCombinations {
					return grown
				}
				m := maps.Clone(base)
				m[name] = value
				grown = append(grown, m)
			}
		}
		out = grown
	}
	return out
}
