package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// batch is the work on one list of acts.
type batch struct {
	*connector
	acts []connectors.Act
	errs []error
	last map[grants.Grant]int // of several acts on one grant the last decides
	ents map[int]entitlement  // of the acts that can still be done
	jobs map[string]*job      // by the group's DN
	me   dn                   // the reconciler's own entry
	// blind is why accounts that lose something could not be looked up.
	blind error
	gone  map[string][]string // members of a group, read when an account has no entry
	dark  map[string]string   // a member of a group whose entry is not shown; "": there is none
}

// job is what changes in one group: a value, and the acts that want it so.
type job struct {
	group group
	drop  map[string][]int
	put   map[string][]int
	// look are values of entries that are spelled differently from what was granted:
	// they are never removed, and it is an error of the revoke if they are there.
	look map[string][]int
}

// Apply looks up groups and accounts in a few searches, and changes each group with
// few requests of many values.
func (c *connector) Apply(ctx context.Context, acts []connectors.Act) []error {
	b := &batch{
		connector: c, acts: acts, errs: make([]error, len(acts)), last: map[grants.Grant]int{},
		ents: map[int]entitlement{}, jobs: map[string]*job{}, gone: map[string][]string{}, dark: map[string]string{},
	}
	if len(acts) == 0 {
		return b.errs
	}
	for i, a := range acts {
		b.last[a.Grant] = i
	}
	if err := b.run(ctx); err != nil {
		for _, i := range b.last {
			if b.errs[i] == nil {
				b.errs[i] = err
			}
		}
	}
	for g, i := range b.last {
		if b.errs[i] != nil {
			verb := "grant"
			if acts[i].Revoke {
				verb = "revoke"
			}
			b.errs[i] = c.wrap(fmt.Sprintf("%s %s of %+.200q", verb, g.Entitlement, g.Account), b.errs[i])
		}
	}
	for i, a := range acts {
		b.errs[i] = b.errs[b.last[a.Grant]]
	}
	return b.errs
}

func (b *batch) run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.judge()
	var err error
	if b.me, err = b.self(ctx); err != nil {
		return err
	}
	var ents []entitlement
	take, give := map[string]bool{}, map[string]bool{}
	for i, e := range b.ents {
		if !slices.Contains(ents, e) {
			ents = append(ents, e)
		}
		if name := b.acts[i].Grant.Account; b.acts[i].Revoke {
			take[name] = true
		} else {
			give[name] = true
		}
	}
	groups, err := b.findGroups(ctx, ents)
	if err != nil {
		return err
	}
	// Accounts that cannot be looked up keep back no revoke that does without.
	lost, lostErr := b.findAccounts(ctx, take, "")
	gained, gainedErr := b.findAccounts(ctx, give, b.accountFilter)
	if err := ctx.Err(); err != nil {
		return err
	}
	b.blind = lostErr
	for i, e := range b.ents {
		name := b.acts[i].Grant.Account
		switch {
		case b.acts[i].Revoke:
			b.errs[i] = b.planRevoke(ctx, i, groups[e], lost[name])
		case gainedErr != nil:
			b.errs[i] = gainedErr
		default:
			b.errs[i] = b.planGrant(i, e, groups[e], gained[name])
		}
	}
	jobs := make([]*job, 0, len(b.jobs))
	for _, j := range b.jobs {
		jobs = append(jobs, j)
	}
	return b.carryOut(ctx, jobs)
}

// judge finds the acts that cannot be done, whatever the directory holds.
func (b *batch) judge() {
	for _, i := range b.last {
		a := b.acts[i]
		e, err := readText(a.Grant.Entitlement)
		if err == nil && !a.Revoke {
			if err = b.allowed(e); err == nil {
				err = checkAccount(a.Grant.Account)
			}
		}
		if err != nil {
			b.errs[i] = err
			continue
		}
		b.ents[i] = e
	}
}

func (b *batch) job(g group) *job {
	j := b.jobs[g.dn]
	if j == nil {
		j = &job{group: g, drop: map[string][]int{}, put: map[string][]int{}, look: map[string][]int{}}
		b.jobs[g.dn] = j
	}
	return j
}

