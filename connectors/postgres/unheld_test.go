package postgres

import (
	"testing"
)

func TestOnlyARoleOfOursThatNobodyHoldsIsDropped(t *testing.T) {
	s := startDirect(t)
	c := openClosing(t, s, "tenure", direct1).(*connector)
	e, other := on(t, "table", "app.orders", "select"), on(t, "table", "app.refunds", "select")
	ok(t, c.Grant(t.Context(), dg(e, "alice"), at(5)))
	// A grant came between the look and the drop.
	ok(t, c.tryDropOwned(t.Context(), ownedName("pg", e)))
	if !can(t, s, "alice", "SELECT * FROM app.orders") {
		t.Error("a role that is held was dropped")
	}
	// The comment alone does not make a role ours, nor does another target's.
	s.Exec(t, "", `CREATE ROLE "tenure:copy"`, `COMMENT ON ROLE "tenure:copy" IS `+literal(ownedMark("pg", e)),
		"CREATE ROLE "+quote(ownedName("pg2", other)), "COMMENT ON ROLE "+quote(ownedName("pg2", other))+" IS "+literal(ownedMark("pg2", other)))
	ok(t, c.Revoke(t.Context(), dg(e, "alice")))
	if n := madeRoles(t, s); n != 2 {
		t.Errorf("%d roles are left, want the two that are not ours", n)
	}
}
