// Package grants is the pure core of Tenure: what access must exist at a given
// instant, and what has to change on the targets to get there.
//
// It holds no I/O and no clock. Every function is a function of its arguments:
// the same input gives the same bytes out, so that a decision can be replayed.
// All times are UTC and all intervals are half-open, [From, Until).
package grants

import (
	"cmp"
	"fmt"
)

// Grant is one entitlement of one account on one target. It is comparable, so
// that a difference between two states is set membership.
type Grant struct {
	Target      string `json:"target"`      // name of the Target document
	Account     string `json:"account"`     // name of the account on that target
	Entitlement string `json:"entitlement"` // canonical form, made by the target's connector
}

// String names the grant the way logs and tables do: entitlement@target for account.
func (g Grant) String() string {
	return fmt.Sprintf("%s: %s for %s", g.Target, g.Entitlement, g.Account)
}

// Compare orders grants by target, account and entitlement.
func (g Grant) Compare(o Grant) int {
	return cmp.Or(
		cmp.Compare(g.Target, o.Target),
		cmp.Compare(g.Account, o.Account),
		cmp.Compare(g.Entitlement, o.Entitlement),
	)
}
