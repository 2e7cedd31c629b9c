package grants_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"pgregory.net/rapid"
)

// genPlanned draws what Plan compares, over a few grants so that every
// combination of asked for, there, and owned comes up.
func genPlanned(t *rapid.T) ([]grants.Claim, []grants.Grant, []grants.Hold) {
	var claims []grants.Claim
	var observed []grants.Grant
	var holds []grants.Hold
	holder := func(name string) []grants.Holder {
		var holders []grants.Holder
		for i := range rapid.IntRange(1, 2).Draw(t, name) {
			path := "requests/" + string(rune('a'+i)) + ".yaml"
			holders = append(holders, grants.Holder{Request: path + "@1", Path: path, Until: minute(60 * (i + 1))})
		}
		return holders
	}
	until := rapid.SampledFrom([]time.Time{minute(60), minute(120)})
	for n := range rapid.IntRange(0, 8).Draw(t, "grants") {
		item := worldItem(n)
		if rapid.Bool().Draw(t, "desired") {
			claims = append(claims, grants.Claim{Item: item, Until: until.Draw(t, "claim until"), Holders: holder("claim holders")})
		}
		if rapid.Bool().Draw(t, "observed") {
			observed = append(observed, item.Grant)
		}
		if rapid.Bool().Draw(t, "owned") {
			holds = append(holds, grants.Hold{
				Item: item, PreExisting: rapid.IntRange(0, 3).Draw(t, "pre-existing") == 0,
				State: rapid.SampledFrom([]grants.HoldState{grants.StateHeld, grants.StateGranting, grants.StateRevoking}).Draw(t, "state"),
				Until: until.Draw(t, "hold until"), Holders: holder("hold holders"),
			})
		}
	}
	return claims, observed, holds
}

func TestPlanDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims, observed, holds := genPlanned(t)
		want := text(grants.Plan(claims, observed, holds))
		wantBlind := text(grants.PlanBlind(claims, holds))
		claims = rapid.Permutation(claims).Draw(t, "claims")
		observed = rapid.Permutation(append(observed, observed...)).Draw(t, "observed twice")
		holds = rapid.Permutation(holds).Draw(t, "holds")
		before := text([]any{claims, observed, holds})
		if got := text(grants.Plan(claims, observed, holds)); got != want {
			t.Fatalf("%s\nin another order:\n%s", want, got)
		}
		if got := text(grants.PlanBlind(claims, holds)); got != wantBlind {
			t.Fatalf("%s\nin another order:\n%s", wantBlind, got)
		}
		if text([]any{claims, observed, holds}) != before {
			t.Fatal("the input was changed")
		}
	})
}

func TestPlanTakesAwayOnlyItsOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims, observed, holds := genPlanned(t)
		asked := func(g grants.Grant) bool {
			return slices.ContainsFunc(claims, func(c grants.Claim) bool { return c.Grant == g })
		}
		own := func(g grants.Grant) bool {
			return slices.ContainsFunc(holds, func(h grants.Hold) bool { return h.Grant == g && !h.PreExisting })
		}
		revoked := map[grants.Grant]bool{}
		for _, ch := range slices.Concat(grants.Plan(claims, observed, holds), grants.PlanBlind(claims, holds)) {
			g := ch.Item.Grant
			if ch.Reason == "" {
				t.Fatalf("no reason: %+v", ch)
			}
			switch ch.Op {
			case grants.OpRevoke:
				revoked[g] = true
				if !own(g) || asked(g) {
					t.Fatalf("revokes %v, own %v, asked for %v", g, own(g), asked(g))
				}
			case grants.OpRenew:
				if !own(g) || !asked(g) || !slices.Contains(observed, g) {
					t.Fatalf("renews %v", g)
				}
			case grants.OpGrant, grants.OpAdopt:
				if !asked(g) || slices.Contains(observed, g) != (ch.Op == grants.OpAdopt) {
					t.Fatalf("%s %v", ch.Op, g)
				}
			case grants.OpRelease, grants.OpLeave:
				if asked(g) {
					t.Fatalf("%s of %v, which is asked for", ch.Op, g)
				}
			}
		}
		for _, h := range holds {
			if !h.PreExisting && !asked(h.Grant) && !revoked[h.Grant] {
				t.Fatalf("blind to %v, which nobody asks for", h.Grant)
			}
		}
	})
}

func TestAfterAPlanIsAppliedNothingIsLeftToDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims, observed, holds := genPlanned(t)
		w := world{on: slices.Clone(observed), holds: slices.Clone(holds)}
		w.apply(grants.Plan(claims, observed, holds), minute(0))
		for _, ch := range grants.Plan(claims, w.on, w.holds) {
			if ch.Op != grants.OpLeave {
				t.Fatalf("still to do: %+v", ch)
			}
		}
		if left := grants.PlanBlind(claims, w.holds); len(left) != 0 {
			t.Fatalf("still to revoke: %+v", left)
		}
		for _, c := range claims {
			if !w.has(c.Grant) {
				t.Fatalf("%v is asked for and not there", c.Grant)
			}
		}
	})
}

// A life is every boundary of some decisions in turn, on a target that had some
// of the access before.
func TestOverAWholeLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		decisions := genDecisions(t)
		var w world
		before := map[grants.Grant]bool{}
		for n := range 3 {
			if rapid.IntRange(0, 3).Draw(t, "there before") == 0 {
				w.on = append(w.on, worldItem(n).Grant)
				before[worldItem(n).Grant] = true
			}
		}
		claimed := map[grants.Grant]grants.Claim{}
		for now := minute(-24 * 60); !now.IsZero(); {
			claims, next := grants.Desired(decisions, now)
			changes := grants.Attribute(grants.Plan(claims, w.on, w.holds), w.holds, decisions, now)
			for _, ch := range changes {
				g := ch.Item.Grant
				last, was := claimed[g]
				switch {
				case ch.Op == grants.OpGrant && was && now.Before(last.Until):
					t.Fatalf("%v was granted again inside a run until %v", g, last.Until)
				case ch.Op == grants.OpRevoke && (before[g] || now.Before(last.Until)):
					t.Fatalf("at %v %v was revoked; there before %v, held until %v", now, g, before[g], last.Until)
				case ch.Op == grants.OpRevoke && ch.Cause != grants.CauseExpired:
					t.Fatalf("%v ended by itself, yet its cause is %q", g, ch.Cause)
				}
			}
			_, withheld := grants.Guard(changes, len(w.holds), grants.GuardLimits{MaxRemovals: 1, MaxRemovalRatio: 0.01}, nil)
			if len(withheld) != 0 {
				t.Fatalf("expiries were withheld: %v", withheld)
			}
			w.apply(changes, now)

			clear(claimed)
			for _, c := range claims {
				claimed[c.Grant] = c
				if h, ok := w.hold(c.Grant); !ok || !w.has(c.Grant) || h.PreExisting != before[c.Grant] {
					t.Fatalf("at %v %v: hold %+v, there %v", now, c.Grant, h, w.has(c.Grant))
				}
			}
			for _, g := range w.on {
				if _, asked := claimed[g]; !asked && !before[g] {
					t.Fatalf("at %v %v outlives its window", now, g)
				}
			}
			now = next
		}
		if len(w.holds) != 0 {
			t.Fatalf("all is over, and yet held: %v", w.holds)
		}
		for g := range before {
			if !w.has(g) {
				t.Fatalf("%v was there before and is gone", g)
			}
		}
	})
}
