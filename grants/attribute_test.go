package grants_test

import (
	"strings"
	"testing"

	"github.com/tenure-dev/tenure/grants"
	"pgregory.net/rapid"
)

func TestAttributeNamesTheCause(t *testing.T) {
	write := item("alice", "write")
	first, second := decision("first", terms(span(9, 13), write)), decision("second", terms(span(11, 15), write))
	holder := func(d grants.Decision, until float64) grants.Holder {
		return grants.Holder{Request: d.Request, Path: d.Path, Until: hour(until)}
	}
	with := func(d grants.Decision, removals ...grants.Removal) grants.Decision {
		d.Removals = removals
		return d
	}
	removal := func(role string, cause grants.Cause, commit string, at float64) grants.Removal {
		return grants.Removal{Grant: item("alice", role).Grant, Cause: cause, Commit: commit, At: hour(at)}
	}
	ended := first
	ended.EndedAt = hour(10)
	unproven := first
	unproven.Granted = false

	for _, c := range []struct {
		name      string
		until     float64
		holders   []grants.Holder
		decisions []grants.Decision
		now       float64
		cause     grants.Cause
		commit    string
		says      string
	}{
		{"at its end it has expired, whatever was removed", 13, []grants.Holder{holder(first, 13)},
			[]grants.Decision{with(first, removal("write", grants.CauseDeleted, "aa", 10))}, 13, grants.CauseExpired, "", "closed at 2026-06-01T13:00:00Z"},
		{"before its end it is the removal", 13, []grants.Holder{holder(first, 13)},
			[]grants.Decision{with(first, removal("write", grants.CauseDeactivated, "aa", 10))}, 12, grants.CauseDeactivated, "aa", "deactivated or removed in commit aa"},
		{"the latest removal counts", 13, []grants.Holder{holder(first, 13)},
			[]grants.Decision{with(first, removal("write", grants.CauseNarrowed, "aa", 9), removal("write", grants.CauseUnproven, "bb", 10))}, 12, grants.CauseUnproven, "bb", "commit bb"},
		{"the latest removal of any holder counts", 15, []grants.Holder{holder(first, 13), holder(second, 15)},
			[]grants.Decision{
				with(second, removal("write", grants.CauseDeleted, "bb", 12)), with(first, removal("write", grants.CauseNarrowed, "aa", 11.5)),
			}, 12.5, grants.CauseDeleted, "bb", "requests/first.yaml, requests/second.yaml: the request was deleted"},
		{"one holder expired, the other was deleted", 15, []grants.Holder{holder(first, 13), holder(second, 15)},
			[]grants.Decision{first, with(second, removal("write", grants.CauseDeleted, "bb", 14))}, 14, grants.CauseDeleted, "bb", "deleted"},
		{"a removal of another grant does not count", 13, []grants.Holder{holder(first, 13)},
			[]grants.Decision{with(ended, removal("read", grants.CauseNarrowed, "aa", 9))}, 12, grants.CauseDeleted, "", "no longer in force"},
		{"a removal from another request does not count", 13, []grants.Holder{holder(first, 13)},
			[]grants.Decision{ended, with(second, removal("write", grants.CauseNarrowed, "aa", 9))}, 12, grants.CauseDeleted, "", "no longer in force"},
		{"a decision that is gone", 13, []grants.Holder{holder(first, 13)}, nil, 12, grants.CauseDeleted, "", "no longer in force"},
		{"no holder at all", 13, nil, []grants.Decision{first}, 12, grants.CauseDeleted, "", "no request: "},
		{"a decision that grants nothing any more", 13, []grants.Holder{holder(first, 13)},
			[]grants.Decision{unproven}, 12, grants.CauseUnproven, "", "no longer proven"},
		{"a window that no longer covers now", 13, []grants.Holder{holder(first, 13)},
			[]grants.Decision{decision("first", terms(span(14, 15), write))}, 12, grants.CauseShortened, "", "2026-06-01T12:00:00Z"},
		{"a later window that was counted on is gone", 15, []grants.Holder{holder(first, 13)},
			[]grants.Decision{first}, 13.5, grants.CauseExpired, "", "no other follows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			hold := grants.Hold{Item: write, State: grants.StateHeld, Until: hour(c.until), Holders: c.holders}
			for _, observed := range [][]grants.Grant{nil, {write.Grant}} {
				plan := grants.Plan(nil, observed, []grants.Hold{hold})
				before := text(plan)
				got := grants.Attribute(plan, []grants.Hold{hold}, c.decisions, hour(c.now))
				if text(plan) != before {
					t.Error("the plan was changed in place")
				}
				if len(got) != 1 || got[0].Cause != c.cause || got[0].Commit != c.commit || !strings.Contains(got[0].Reason, c.says) {
					t.Errorf("got %s\nwant %s, %q, %q", text(got), c.cause, c.commit, c.says)
				}
			}
		})
	}
}

