package grants_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/grants"
	"pgregory.net/rapid"
)

const aCommit = "c0ffee0123456789c0ffee0123456789c0ffee01"

// TestReclaimOfEveryCase is the table of what happens to access in what belongs to
// Tenure alone, complete: each row is one combination of what is known of it.
func TestReclaimOfEveryCase(t *testing.T) {
	write := item("alice", "write")
	holders := []grants.Holder{{Request: "requests/alice.yaml@0123456789ab", Path: "requests/alice.yaml", Until: hour(13)}}
	claim := grants.Claim{Item: write, Until: hour(13), Holders: holders}
	own := grants.Exclusive{Entitlement: write.Entitlement, Commit: aCommit}
	with := func(f func(*grants.Exclusive)) []grants.Exclusive {
		e := own
		f(&e)
		return []grants.Exclusive{e}
	}
	var out strings.Builder
	for _, e := range []struct {
		name      string
		exclusive []grants.Exclusive
	}{
		{"not exclusive", nil},
		{"another is exclusive", with(func(e *grants.Exclusive) { e.Entitlement = "role=other" })},
		{"exclusive", []grants.Exclusive{own}},
		{"exclusive and listed", with(func(e *grants.Exclusive) { e.Listed = true })},
		{"the account is kept", with(func(e *grants.Exclusive) { e.Keep = []string{"bob", "alice"} })},
		{"an account with its beginning is kept", with(func(e *grants.Exclusive) { e.Keep = []string{"Alice", "alic", "alice "} })},
		{"it waits", with(func(e *grants.Exclusive) { e.Waits = "the proof of requests/x.yaml cannot be read yet" })},
		{"since when is not known", with(func(e *grants.Exclusive) { e.Commit = "" })},
	} {
		for _, h := range []struct {
			name string
			hold *grants.Hold
		}{
			{"no hold", nil},
			{"held", &grants.Hold{Item: write, State: grants.StateHeld, Until: hour(13), Holders: holders}},
			{"pre-existing", &grants.Hold{Item: write, State: grants.StateHeld, PreExisting: true, Until: hour(13), Holders: holders}},
			{"a stranger's revoke was begun", &grants.Hold{Item: write, State: grants.StateRevoking}},
		} {
			for _, asked := range []bool{true, false} {
				for _, seen := range []bool{true, false} {
					var claims []grants.Claim
					var observed []grants.Grant
					var holds []grants.Hold
					if asked {
						claims = append(claims, claim)
					}
					if seen {
						observed = append(observed, write.Grant)
					}
					if h.hold != nil {
						holds = append(holds, *h.hold)
					}
					fmt.Fprintf(&out, "%s, %s, asked for: %v, there: %v\n", e.name, h.name, asked, seen)
					for _, ch := range grants.Reclaim(grants.Plan(claims, observed, holds), e.exclusive) {
						fmt.Fprintf(&out, "    %s: %s\n", ch.Op, ch.Reason)
						if ch.Cause != "" {
							fmt.Fprintf(&out, "        cause %s, commit %q\n", ch.Cause, ch.Commit)
						}
					}
					for _, ch := range grants.PlanBlind(claims, holds) {
						fmt.Fprintf(&out, "    blind %s\n", ch.Op)
					}
				}
			}
		}
	}
	golden(t, "reclaim", out.String())
}

// genExclusive draws what is exclusive among the entitlements of genPlanned.
func genExclusive(t *rapid.T) []grants.Exclusive {
	var out []grants.Exclusive
	seen := map[string]bool{}
	for n := range 8 {
		it := worldItem(n)
		if seen[it.Entitlement] || !rapid.Bool().Draw(t, "exclusive") {
			continue
		}
		seen[it.Entitlement] = true
		e := grants.Exclusive{
			Entitlement: it.Entitlement,
			Commit:      rapid.SampledFrom([]string{aCommit, "", strings.Repeat("d", 40)}).Draw(t, "since"),
			Listed:      rapid.Bool().Draw(t, "listed"),
			Waits:       rapid.SampledFrom([]string{"", "", "something"}).Draw(t, "waits"),
		}
		for m := range 8 {
			if rapid.IntRange(0, 3).Draw(t, "keep") == 0 {
				e.Keep = append(e.Keep, worldItem(m).Account)
			}
		}
		out = append(out, e)
	}
	return out
}

