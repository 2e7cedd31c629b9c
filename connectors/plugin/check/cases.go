package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

var cases = []struct {
	name string
	try  func(*run, context.Context) error
}{
	{"check finds no missing right", (*run).check},
	{"grant, then observe", (*run).grant},
	{"grant twice, revoke twice", (*run).twice},
	{"revoke what never was", (*run).never},
	{"observe keeps to its scope", (*run).scope},
	{"unknown account is named, others go on", (*run).unknown},
	{"hostile account names", (*run).hostile},
	{"batch in its order", (*run).order},
	{"two writers at once", (*run).writers},
	{"live sessions can be ended", (*run).sessions},
}

func (r *run) check(ctx context.Context) error {
	k, ok := connectors.AsChecker(r.Connector)
	if !ok {
		return errors.New("the connector cannot check itself, so it is not a plug-in's")
	}
	return errors.Join(k.Check(ctx, r.Entitlements)...)
}

func (r *run) grant(ctx context.Context) error {
	var held []grants.Grant
	for _, g := range r.all() {
		if err := r.Connector.Grant(ctx, g, r.Until); err != nil {
			return err
		}
		held = append(held, g)
		if err := r.want(ctx, held...); err != nil {
			return err
		}
	}
	if err := r.Connector.Revoke(ctx, held[0]); err != nil {
		return err
	}
	return r.want(ctx, held[1:]...)
}

func (r *run) twice(ctx context.Context) error {
	g := r.all()[0]
	for _, revoke := range []bool{false, true} {
		for range 2 {
			if errs := r.apply(ctx, []grants.Grant{g}, revoke); errs != nil {
				return errs[0]
			}
		}
		if revoke {
			return r.want(ctx)
		}
		if err := r.want(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) never(ctx context.Context) error {
	var list []grants.Grant
	for _, a := range []string{r.Accounts[0], absentAccount} {
		for _, e := range []string{r.Entitlements[0], absentRole} {
			list = append(list, grants.Grant{Target: r.Target, Account: a, Entitlement: e})
		}
	}
	return errors.Join(append(r.apply(ctx, list, true), r.want(ctx))...)
}

func (r *run) scope(ctx context.Context) error {
	all := r.all()
	if errs := r.apply(ctx, all, false); errs != nil {
		return errs[0]
	}
	for _, e := range unique(r.Entitlements) {
		var want []grants.Grant
		for _, g := range all {
			if g.Entitlement == e {
				want = append(want, g)
			}
		}
		if err := r.wantIn(ctx, []string{e, absentRole}, want...); err != nil {
			return err
		}
	}
	return r.wantIn(ctx, []string{absentRole})
}

func (r *run) unknown(ctx context.Context) error {
	all := r.all()
	list := []grants.Grant{all[0], {Target: r.Target, Account: absentAccount, Entitlement: r.Entitlements[0]}, all[len(all)-1]}
	errs := r.batch(ctx, r.acts(list, false))
	switch {
	case len(errs) != 3 || errs[0] != nil || errs[2] != nil:
		return fmt.Errorf("others were kept back: %w", errors.Join(errs...))
	case !errors.Is(errs[1], connectors.ErrNoAccount):
		return fmt.Errorf("a grant to %s must fail with code noAccount, not: %v", absentAccount, errs[1])
	}
	return r.want(ctx, list[0], list[2])
}

// hostile grants to names that are near to real ones, or meant to become something
// else on their way. Each is refused, or is an account of its own and shown exactly.
func (r *run) hostile(ctx context.Context) error {
	real := r.Accounts[0]
	for _, name := range []string{
		real + " ", " " + real, strings.ToUpper(real[:1]) + real[1:] + "\x00", real + "\n", real + "\u200b", real[:len(real)-1] + "*",
		real + "'", real + `"; --`, "*", "(cn=*)", "$(id)", "../" + real, "-rf", strings.Repeat(real, 200),
	} {
		g := grants.Grant{Target: r.Target, Account: name, Entitlement: r.Entitlements[0]}
		var want []grants.Grant
		if r.Connector.Grant(ctx, g, r.Until) == nil {
			want = append(want, g)
		}
		held := r.want(ctx, want...)
		gone := r.Connector.Revoke(ctx, g)
		if err := errors.Join(held, gone, r.want(ctx)); err != nil {
			return fmt.Errorf("account %+.100q: %w", name, err)
		}
	}
	return nil
}

func (r *run) order(ctx context.Context) error {
	all := r.all()
	for _, c := range []struct {
		acts []connectors.Act
		want []grants.Grant
	}{
		{r.acts(all, false), all},
		{append(r.acts(all[1:], true), r.acts(all[:1], false)...), all[:1]},
		{append(r.acts(all[:1], false), r.acts(all[:1], true)...), nil},
		{append(r.acts(all[:1], true), r.acts(all[:1], false)...), all[:1]},
	} {
		if err := errors.Join(r.batch(ctx, c.acts)...); err != nil {
			return err
		}
		if err := r.want(ctx, c.want...); err != nil {
			return err
		}
	}
	return nil
}

// writers lets every account have a writer of its own: a plug-in that reads, changes
// and writes without a lock loses one's change.
func (r *run) writers(ctx context.Context) error {
	all := r.all()
	for range 5 {
		for _, revoke := range []bool{false, true} {
			errs := make([]error, len(all))
			var wg sync.WaitGroup
			for i, g := range all {
				wg.Go(func() { errs[i] = errors.Join(r.apply(ctx, []grants.Grant{g}, revoke)...) })
			}
			wg.Wait()
			want := all
			if revoke {
				want = nil
			}
			if err := errors.Join(append(errs, r.want(ctx, want...))...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) sessions(ctx context.Context) error {
	s, ok := connectors.AsSessionEnder(r.Connector)
	if !ok {
		return nil // it does not say that it can
	}
	lost := append(r.all(), grants.Grant{Target: r.Target, Account: absentAccount, Entitlement: r.Entitlements[0]})
	return errors.Join(s.EndSessions(ctx, lost), s.EndSessions(ctx, lost))
}
