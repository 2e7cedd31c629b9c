package intake

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenure-dev/tenure/internal/ledger"
)

// kept is what the ledger has of files that are not in force, by path.
func (w *world) kept() map[string]ledger.NotInForce {
	w.t.Helper()
	files, err := w.led.NotInForce(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]ledger.NotInForce{}
	for _, f := range files {
		out[f.Path] = f
	}
	return out
}

func TestWhatIsNotInForceIsKeptWithWhyAndSinceWhen(t *testing.T) {
	w := strictWorld(t, chained)
	changed := with(chained, leads, group("leads", "mallory"))
	c := w.commit(changed)
	w.brought(leads, c, w.commits[0], 1) // approved by nobody who may
	d := w.commit(with(changed, "people/zoe.yaml", "kind: [Person"))
	since := w.now
	w.pass()
	check := func(when string) {
		t.Helper()
		got := w.kept()
		refused, broken := got[leads], got["people/zoe.yaml"]
		if len(got) != 2 || refused.Commit != c || refused.Pull == 0 || !refused.Since.Equal(since) || refused.Waits != "" ||
			!strings.Contains(refused.Why, "missing: ") || !strings.Contains(refused.Why, "of admins") {
			t.Errorf("%s: %+v", when, refused)
		}
		if broken.Commit != d || !strings.Contains(broken.Why, "line 1") || !broken.Since.Equal(since) {
			t.Errorf("%s: %+v", when, broken)
		}
	}
	check("at once")
	w.restart()
	w.now = w.now.Add(time.Hour)
	if r := w.pass(); len(r.Problems) != 2 {
		t.Errorf("after a restart the pass knows of %v", r.Problems)
	}
	check("after a restart")
	w.commit(with(chained, "README.md", "Hello")) // back to what is in force
	w.pass()
	if got := w.kept(); len(got) != 0 {
		t.Errorf("kept for good: %v", got)
	}
}

func TestNothingIsWrittenWhileTheSameFilesAreNotInForce(t *testing.T) {
	w := strictWorld(t, chained)
	w.pass()
	w.commit(map[string]string{"README.md": "gone"})
	w.commit(map[string]string{"README.md": "still gone"})
	w.pass()
	before := w.kept()
	if before[""].Commit != w.head() || before[""].Waits != ledger.Emptied {
		t.Fatalf("%+v", before)
	}
	w.now = w.now.Add(time.Hour)
	w.pass()
	if after := w.kept(); after[""] != before[""] {
		t.Errorf("%+v became %+v", before, after)
	}
}

func TestAWaitingChangeSaysWhyAndThatAConfirmationHelps(t *testing.T) {
	w := strictWorld(t, chained)
	w.pass()
	w.hub.down = true
	c := w.commit(with(chained, leads, group("leads", "mallory")))
	since := w.now
	w.pass()
	f := w.kept()[leads]
	if f.Waits != ledger.Trusted || f.Commit != c || !strings.Contains(f.Why, "it waits") {
		t.Fatalf("%+v", f)
	}
	w.hub.down = false
	w.brought(leads, c, w.commits[0], 1)
	w.now = w.now.Add(time.Hour)
	w.pass()
	if f = w.kept()[leads]; f.Waits != "" || !f.Since.Equal(since) || f.Pull == 0 {
		t.Errorf("refused: %+v; it was first seen at %s", f, since)
	}
}

func TestARewrittenBranchForgetsWhatStoodOnTheOldOne(t *testing.T) {
	w := strictWorld(t, chained)
	w.commit(with(with(chained, leads, group("leads", "mallory")), "groups/new.yaml", group("new", "mallory")))
	w.pushed(leads, w.head())
	w.pushed("groups/new.yaml", w.head())
	w.pass()
	if len(w.kept()) != 2 {
		t.Fatalf("%+v", w.kept())
	}
	w.commits = w.commits[:1]
	w.commits = []string{w.commits[0], w.commit(with(chained, "README.md", "again"))}
	w.pass()
	if got := w.confirm(w.head()); !slices.Equal(got, []ledger.Reason{ledger.Rewritten}) {
		t.Fatalf("confirmed for %v", got)
	}
	if r := w.pass(); r.Diverged != "" || len(r.Problems) != 0 || len(w.kept()) != 0 {
		t.Errorf("%+v, %+v", r, w.kept())
	}
	if p, ok := w.in.Present(); !ok || p.Branch != nil || len(p.Files) != len(chained) {
		t.Errorf("the branch still says %v", p.Files)
	}
}