func TestOnlyStrangersLoseWhatTenureNeverGave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims, observed, holds := genPlanned(t)
		for i := range holds {
			if rapid.IntRange(0, 3).Draw(t, "begun") == 0 {
				holds[i].PreExisting, holds[i].State, holds[i].Holders = false, grants.StateRevoking, nil
			}
		}
		exclusive := genExclusive(t)
		plan := grants.Plan(claims, observed, holds)
		before := text(plan)
		changes := grants.Reclaim(plan, exclusive)
		if text(plan) != before {
			t.Fatal("the input was changed")
		}
		if len(changes) != len(plan) {
			t.Fatalf("%d changes of %d", len(changes), len(plan))
		}
		for _, ch := range changes {
			if ch.Op != grants.OpRevoke || ch.Cause != grants.CauseExclusive {
				continue
			}
			g := ch.Item.Grant
			if !slices.Contains(observed, g) {
				t.Fatalf("revokes %v, which is not there", g)
			}
			if slices.ContainsFunc(claims, func(c grants.Claim) bool { return c.Grant == g }) {
				t.Fatalf("revokes %v, which is asked for", g)
			}
			for _, h := range holds {
				if h.Grant == g && !h.Stranger() {
					t.Fatalf("revokes %v of %+v", g, h)
				}
			}
			i := slices.IndexFunc(exclusive, func(e grants.Exclusive) bool { return e.Entitlement == g.Entitlement })
			if i < 0 || exclusive[i].Waits != "" || exclusive[i].Commit == "" || slices.Contains(exclusive[i].Keep, g.Account) {
				t.Fatalf("revokes %v, exclusive %+v", g, exclusive)
			}
		}
		for _, ch := range grants.PlanBlind(claims, holds) {
			for _, h := range holds {
				if h.Grant == ch.Item.Grant && h.Stranger() {
					t.Fatalf("blind %s of a stranger", ch.Op)
				}
			}
		}
		shuffled := grants.Reclaim(grants.Plan(claims, rapid.Permutation(observed).Draw(t, "observed"), holds), rapid.Permutation(exclusive).Draw(t, "exclusive"))
		if text(shuffled) != text(changes) {
			t.Fatalf("%s\nin another order:\n%s", text(changes), text(shuffled))
		}
	})
}

// Without a word nobody of a first list loses anything, and nobody of a later one that
// is longer than the guard allows.
func TestStrangersAreGuarded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims, observed, holds := genPlanned(t)
		exclusive := genExclusive(t)
		changes := grants.Reclaim(grants.Plan(claims, observed, holds), exclusive)
		lim := grants.GuardLimits{MaxRemovals: rapid.IntRange(1, 4).Draw(t, "limit"), MaxRemovalRatio: 1}
		confirmed := map[string]bool{}
		for _, ch := range changes {
			if ch.Cause == grants.CauseExclusive && rapid.Bool().Draw(t, "confirmed") {
				confirmed[ch.Commit] = true
			}
		}
		allowed, withheld := grants.GuardStrangers(changes, exclusive, len(holds), lim, confirmed)
		later := 0
		for _, ch := range allowed {
			i := slices.IndexFunc(exclusive, func(e grants.Exclusive) bool { return e.Entitlement == ch.Item.Entitlement })
			switch {
			case ch.Op != grants.OpRevoke || ch.Cause != grants.CauseExclusive:
				t.Fatalf("%+v is no stranger's", ch)
			case confirmed[ch.Commit]:
			case !exclusive[i].Listed:
				t.Fatalf("%v goes without a word", ch.Item.Grant)
			default:
				later++
			}
		}
		if later > lim.MaxRemovals {
			t.Fatalf("%d strangers go at once, the limit is %d", later, lim.MaxRemovals)
		}
		for _, ch := range withheld {
			if confirmed[ch.Commit] {
				t.Fatalf("%v was confirmed and is withheld", ch.Item.Grant)
			}
		}
		strangers := 0
		for _, ch := range changes {
			if ch.Op == grants.OpRevoke && ch.Cause == grants.CauseExclusive {
				strangers++
			}
		}
		if len(allowed)+len(withheld) != strangers {
			t.Fatalf("%d and %d of %d strangers", len(allowed), len(withheld), strangers)
		}
	})
}

func TestAListOfStrangersIsConfirmedAsItWas(t *testing.T) {
	exclusive := []grants.Exclusive{{Entitlement: item("a", "write").Entitlement, Commit: aCommit, Listed: true}}
	list := func(accounts ...string) string {
		var observed []grants.Grant
		for _, a := range accounts {
			observed = append(observed, item(a, "write").Grant)
		}
		return grants.Reclaim(grants.Plan(nil, observed, nil), exclusive)[0].Commit
	}
	ab := list("a", "b")
	if list("b", "a") != ab {
		t.Error("the order counts")
	}
	for _, other := range []string{list("a"), list("a", "b", "c"), list("a", "c"), aCommit} {
		if other == ab {
			t.Errorf("another list has the same id %s", ab)
		}
	}
}

func TestWhatABegunRevokeNeedsIsNotWithheld(t *testing.T) {
	exclusive := []grants.Exclusive{{Entitlement: item("a", "write").Entitlement, Commit: aCommit}}
	var holds []grants.Hold
	var observed []grants.Grant
	for i := range 60 {
		it := item(fmt.Sprintf("user%02d", i), "write")
		holds = append(holds, grants.Hold{Item: it, State: grants.StateRevoking, Since: time.Time{}})
		observed = append(observed, it.Grant)
	}
	allowed, withheld := grants.GuardStrangers(grants.Reclaim(grants.Plan(nil, observed, holds), exclusive), exclusive, 60, grants.GuardLimits{}, nil)
	if len(allowed) != 60 || len(withheld) != 0 {
		t.Errorf("%d go on, %d are withheld", len(allowed), len(withheld))
	}
}
