package conformance

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

func (u *suite) canonical() {
	for _, spec := range u.Specs {
		before := cloneSpec(spec)
		text := u.canon(spec)
		if again := u.canon(spec); again != text {
			u.t.Errorf("%v became %q and then %q", spec, text, again)
		}
		if !reflect.DeepEqual(before, spec) {
			u.t.Errorf("canonical changed its argument %v", before)
		}
		pairs, err := connectors.Parse(text)
		if err != nil {
			u.t.Errorf("%v: %v", spec, err)
		}
		back := connectors.Spec{}
		for k, v := range pairs {
			back[k] = v
		}
		if again, err := u.Driver.Canonical(back); err == nil && again != text {
			u.t.Errorf("%q read back became %q", text, again)
		}
		for key, bad := range map[string]any{"no-such-key": "x"} {
			wrong := maps.Clone(spec)
			wrong[key] = bad
			if got, err := u.Driver.Canonical(wrong); err == nil || !strings.Contains(err.Error(), key) {
				u.t.Errorf("an unknown key passed: %q, %v", got, err)
			}
		}
		for key := range spec {
			wrong := maps.Clone(spec)
			wrong[key] = map[string]any{}
			if got, err := u.Driver.Canonical(wrong); err == nil {
				u.t.Errorf("a mapping passed as %s: %q", key, got)
			}
		}
	}
	seen := map[string]bool{}
	for _, e := range u.ents {
		if seen[e] {
			u.t.Errorf("two specs share %q", e)
		}
		seen[e] = true
	}
	for _, spec := range append(slices.Clone(u.BadSpecs), nil, connectors.Spec{}) {
		if got, err := u.Driver.Canonical(spec); err == nil {
			u.t.Errorf("%v passed as %q", spec, got)
		}
	}
}

// cloneSpec copies the lists, too.
func cloneSpec(spec connectors.Spec) connectors.Spec {
	out := maps.Clone(spec)
	for k, v := range out {
		switch l := v.(type) {
		case []any:
			out[k] = slices.Clone(l)
		case []string:
			out[k] = slices.Clone(l)
		}
	}
	return out
}

func (u *suite) agrees() {
	for _, e := range u.ents {
		g := u.g(u.Accounts[0], e)
		u.grant(g)
		u.wantIn([]string{e}, g)
	}
}

func (u *suite) grantThenObserve() {
	u.want()
	g, h := u.g(u.Accounts[0], u.ents[0]), u.g(u.Accounts[1], u.ents[1])
	u.grant(g)
	u.want(g)
	u.grant(h)
	u.want(g, h)
	u.revoke(g)
	u.want(h)
}

func (u *suite) grantTwice() {
	g := u.g(u.Accounts[0], u.ents[0])
	u.grant(g, g)
	u.want(g)
	u.revoke(g) // one revoke undoes any number of grants
	u.want()
}

func (u *suite) revokeTwice() {
	g, h := u.g(u.Accounts[0], u.ents[0]), u.g(u.Accounts[1], u.ents[0])
	u.grant(g, h)
	u.revoke(g, g)
	u.want(h)
}

func (u *suite) revokeNever() {
	absent := u.canon(u.Absent)
	u.revoke(u.g(u.Accounts[0], u.ents[0]), u.g("no-such-account", u.ents[0]),
		u.g(u.Accounts[0], absent), u.g("no-such-account", absent))
	u.want()
}

func (u *suite) scope() {
	g, h := u.g(u.Accounts[0], u.ents[0]), u.g(u.Accounts[0], u.ents[1])
	u.grant(g, h)
	u.wantIn(u.ents[:1], g)
	u.wantIn(u.ents[1:2], h)
	u.wantIn([]string{u.canon(u.Absent), u.ents[1]}, h)
	u.wantIn([]string{u.ents[0], u.ents[0]}, g)
	for _, empty := range [][]string{nil, {u.canon(u.Absent)}} {
		if found, err := u.c.Observe(u.ctx, empty); err != nil || len(found) > 0 {
			u.t.Errorf("observe of %q: %v, %v", empty, found, err)
		}
	}
	if found, err := u.c.Observe(u.ctx, []string{"not canonical at all"}); err == nil {
		u.t.Errorf("a scope that cannot be read gave %v and no error", found)
	}
	u.parts()
}

// parts demands of a target that falls into parts that they make up the whole, each
// entitlement in one of them, also one that cannot be read.
func (u *suite) parts() {
	p, ok := connectors.AsPartitioner(u.c)
	if !ok {
		return
	}
	scope := append(slices.Clone(u.ents), u.canon(u.Absent), "not canonical at all")
	var in []string
	var found []grants.Grant
	for _, part := range p.Parts(scope) {
		in = append(in, part...)
		if !slices.Contains(part, "not canonical at all") {
			found = append(found, u.held(part)...)
		} else if len(part) > 1 {
			u.t.Errorf("what cannot be read hides %q", part)
		}
	}
	slices.Sort(in)
	slices.Sort(scope)
	if !slices.Equal(in, scope) {
		u.t.Errorf("the parts of %q hold %q", scope, in)
	}
	if whole := u.held(u.ents); !slices.Equal(unique(found), whole) {
		u.t.Errorf("the parts show %v, the whole %v", found, whole)
	}
}

func (u *suite) unknownAccount() {
	g := u.g(u.UnknownAccount, u.ents[0])
	check := func(err error) {
		u.t.Helper()
		if !errors.Is(err, connectors.ErrNoAccount) || !strings.Contains(err.Error(), u.UnknownAccount) {
			u.t.Errorf("want ErrNoAccount that names %q, got: %v", u.UnknownAccount, err)
		}
	}
	check(u.c.Grant(u.ctx, g, until()))
	fine := []grants.Grant{u.g(u.Accounts[0], u.ents[0]), u.g(u.Accounts[1], u.ents[0])}
	errs := apply(u.ctx, u.c, acts([]grants.Grant{fine[0], g, fine[1]}, false))
	if errs[0] != nil || errs[2] != nil {
		u.t.Errorf("others were kept back: %v", errs)
	}
	check(errs[1])
	u.want(fine...)
	if got := u.held(u.ents, u.UnknownAccount); len(got) != 2 {
		u.t.Errorf("the unknown account holds something: %v", got)
	}
}

func (u *suite) foreignSurvives() {
	theirs, ours := u.g(u.Accounts[0], u.ents[0]), u.g(u.Accounts[1], u.ents[0])
	u.ForeignGrant(u.t, theirs)
	u.want(theirs)
	u.grant(ours)
	u.want(theirs, ours)
	u.revoke(ours)
	u.want(theirs)
	u.revoke(u.g(u.Accounts[0], u.ents[1])) // another entitlement of the same account
	u.want(theirs)
	u.ForeignRevoke(u.t, theirs)
	u.want()
}

func (u *suite) drift() {
	g := u.g(u.Accounts[0], u.ents[0])
	u.grant(g)
	u.ForeignRevoke(u.t, g)
	u.want()
	u.revoke(g)
	u.grant(g)
	u.want(g)
}
