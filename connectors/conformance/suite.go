package conformance

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/connectors"
	"github.com/tenure-dev/tenure/grants"
)

// patience bounds one case, unless the subject says otherwise.
const patience = 60 * time.Second

// suite is one case that runs: a fresh connection and a target without holders.
type suite struct {
	Subject
	t    *testing.T
	ctx  context.Context
	c    connectors.Connector
	ents []string // canonical forms of Specs
}

func newSuite(t *testing.T, s Subject) *suite {
	if s.Patience == 0 {
		s.Patience = patience
	}
	ctx, cancel := context.WithTimeout(t.Context(), s.Patience)
	t.Cleanup(cancel)
	u := &suite{Subject: s, t: t, ctx: ctx, c: open(t, s)}
	for _, spec := range s.Specs {
		u.ents = append(u.ents, u.canon(spec))
	}
	t.Cleanup(func() { u.clean() })
	return u
}

func open(t *testing.T, s Subject) connectors.Connector {
	c := s.Open(t)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// clean takes away what a case has left, so that the next one starts alike.
func (u *suite) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), u.Patience)
	defer cancel()
	for _, a := range u.Accounts {
		for _, e := range u.ents {
			if err := u.c.Revoke(ctx, u.g(a, e)); err != nil && u.ForeignRevoke != nil {
				u.ForeignRevoke(u.t, u.g(a, e))
			}
		}
	}
}

func (u *suite) canon(spec connectors.Spec) string {
	u.t.Helper()
	e, err := u.Driver.Canonical(spec)
	if err != nil {
		u.t.Fatalf("canonical %v: %v", spec, err)
	}
	return e
}

func (u *suite) g(account, entitlement string) grants.Grant {
	return grants.Grant{Target: u.Target, Account: account, Entitlement: entitlement}
}

// until is far enough away that no target ends anything by itself.
func until() time.Time { return time.Now().UTC().Add(24 * time.Hour) }

func (u *suite) grant(gs ...grants.Grant) {
	u.t.Helper()
	for _, g := range gs {
		if err := u.c.Grant(u.ctx, g, until()); err != nil {
			u.t.Fatalf("grant %s: %v", g, err)
		}
	}
}

func (u *suite) revoke(gs ...grants.Grant) {
	u.t.Helper()
	for _, g := range gs {
		if err := u.c.Revoke(u.ctx, g); err != nil {
			u.t.Fatalf("revoke %s: %v", g, err)
		}
	}
}

// held returns who of the subject's accounts and those in also holds what is in
// scope, sorted. Others (a superuser, an owner) are none of the suite's business.
func (u *suite) held(scope []string, also ...string) []grants.Grant {
	u.t.Helper()
	found, err := u.c.Observe(u.ctx, scope)
	if err != nil {
		u.t.Fatalf("observe: %v", err)
	}
	var out []grants.Grant
	for _, g := range found {
		if g.Target != u.Target {
			u.t.Errorf("observe returned a grant of target %q", g.Target)
		}
		if slices.Contains(u.Accounts, g.Account) || slices.Contains(also, g.Account) {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, grants.Grant.Compare)
	return out
}

// want demands exactly these holders among the subject's accounts.
func (u *suite) want(gs ...grants.Grant) {
	u.t.Helper()
	u.wantIn(u.ents, gs...)
}

func (u *suite) wantIn(scope []string, gs ...grants.Grant) {
	u.t.Helper()
	slices.SortFunc(gs, grants.Grant.Compare)
	if got := u.held(scope); !slices.Equal(got, gs) {
		u.t.Fatalf("observe says %v, want %v", got, gs)
	}
}

// apply changes many grants the way a worker does: as a batch where there is one.
func apply(ctx context.Context, c connectors.Connector, acts []connectors.Act) []error {
	if b, ok := connectors.AsBatcher(c); ok {
		return b.Apply(ctx, acts)
	}
	errs := make([]error, len(acts))
	for i, a := range acts {
		if a.Revoke {
			errs[i] = c.Revoke(ctx, a.Grant)
		} else {
			errs[i] = c.Grant(ctx, a.Grant, a.Until)
		}
	}
	return errs
}

// all returns every account with every entitlement.
func (u *suite) all() []grants.Grant {
	var out []grants.Grant
	for _, a := range u.Accounts {
		for _, e := range u.ents {
			out = append(out, u.g(a, e))
		}
	}
	slices.SortFunc(out, grants.Grant.Compare)
	return out
}

func acts(gs []grants.Grant, revoke bool) []connectors.Act {
	var out []connectors.Act
	for _, g := range gs {
		out = append(out, connectors.Act{Grant: g, Revoke: revoke, Until: until()})
	}
	return out
}
