package grants_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/tenure-dev/tenure/grants"
	"pgregory.net/rapid"
)

func revokes(n int, cause grants.Cause, commit string) []grants.Change {
	var changes []grants.Change
	for i := range n {
		changes = append(changes, grants.Change{
			Op: grants.OpRevoke, Item: item(fmt.Sprintf("%s-%03d", commit, i), "write"), Cause: cause, Commit: commit,
		})
	}
	return changes
}

func TestGuardWithholdsWhatACommitTakesTooMuchOf(t *testing.T) {
	deleted := grants.CauseDeleted
	for _, c := range []struct {
		name     string
		changes  []grants.Change
		held     int
		lim      grants.GuardLimits
		ok       map[string]bool
		withheld int
	}{
		{name: "few", changes: revokes(5, deleted, "aa"), held: 20},
		{name: "more than the ratio", changes: revokes(6, deleted, "aa"), held: 20, withheld: 6},
		{name: "all of fewer than five", changes: revokes(4, deleted, "aa"), held: 4},
		{name: "two of five", changes: revokes(2, deleted, "aa"), held: 5, withheld: 2},
		{name: "as many as the count", changes: revokes(50, deleted, "aa"), held: 1000},
		{name: "more than the count", changes: revokes(51, deleted, "aa"), held: 1000, withheld: 51},
		{name: "more than the count of fewer than five held", changes: revokes(3, deleted, "aa"), held: 4, lim: grants.GuardLimits{MaxRemovals: 2}, withheld: 3},
		{name: "own limits", changes: revokes(60, deleted, "aa"), held: 100, lim: grants.GuardLimits{MaxRemovals: 60, MaxRemovalRatio: 0.6}},
		{name: "a ratio that is no number is the default", changes: revokes(6, deleted, "aa"), held: 20, lim: grants.GuardLimits{MaxRemovalRatio: math.NaN()}, withheld: 6},
		{name: "negative limits are the defaults", changes: revokes(5, deleted, "aa"), held: 20, lim: grants.GuardLimits{MaxRemovals: -1, MaxRemovalRatio: -1}},
		{name: "two commits are counted apart", changes: append(revokes(5, deleted, "aa"), revokes(5, deleted, "bb")...), held: 20},
		{name: "one of two commits", changes: append(revokes(6, deleted, "aa"), revokes(5, deleted, "bb")...), held: 20, withheld: 6},
		{name: "an unknown commit is one of its own", changes: append(revokes(6, deleted, ""), revokes(5, deleted, "bb")...), held: 20, withheld: 6},
		{name: "what is left of a commit that tripped before", changes: append(revokes(1, deleted, "aa"), revokes(1, deleted, "bb")...), held: 20, lim: grants.GuardLimits{Tripped: map[string]bool{"aa": true}}, withheld: 1},
		{name: "tripped before and confirmed", changes: revokes(1, deleted, "aa"), held: 20, lim: grants.GuardLimits{Tripped: map[string]bool{"aa": true}}, ok: map[string]bool{"aa": true}},
		{name: "expiries of a commit that tripped before", changes: revokes(1, grants.CauseExpired, "aa"), held: 20, lim: grants.GuardLimits{Tripped: map[string]bool{"aa": true}}},
		{name: "confirmed", changes: revokes(100, deleted, "aa"), held: 100, ok: map[string]bool{"aa": true}},
		{name: "another one confirmed", changes: revokes(100, deleted, "aa"), held: 100, ok: map[string]bool{"bb": true}, withheld: 100},
		{name: "expiries", changes: revokes(100, grants.CauseExpired, ""), held: 100},
		{name: "deactivated people", changes: revokes(100, grants.CauseDeactivated, "aa"), held: 100},
		{name: "narrowed", changes: revokes(6, grants.CauseNarrowed, "aa"), held: 20, withheld: 6},
		{name: "unproven", changes: revokes(6, grants.CauseUnproven, "aa"), held: 20, withheld: 6},
		{name: "shortened", changes: revokes(6, grants.CauseShortened, "aa"), held: 20, withheld: 6},
		{name: "without a cause", changes: revokes(6, "", ""), held: 20, withheld: 6},
		{
			name: "expiries of the same commit go ahead", changes: append(revokes(9, deleted, "aa"), revokes(9, grants.CauseExpired, "aa")...),
			held: 20, withheld: 9,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			allowed, withheld := grants.Guard(c.changes, c.held, c.lim, c.ok)
			if len(withheld) != c.withheld || len(allowed)+len(withheld) != len(c.changes) {
				t.Errorf("%d allowed, %d withheld, want %d", len(allowed), len(withheld), c.withheld)
			}
		})
	}
}

func TestGuardWithholdsOnlyRevokesAndNeverAnExpiry(t *testing.T) {
	ops := []grants.Op{grants.OpGrant, grants.OpRenew, grants.OpRevoke, grants.OpRevoke, grants.OpRelease, grants.OpAdopt, grants.OpLeave}
	causes := []grants.Cause{"", grants.CauseExpired, grants.CauseDeleted, grants.CauseShortened, grants.CauseNarrowed, grants.CauseDeactivated, grants.CauseUnproven}
	rapid.Check(t, func(t *rapid.T) {
		var changes []grants.Change
		for i := range rapid.IntRange(0, 30).Draw(t, "changes") {
			changes = append(changes, grants.Change{
				Op: rapid.SampledFrom(ops).Draw(t, "op"), Cause: rapid.SampledFrom(causes).Draw(t, "cause"),
				Commit: rapid.SampledFrom([]string{"", "aa", "bb"}).Draw(t, "commit"), Item: item(fmt.Sprintf("%03d", i), "write"),
			})
		}
		lim := grants.GuardLimits{MaxRemovals: rapid.IntRange(0, 5).Draw(t, "max"), MaxRemovalRatio: rapid.Float64Range(0, 1).Draw(t, "ratio")}
		held := rapid.IntRange(0, 40).Draw(t, "held")
		allowed, withheld := grants.Guard(changes, held, lim, map[string]bool{"bb": true})
		a, w := 0, 0
		for _, ch := range changes {
			switch {
			case a < len(allowed) && allowed[a].Item == ch.Item:
				a++
			case w < len(withheld) && withheld[w].Item == ch.Item:
				w++
			default:
				t.Fatalf("%v is lost, or out of order", ch)
			}
		}
		for _, ch := range withheld {
			if ch.Op != grants.OpRevoke || ch.Cause == grants.CauseExpired || ch.Cause == grants.CauseDeactivated || ch.Commit == "bb" {
				t.Fatalf("%+v is withheld", ch)
			}
		}
		for _, ch := range allowed {
			for _, no := range withheld {
				if ch.Op == no.Op && ch.Commit == no.Commit && ch.Cause == no.Cause {
					t.Fatalf("%+v is allowed, %+v of the same commit is not", ch, no)
				}
			}
		}
	})
}