func TestAttributeLeavesTheRestAlone(t *testing.T) {
	preExisting := grants.Hold{Item: item("alice", "read"), PreExisting: true, Until: hour(9)}
	changes := []grants.Change{
		{Op: grants.OpRelease, Item: preExisting.Item, Reason: "there before"},
		{Op: grants.OpGrant, Item: item("bob", "write"), Reason: "asked for"},
		{Op: grants.OpLeave, Item: item("carol", "write"), Reason: "drift"},
		{Op: grants.OpRevoke, Item: item("dave", "write"), Reason: "not one of the holds"},
	}
	got := grants.Attribute(changes, []grants.Hold{preExisting}, nil, hour(12))
	if text(got) != text(changes) {
		t.Errorf("got %s", text(got))
	}
}

func TestRemovalsAreWhatTheStepTookAway(t *testing.T) {
	write, read := item("alice", "write"), item("alice", "read")
	prev := decision("alice", terms(span(9, 13), write, read))
	earlier := grants.Removal{Grant: item("alice", "admin").Grant, Cause: grants.CauseNarrowed, Commit: "old", At: hour(9)}
	prev.Removals = []grants.Removal{earlier}
	not := func(d grants.Decision) grants.Decision {
		d.Granted = false
		return d
	}
	over := func(d grants.Decision, at float64) grants.Decision {
		d.EndedAt = hour(at)
		return d
	}
	for _, c := range []struct {
		name       string
		prev, next grants.Decision
		now        float64
		want       string
	}{
		{"nothing", prev, prev, 10, ""},
		{"more", prev, decision("alice", terms(span(9, 13), write, read, item("alice", "admin"))), 10, ""},
		{"longer", prev, decision("alice", terms(span(9, 20), write, read)), 10, ""},
		{"shorter, but not yet over", prev, decision("alice", terms(span(9, 11), write, read)), 10, ""},
		{"one item less", prev, decision("alice", terms(span(9, 13), write)), 10, "read"},
		{"one item less in one of the terms", prev, decision("alice", terms(span(9, 13), write, read), terms(span(9, 13), read)), 10, "write"},
		{"terms that share nothing", prev, decision("alice", terms(span(9, 13), write), terms(span(9, 13), read)), 10, "read write"},
		{"no terms", prev, decision("alice"), 10, "read write"},
		{"no longer granted", prev, not(prev), 10, "read write"},
		{"ended", prev, over(prev, 10), 10, "read write"},
		{"shortened into the past", prev, decision("alice", terms(span(9, 10), write, read)), 10, "read write"},
		{"after it was over by itself", prev, decision("alice"), 13, ""},
		{"after it was ended", over(prev, 10), decision("alice"), 11, ""},
		{"before it was granted", not(prev), decision("alice"), 10, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := grants.Removals(c.prev, c.next, "c0ffee", hour(c.now), grants.CauseNarrowed)
			if len(got) == 0 || got[0] != earlier {
				t.Fatalf("what was lost before is missing: %v", got)
			}
			var roles []string
			for _, r := range got[1:] {
				if r.Commit != "c0ffee" || r.Cause != grants.CauseNarrowed || !r.At.Equal(hour(c.now)) {
					t.Errorf("got %+v", r)
				}
				roles = append(roles, strings.TrimPrefix(r.Grant.Entitlement, "role="))
			}
			if strings.Join(roles, " ") != c.want {
				t.Errorf("lost %v, want %q", roles, c.want)
			}
		})
	}
}

func TestRemovalsListEachLossOnce(t *testing.T) {
	prev := decision("alice", terms(span(9, 13), item("alice", "write")))
	next := decision("alice")
	prev.Removals = grants.Removals(prev, next, "c0ffee", hour(10), grants.CauseNarrowed)
	if again := grants.Removals(prev, next, "c0ffee", hour(11), grants.CauseNarrowed); len(again) != 1 {
		t.Errorf("the same loss is listed again: %v", again)
	}
	again := grants.Removals(prev, next, "decade", hour(11), grants.CauseNarrowed)
	if len(again) != 2 || again[1].Commit != "decade" {
		t.Errorf("a loss in another commit is not listed: %v", again)
	}
	again[0].Commit = "changed"
	if prev.Removals[0].Commit != "c0ffee" {
		t.Error("the result shares memory with the decision")
	}
}

func TestEveryEarlyRevokeIsExplainedByTheStepThatCausedIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		decisions := genDecisions(t)
		now := minute(rapid.IntRange(0, worldMinutes-1).Draw(t, "minute"))
		claims, _ := grants.Desired(decisions, now)
		var w world
		w.apply(grants.Plan(claims, w.on, w.holds), now)

		// One commit takes everything.
		for i, d := range decisions {
			next := d
			next.EndedAt = now
			if !d.EndedAt.IsZero() && d.EndedAt.Before(now) {
				next.EndedAt = d.EndedAt
			}
			next.Removals = grants.Removals(d, next, "c0ffee", now, grants.CauseDeleted)
			decisions[i] = next
		}
		claims, _ = grants.Desired(decisions, now)
		changes := grants.Attribute(grants.Plan(claims, w.on, w.holds), w.holds, decisions, now)
		if len(changes) != len(w.holds) {
			t.Fatalf("%d holds, %d changes", len(w.holds), len(changes))
		}
		for _, ch := range changes {
			if ch.Op != grants.OpRevoke || ch.Cause != grants.CauseDeleted || ch.Commit != "c0ffee" {
				t.Fatalf("got %+v", ch)
			}
		}
	})
}
