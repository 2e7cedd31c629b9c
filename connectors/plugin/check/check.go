// Package check tries a live plug-in: the part of connectors/conformance that needs
// nothing but the connector itself, for those who write plug-ins. It grants and
// revokes, to accounts that it is given for that and that hold nothing before.
package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// The account and the role that no target may have.
const (
	absentAccount = "tenure-no-such-account"
	absentRole    = "role=tenure-no-such-role"
)

// Subject is what is tried.
type Subject struct {
	Target       string
	Connector    connectors.Connector
	Accounts     []string // at least two; they exist and hold nothing
	Entitlements []string // at least one, canonical; they exist
	Until        time.Time
}

// Result is what became of one case; Err nil: it passed.
type Result struct {
	Case string
	Err  error
}

// cleanup bounds what is done after the last case, whatever became of the context.
const cleanup = time.Minute

// Run tries every case and returns the results in order. Its error is about what it
// was given: then nothing was changed. At the end the accounts hold nothing again;
// when that fails, it is the last case's result.
func Run(ctx context.Context, s Subject) (results []Result, err error) {
	if len(unique(s.Accounts)) < 2 || len(s.Entitlements) == 0 {
		return nil, errors.New("give at least two accounts and one entitlement")
	}
	if slices.Contains(s.Accounts, absentAccount) || slices.Contains(s.Entitlements, absentRole) {
		return nil, fmt.Errorf("%s and %s stand for what does not exist", absentAccount, absentRole)
	}
	r := &run{Subject: s}
	if r.others, err = r.observe(ctx, s.Entitlements); err != nil {
		return nil, err
	}
	for _, g := range r.others {
		if slices.Contains(s.Accounts, g.Account) {
			return nil, fmt.Errorf("%s already; give accounts that hold nothing", g)
		}
	}
	for _, c := range cases {
		err := c.try(r, ctx)
		if cleared := r.clear(ctx); err == nil {
			err = cleared
		}
		results = append(results, Result{c.name, err})
		if ctx.Err() != nil {
			break
		}
	}
	return results, nil
}

type run struct {
	Subject
	others []grants.Grant // held by accounts that are none of ours
}

func (r *run) all() (out []grants.Grant) {
	for _, a := range unique(r.Accounts) {
		for _, e := range unique(r.Entitlements) {
			out = append(out, grants.Grant{Target: r.Target, Account: a, Entitlement: e})
		}
	}
	return out
}

func unique(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// clear takes away what a case has left and looks whether all is as it was.
func (r *run) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	errs := r.apply(ctx, r.all(), true)
	return errors.Join(append(errs, r.want(ctx))...)
}

func (r *run) observe(ctx context.Context, scope []string) ([]grants.Grant, error) {
	found, err := r.Connector.Observe(ctx, scope)
	slices.SortFunc(found, grants.Grant.Compare)
	return found, err
}

// want demands that exactly these are held, beside what others held from the start.
func (r *run) want(ctx context.Context, gs ...grants.Grant) error {
	return r.wantIn(ctx, r.Entitlements, gs...)
}

func (r *run) wantIn(ctx context.Context, scope []string, gs ...grants.Grant) error {
	found, err := r.observe(ctx, scope)
	if err != nil {
		return err
	}
	want := slices.Clone(gs)
	for _, g := range r.others {
		if slices.Contains(scope, g.Entitlement) {
			want = append(want, g)
		}
	}
	slices.SortFunc(want, grants.Grant.Compare)
	for _, g := range found {
		if !slices.Contains(want, g) {
			return fmt.Errorf("observe shows what should not be there: %s", g)
		}
	}
	for _, g := range want {
		if !slices.Contains(found, g) {
			return fmt.Errorf("observe lacks %s", g)
		}
	}
	return nil
}

// apply is one batch; only what failed is returned.
func (r *run) apply(ctx context.Context, gs []grants.Grant, revoke bool) (failed []error) {
	for _, err := range r.batch(ctx, r.acts(gs, revoke)) {
		if err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

func (r *run) acts(gs []grants.Grant, revoke bool) (out []connectors.Act) {
	for _, g := range gs {
		a := connectors.Act{Grant: g, Revoke: revoke}
		if !revoke {
			a.Until = r.Until
		}
		out = append(out, a)
	}
	return out
}

func (r *run) batch(ctx context.Context, acts []connectors.Act) []error {
	b, ok := connectors.AsBatcher(r.Connector)
	if !ok {
		return []error{errors.New("the connector takes no batches, so it is not a plug-in's")}
	}
	return b.Apply(ctx, acts)
}