var errOwn = errors.New("the account is the reconciler's own: its rights are not its own to change")

func (b *batch) planGrant(i int, e entitlement, m matches[group], found matches[account]) error {
	g, err := b.grantable(e, m)
	if err != nil {
		return err
	}
	a, err := b.accountFor(b.acts[i].Grant.Account, found)
	if err != nil {
		return err
	}
	if b.own(a.id) {
		return errOwn
	}
	value := a.dn
	if g.attr == attrMemberUid {
		value = a.name
	}
	j := b.job(g)
	j.put[value] = append(j.put[value], i)
	return nil
}

func (b *batch) planRevoke(ctx context.Context, i int, m matches[group], found matches[account]) error {
	if m.err != nil {
		return m.err
	}
	for _, a := range found.exact {
		if b.own(a.id) {
			return errOwn
		}
	}
	for _, g := range m.meant() {
		drop, look, err := b.valuesOf(ctx, g, b.acts[i].Grant.Account, found)
		if err != nil {
			return err
		}
		if len(m.exact) == 0 { // the group is spelled differently
			drop, look = nil, append(look, drop...)
		}
		j := b.job(g)
		for _, v := range drop {
			j.drop[v] = append(j.drop[v], i)
		}
		for _, v := range look {
			j.look[v] = append(j.look[v], i)
		}
	}
	return nil
}

// valuesOf returns the values of a group that are this account, and those of entries
// that the directory takes for it, but whose name is spelled differently.
func (b *batch) valuesOf(ctx context.Context, g group, name string, found matches[account]) (drop, look []string, err error) {
	if g.attr == attrMemberUid {
		return []string{name}, nil, nil
	}
	if text, ok := strings.CutPrefix(name, valuePrefix); ok {
		return []string{text}, nil, nil
	}
	if text, ok := strings.CutPrefix(name, dnPrefix); ok {
		return b.byDNValue(ctx, g, text)
	}
	for _, a := range found.exact {
		drop = append(drop, a.dn)
	}
	if len(drop) > 0 {
		return drop, nil, nil
	}
	for _, a := range found.other {
		look = append(look, a.dn)
	}
	if len(look) > 0 || checkAccount(name) != nil {
		return nil, look, nil
	}
	drop, err = b.byOwnDN(ctx, g, name)
	if err == nil && len(drop) == 0 {
		if err = b.blind; err == nil {
			err = b.nobodyUnseen(ctx, g, name)
		}
	}
	return drop, nil, err
}

// byOwnDN returns the members whose DN itself says the name, for accounts that were
// not found. An entry that is gone may still be listed, and would come to life again
// with the next one of that name. Where accounts could not be looked up at all, access
// ends this way all the same.
func (b *batch) byOwnDN(ctx context.Context, g group, name string) (drop []string, err error) {
	members, read := b.gone[g.dn]
	if !read {
		e, err := b.read(ctx, g.dn, g.attr, versionAttr)
		if err == nil && e != nil {
			members, err = b.members(ctx, e, g.attr)
		}
		if err != nil {
			return nil, err
		}
		b.gone[g.dn] = members
	}
	for _, value := range members {
		if d, err := parseDN(value); err == nil && b.goneName(d) == name {
			if b.own(d) {
				return nil, errOwn
			}
			drop = append(drop, value)
		}
	}
	return drop, nil
}

// byDNValue is for members that Observe shows by their DN. One whose entry has a name
// is not shown so, and is left alone.
func (b *batch) byDNValue(ctx context.Context, g group, text string) (drop, look []string, err error) {
	if text == "" {
		return []string{""}, nil, nil
	}
	d, err := canonicalDN(text)
	if err != nil {
		return nil, nil, nil // it was never shown so
	}
	names, err := b.memberNames(ctx, map[string]dn{text: d})
	if err != nil || names[text] != dnPrefix+text {
		return nil, nil, err
	}
	if b.own(d) {
		return nil, nil, errOwn
	}
	return []string{text}, nil, nil
}

// own reports whether an entry is the reconciler's.
func (b *batch) own(d dn) bool { return len(b.me.rdns) > 0 && d.key() == b.me.key() }
